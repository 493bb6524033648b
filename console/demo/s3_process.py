"""The process that serves the demo's buckets: fills them, makes the access keys, then checks every request.

Arguments: the JSON plan that `buckets.start` wrote, and a port. Signed links (the signature in the query) are checked
here and handed on with the same signature rules as signed headers, because moto knows only the latter. Objects are
stored under their own type, and dated back: the storages were synced when they were there already.
"""

from __future__ import annotations

import io
import json
import logging
import math
import mimetypes
import struct
import sys
import wave
import zlib
from datetime import timedelta
from pathlib import Path
from typing import Any

from moto import settings
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.s3.models import FakeBucket, s3_backends
from moto.sts.models import sts_backends
from werkzeug.serving import make_server

from console.demo.cors import Cors, rule
from console.demo.processes import HOST
from console.demo.signed_links import SignedLinks

STREET = (Path(__file__).with_name("data") / "street.jpg").read_bytes()
OLDER = timedelta(days=90)
SESSION_SECONDS = 3600
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


def sound(tone: int) -> bytes:
    """A second of a tone, in Hz."""
    written = io.BytesIO()
    with wave.open(written, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(1)
        recording.setframerate(8000)
        recording.writeframes(bytes(128 + int(90 * math.sin(math.tau * tone * at / 8000)) for at in range(8000)))
    return written.getvalue()


def body(key: str, number: int) -> bytes:
    """What lies under a key, by its extension."""
    extension = key.rpartition(".")[2].lower()
    if extension in {"jpg", "jpeg"}:
        return STREET
    if extension == "png":
        return png(64, 40, (60 + number * 7 % 160, 120, 200 - number * 5 % 120))
    if extension == "json":
        return json.dumps({"text": REVIEWS[number % len(REVIEWS)], "source": key}).encode()
    if extension == "wav":
        return sound(220 + 20 * (number % 12))
    if key.rpartition("/")[2].isdecimal():
        return json.dumps({"id": int(key.rpartition("/")[2]), "result": []}).encode()
    return b"not labeling data\n"


def fill(plan: dict[str, Any]) -> dict[str, str]:
    """Make buckets, objects and users straight in the server's memory; returns secrets by access key id."""
    storage = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    for number, folder in enumerate(plan["folders"]):
        if folder["bucket"] not in storage.buckets:
            storage.create_bucket(folder["bucket"], plan["region"])
            if folder["for_browsers"]:
                storage.put_bucket_cors(folder["bucket"], [rule()])
        for position, key in enumerate(folder["keys"]):
            stored = storage.put_object(folder["bucket"], key, body(key, position))
            stored.set_metadata({"content-type": _type(key)})
            stored.last_modified -= OLDER
        give = _give_session if folder["temporary"] else _give_user
        give(f"demo-{number}", plan["region"], folder)
    return {folder["access_key_id"]: folder["secret_access_key"] for folder in plan["folders"]}


def _type(key: str) -> str:
    if key.rpartition("/")[2].isdecimal():
        return "application/json"
    return mimetypes.guess_type(key)[0] or "binary/octet-stream"


def _give_user(name: str, region: str, folder: dict[str, Any]) -> None:
    """A user with the folder's key and policy."""
    users = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
    users.create_user(region, name)
    made = users.create_access_key(name)
    made.access_key_id, made.secret_access_key = folder["access_key_id"], folder["secret_access_key"]
    users.put_user_policy(name, "storage", folder["policy"])


def _give_session(name: str, region: str, folder: dict[str, Any]) -> None:
    """A role with the folder's policy, and a session of it with the folder's key and token."""
    users = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
    role = users.create_role(name, "{}", "/", None, "", [], None)
    users.put_role_policy(name, "storage", folder["policy"])
    made = sts_backends[DEFAULT_ACCOUNT_ID]["aws"].assume_role(region, name, role.arn, "", SESSION_SECONDS, "")
    made.access_key_id, made.secret_access_key = folder["access_key_id"], folder["secret_access_key"]
    made.session_token = folder["session_token"]


def bucket_named(name: str) -> FakeBucket | None:
    """A bucket of this server, made by the plan or since."""
    found: FakeBucket | None = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets.get(name)
    return found


def main() -> None:
    """Fill, switch the access rules on, serve."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    secrets = fill(json.loads(Path(sys.argv[1]).read_text()))
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    links = SignedLinks(DomainDispatcherApplication(create_backend_app), secrets)
    application = Cors(links, lambda name: found.cors if (found := bucket_named(name)) else ())
    make_server(HOST, int(sys.argv[2]), application, threaded=True, request_handler=MotoRequestHandler).serve_forever()


if __name__ == "__main__":
    main()
