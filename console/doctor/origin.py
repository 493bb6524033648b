"""The origin of the deployment's pages, as browsers send it and as CORS rules name it."""

from __future__ import annotations

from urllib.parse import urlsplit

#: What stands in generated rules while the console does not know where people open Label Studio.
PLACEHOLDER = "https://label-studio.example.com"
DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(url: str | None) -> str | None:
    """`https://label.example.com` of Label Studio's address: scheme, host and port alone, without a default port.

    None for no address, and for one that no browser could have open.
    """
    try:
        parts = urlsplit(url or "")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in DEFAULT_PORTS or not host:
        return None
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}" + (f":{port}" if port and port != DEFAULT_PORTS[parts.scheme] else "")
