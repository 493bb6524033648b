"""Where a storage's requests go: host, port, whether its name resolves, and whether the network rules let it be asked."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..deployment.buckets import BucketProblem, BucketUnreachable, Reach
from ..deployment.buckets._azure_login import account_of, base_of
from ..deployment.storages import Storage
from ..egress import Rules

DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True)
class Endpoint:
    """`by_row`: the storage row names the host, so the network rules hold for it; else the operator or the provider does."""

    scheme: str
    host: str
    port: int
    by_row: bool

    def rules(self, reach: Reach) -> Rules:
        """Raises BucketBlocked for the name of a metadata service."""
        return reach.rules_for(self.host, self.port, trusted=not self.by_row)

    def rules_of(self, url: str, reach: Reach) -> Rules:
        """The rules for a link that was signed for this endpoint; a bucket's name may stand before the host.

        Another port of the same host is another server, where a redirect may lead.
        """
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), 0
        with contextlib.suppress(ValueError):  # a port that is none: the request itself is refused
            port = parts.port or {"https": 443}.get(parts.scheme, 80)
        own = host == self.host or host.endswith(f".{self.host}")
        if (own and port == self.port) or (not self.by_row and self.scheme == "https"):
            return self.rules(reach)
        return reach.rules_for(self.host if own else host, port)

    def addresses(self, reach: Reach) -> list[str]:
        """What the name resolves to. Raises BucketUnreachable, and BucketBlocked for an address that is refused."""
        rules = self.rules(reach)
        try:
            found = socket.getaddrinfo(self.host, self.port, 0, socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise BucketUnreachable(f"The name {self.host} does not resolve here.") from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:
            reach.need(rules, self.host, address)
        return addresses


def region_of(storage: Storage, reach: Reach) -> str:
    """The region that requests to S3 are signed for."""
    return str(storage.get("region_name") or reach.environment.get("S3_region") or DEFAULT_REGION)


def endpoint_of(storage: Storage, reach: Reach) -> Endpoint | None:
    """The address of the storage's provider; None for local files. Raises BucketProblem for one that is no address."""
    provider, environment = storage.kind.provider, reach.environment
    if provider == "localfiles":
        return None
    if provider == "redis":
        return _parsed(f"redis://{storage.get('host') or 'localhost'}:{storage.get('port') or 6379}", True)
    if provider == "gcs":
        return _parsed(environment.get("STORAGE_EMULATOR_HOST") or "https://storage.googleapis.com", False)
    if provider == "azure":
        account = account_of(storage.row, reach)
        if not account:
            raise BucketProblem("This storage names no account, and the environment names none either.")
        return _parsed(base_of(account, reach), False)
    named = storage.get("s3_endpoint")
    region = region_of(storage, reach)
    amazon = f"https://s3.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"
    return _parsed(str(named or environment.get("S3_ENDPOINT") or amazon), bool(named))


def _parsed(url: str, by_row: bool) -> Endpoint:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port or {"https": 443, "redis": 6379}.get(parts.scheme, 80)
    except ValueError:
        raise BucketProblem("The address of this storage cannot be read: check the spelling, and the port.") from None
    if not parts.hostname or parts.scheme not in {"http", "https", "redis"}:
        raise BucketProblem("The address of this storage names no host: write http:// or https://, and the host.")
    return Endpoint(parts.scheme, parts.hostname.rstrip("."), port, by_row)
