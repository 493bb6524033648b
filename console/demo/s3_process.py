"""The process that serves the demo's buckets: fills them, makes the access keys, then checks every request.

Arguments: the JSON plan that `buckets.start` wrote, and a port. Signed links (the signature in the query) are checked
here and handed on with the same signature rules as signed headers, because moto knows only the latter.
"""

from __future__ import annotations

import json
import logging
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

from moto import settings
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import make_server

from console.demo.processes import HOST
from console.demo.signed_links import SignedLinks

STREET = Path(__file__).with_name("data") / "street.jpg"
REVIEWS = (
    "Arrived a day early and fits perfectly.",
    "The hinge broke in the second week.",
    "Does what it says, nothing more.",
    "Support answered within the hour. Thank you!",
    "The colour is not the one in the picture.",
)


def png(width: int, height: int, color: tuple[int, int, int]) -> bytes:
    """A picture of one color."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes(color) * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def body(key: str, number: int) -> bytes:
    """What lies under a key, by its extension."""
    extension = key.rpartition(".")[2].lower()
    if extension in {"jpg", "jpeg"}:
        return STREET.read_bytes()
    if extension == "png":
        return png(64, 40, (60 + number * 7 % 160, 120, 200 - number * 5 % 120))
    if extension == "json":
        return json.dumps({"text": REVIEWS[number % len(REVIEWS)], "source": key}).encode()
    return b"not labeling data\n"


def fill(plan: dict[str, Any]) -> dict[str, str]:
    """Make buckets, objects and users straight in the server's memory; returns secrets by access key id."""
    storage = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    users = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
    for number, folder in enumerate(plan["folders"]):
        if folder["bucket"] not in storage.buckets:
            storage.create_bucket(folder["bucket"], plan["region"])
        for position, key in enumerate(folder["keys"]):
            storage.put_object(folder["bucket"], key, body(key, position))
        name = f"demo-{number}"
        users.create_user(plan["region"], name)
        made = users.create_access_key(name)
        made.access_key_id, made.secret_access_key = folder["access_key_id"], folder["secret_access_key"]
        users.put_user_policy(name, "storage", folder["policy"])
    return {folder["access_key_id"]: folder["secret_access_key"] for folder in plan["folders"]}


def main() -> None:
    """Fill, switch the access rules on, serve."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    secrets = fill(json.loads(Path(sys.argv[1]).read_text()))
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    application = SignedLinks(DomainDispatcherApplication(create_backend_app), secrets)
    make_server(HOST, int(sys.argv[2]), application, threaded=True, request_handler=MotoRequestHandler).serve_forever()


if __name__ == "__main__":
    main()
