"""A small S3 that checks signatures, and breaks on request: for the faults that moto does not produce, and for speed.

    with S3Server() as s3:                                  # threads in this process; keep-alive; HTTP/1.1
        bucket = s3.bucket("data", {"a.json": b"{}"})       # region="us-east-1"; `bucket.objects` may be changed at will
        bucket.objects["big.mp4"] = Stored(size=10 << 30)   # sparse: no body in memory
        row = s3.row("data", prefix="img")                  # columns of a storage row; s3.endpoint is http://127.0.0.1:port
        s3.keys["ASIA"] = Key("secret", token="t", expired=True)
        bucket.faults["GET"] = "deny"

Requests are signed with a known key (`KEY_ID`, `SECRET` to begin with) in headers or in the query; a wrong signature, an
unknown key, an expired or missing token, an expired link, a clock that differs (`s3.clock_offset_seconds = 3600`), a wrong
region and no signature at all (but for `bucket.public = True`) are refused in S3's own words.

`faults` (of a bucket, or of a Key) maps an operation to what happens. Operations: LIST GET HEAD PUT DELETE HEADBUCKET GETCORS
LOCATION, or one object's: "GET img/1.jpg". Faults: `deny` (403 AccessDenied), `html` (200 and a page), `hang` (no answer until
the server closes), `drip` (a byte of the answer each `s3.drip_seconds`), `slow` (`s3.slow_seconds` before the answer),
`reset` (the connection ends), `cut` (half the body), `endless` (a body without an end), `repeat` (LIST: the same page for
ever), `403 SomeCode` (any status and code), bytes (200 and this body); for PUT `sse-required`, `sse-refused` (NotImplemented) and `kms`.
`wrong_region` of a bucket: `malformed` (400), `redirect` (301, with x-amz-bucket-region) or a URL (307 to it).
`cors`: a list of Cors; None is NoSuchCORSConfiguration. `ranges = False` ignores Range. `s3.log`: the last requests (Seen).

    python -m tests.s3_server --objects 1000000 --key 'f/%07d.json' --body '{"text": "%d"}'     # prints its address
"""

from __future__ import annotations

import argparse
import bisect
import collections
import contextlib
import functools
import hashlib
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, quote_from_bytes, unquote_to_bytes
from xml.sax.saxutils import escape

from tests.s3_objects import MODIFIED, Cors, FakeBucket, Objects, Seen, Stored, cors_headers, cors_xml
from tests.s3_signing import Key, Refused, Request, signed_by

__all__ = ["KEY_ID", "MODIFIED", "SECRET", "Cors", "FakeBucket", "Key", "S3Server", "Seen", "Stored"]

KEY_ID, SECRET = "AKIDEXAMPLE000000001", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY01"
CHUNK = 256 * 1024


class S3Server:
    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.keys = {KEY_ID: Key(SECRET)}
        self.buckets: dict[str, FakeBucket] = {}
        self.clock_offset_seconds = 0.0
        self.slow_seconds, self.drip_seconds = 2.0, 0.2
        self.log: collections.deque[Seen] = collections.deque(maxlen=1000)
        self.closing = threading.Event()
        self._tcp = _Tcp(("127.0.0.1", port), _Connection)
        self._tcp.s3 = self
        if tls:
            self._tcp.socket = tls.wrap_socket(self._tcp.socket, server_side=True, do_handshake_on_connect=False)
        self.endpoint = f"{'https' if tls else 'http'}://127.0.0.1:{self._tcp.server_address[1]}"
        self._thread = threading.Thread(target=self._tcp.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> S3Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._tcp.shutdown()
        self._tcp.server_close()
        self._thread.join()

    def bucket(self, name: str, objects: Mapping[str, Stored | bytes] | None = None, **others: Any) -> FakeBucket:
        self.buckets[name] = FakeBucket(Objects(objects or {}), **others)
        return self.buckets[name]

    def row(self, bucket: str, **columns: Any) -> dict[str, Any]:
        """A storage row that reaches the bucket."""
        keys = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET, "aws_session_token": None}
        return {"bucket": bucket, "prefix": None, "region_name": None, "s3_endpoint": self.endpoint, **keys, **columns}


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads, allow_reuse_address, block_on_close, request_queue_size = True, True, False, 128
    s3: S3Server


class _Connection(socketserver.StreamRequestHandler):
    rbufsize = 64 * 1024
    disable_nagle_algorithm = True
    server: _Tcp

    def handle(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while self._one():
                pass

    def _one(self) -> bool:
        line = self.rfile.readline(65536).decode("latin-1").split()
        if len(line) != 3:
            return False
        headers: dict[str, str] = {}
        while header := self.rfile.readline(65536).strip():
            name, _, value = header.decode("utf-8", "surrogateescape").partition(":")
            headers[name.strip().lower()] = value.strip()
        if headers.get("expect"):
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        path, _, query = line[1].partition("?")
        pairs = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
        body = self.rfile.read(int(headers.get("content-length") or 0))
        self.asked = Request(line[0], unquote_to_bytes(path), pairs, headers, body)
        self.method, self.headers, self.query, self.fault = line[0], headers, self.asked.query, ""
        place, host = self.asked.path.decode("utf-8", "surrogateescape")[1:], headers.get("host", "").partition(".")[0]
        if host in self.server.s3.buckets:  # http://bucket.host/key
            self.bucket_name, self.key = host, place
        else:
            self.bucket_name, _, self.key = place.partition("/")
        try:
            return self._answer()
        except Refused as refused:
            return self._send(refused.status, {"Content-Type": "application/xml", **refused.headers}, refused.body)

    def _answer(self) -> bool:
        s3, operation, body = self.server.s3, self._operation(), self.asked.body
        if "aws-chunked" in self.headers.get("content-encoding", ""):
            body = _unchunked(body)
        s3.log.append(Seen(operation, self.bucket_name, self.key, self.query, self.headers, body))
        bucket = s3.buckets.get(self.bucket_name)
        if self.method == "OPTIONS":
            return self._send(200, cors_headers(bucket, self.method, self.headers), b"")
        key = self._signed_by(bucket)
        if bucket is None:
            raise Refused(404, "NoSuchBucket", "The specified bucket does not exist")
        faults = {**bucket.faults, **(key.faults if key else {})}
        self.fault = faults.get(f"{operation} {self.key}") or faults.get(operation, "")
        if done := self._break():
            return done == "go on"
        headers = {"x-amz-bucket-region": bucket.region, **cors_headers(bucket, self.method, self.headers)}
        answer: tuple[int, dict[str, str], bytes | Stored] = getattr(self, f"_{operation.lower()}")(bucket, body)
        return self._send(answer[0], {**headers, **answer[1]}, answer[2])

    def _signed_by(self, bucket: FakeBucket | None) -> Key | None:
        s3 = self.server.s3
        if (
            bucket is not None
            and bucket.public
            and "authorization" not in self.headers
            and "X-Amz-Signature" not in self.query
        ):
            return None
        try:
            return signed_by(self.asked, s3.keys, s3.clock_offset_seconds, bucket.region if bucket else None)
        except Refused as refused:
            if bucket is None or str(refused) != "AuthorizationHeaderMalformed" or bucket.wrong_region == "malformed":
                raise
            right = {"x_amz_bucket_region": bucket.region}
            if bucket.wrong_region == "redirect":
                message = "The bucket you are attempting to access must be addressed using another endpoint."
                raise Refused(301, "PermanentRedirect", message, **right) from None
            location = bucket.wrong_region + self.asked.path.decode("latin-1")
            raise Refused(307, "TemporaryRedirect", "Redirect", Location=location, **right) from None

    def _operation(self) -> str:
        if self.key:
            return self.method
        listing = "GETCORS" if "cors" in self.query else "LOCATION" if "location" in self.query else "LIST"
        return "HEADBUCKET" if self.method == "HEAD" else listing

    def _break(self) -> str:
        fault, s3 = self.fault, self.server.s3
        if isinstance(fault, bytes):
            self.fault = ""
            self._send(200, {"Content-Type": "application/xml"}, fault)
            return "go on"
        if fault == "deny":
            raise Refused(403, "AccessDenied", "Access Denied")
        if fault[:3].isdigit():
            raise Refused(int(fault[:3]), fault[4:])
        if fault == "kms":
            raise Refused(
                403, "AccessDenied", "User is not authorized to perform: kms:GenerateDataKey on this resource"
            )
        encrypted = "x-amz-server-side-encryption" in self.headers
        if fault == "sse-required" and not encrypted:
            raise Refused(403, "AccessDenied", "Access Denied")
        if fault == "sse-refused" and encrypted:
            raise Refused(501, "NotImplemented", "Server side encryption specified but KMS is not configured")
        if fault == "slow":
            s3.closing.wait(s3.slow_seconds)
        if fault == "html":
            self._send(200, {"Content-Type": "text/html"}, b"<!doctype html><html><body>Sign in<br></body></html>")
            return "go on"
        if fault == "hang":
            s3.closing.wait()
        if fault == "endless":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\n\r\n<ListBucketResult>")
            while not s3.closing.is_set():
                self.wfile.write(b"<Prefix>" + b"x" * CHUNK)
        return "end" if fault in {"hang", "reset", "endless"} else ""

    # what S3 knows -------------------------------------------------------------------------------------------------

    def _list(self, bucket: FakeBucket, _: bytes) -> tuple[int, dict[str, str], bytes]:
        asked, keys = self.query, bucket.objects.in_order()
        prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
        most = min(int(asked.get("max-keys") or 1000), 1000)
        by_bytes = functools.partial(str.encode, encoding="utf-8", errors="surrogateescape")
        token = asked.get("continuation-token", "") if self.fault != "repeat" else ""
        marker = asked.get("marker", "")  # the first version of LIST, which boto3's resources still speak
        if delimiter and marker.endswith(delimiter):
            token = f"{marker}/after"
        last = token.removesuffix("/after") if token else asked.get("start-after", "") or marker
        at = bisect.bisect_left(keys, by_bytes(prefix), key=by_bytes)
        if last:
            over = last + "\U0010ffff" if token.endswith("/after") else last
            at = max(at, bisect.bisect_right(keys, by_bytes(over), key=by_bytes))
        url = asked.get("encoding-type") == "url"
        told, folders, token = [], [], ""
        while at < len(keys) and keys[at].startswith(prefix):
            if len(told) + len(folders) == most:
                break
            key = keys[at]
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            if cut < 0:
                told.append(self._entry(bucket, key, url))
                at, token = at + 1, key
                continue
            folders.append(key[: cut + len(delimiter)])
            token = f"{folders[-1]}/after"
            at = bisect.bisect_right(keys, by_bytes(folders[-1] + "\U0010ffff"), key=by_bytes)
        more = (at < len(keys) and keys[at].startswith(prefix)) or self.fault == "repeat"
        parts = ["<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">",
                 f"<Name>{self.bucket_name}</Name><Prefix>{_named(prefix, url)}</Prefix><KeyCount>{len(told) + len(folders)}</KeyCount>",
                 f"<MaxKeys>{most}</MaxKeys><IsTruncated>{str(bool(more)).lower()}</IsTruncated>",
                 "<EncodingType>url</EncodingType>" if url else "",
                 f"<NextContinuationToken>{escape(token)}</NextContinuationToken>" if more else "",
                 f"<NextMarker>{_named(token.removesuffix('/after'), url)}</NextMarker>" if more else "", *told,
                 *(f"<CommonPrefixes><Prefix>{_named(name, url)}</Prefix></CommonPrefixes>" for name in folders),
                 "</ListBucketResult>"]  # fmt: skip
        return 200, {"Content-Type": "application/xml"}, "".join(parts).encode("utf-8", "surrogateescape")

    @staticmethod
    def _entry(bucket: FakeBucket, key: str, url: bool) -> str:
        cache = bucket.objects.entries
        if (entry := cache.get(key) if url else None) is None:
            stored = bucket.stored(key) or Stored()
            at = datetime.fromtimestamp(stored.modified, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
            entry = (
                f"<Contents><Key>{_named(key, url)}</Key><LastModified>{at}</LastModified><ETag>&quot;{stored.etag}&quot;</ETag>"
                f"<Size>{stored.length}</Size><StorageClass>{stored.storage_class}</StorageClass></Contents>"
            )
            if url:
                cache[key] = entry
        return entry

    def _get(self, bucket: FakeBucket, _: bytes) -> tuple[int, dict[str, str], bytes | Stored]:
        stored = bucket.stored(self.key)
        if stored is None:
            raise Refused(404, "NoSuchKey", "The specified key does not exist.")
        headers = {"Content-Type": self.query.get("response-content-type", stored.content_type), "ETag": f'"{stored.etag}"',
                   "Last-Modified": formatdate(stored.modified, usegmt=True), **stored.headers}  # fmt: skip
        headers |= {"x-amz-storage-class": stored.storage_class} if stored.storage_class != "STANDARD" else {}
        if not bucket.ranges:
            return 200, headers, stored
        headers["Accept-Ranges"] = "bytes"
        asked = self.headers.get("range", "")
        if not asked.startswith("bytes="):
            return 200, headers, stored
        first, _, last = asked[6:].partition("-")
        size = stored.length
        start = int(first) if first else max(size - int(last), 0)
        end = min(int(last), size - 1) if first and last else size - 1
        if start >= size:
            raise Refused(
                416, "InvalidRange", "The requested range is not satisfiable", content_range=f"bytes */{size}"
            )
        headers["Content-Range"] = f"bytes {start}-{end}/{size}"
        part = Stored(None, end - start + 1) if stored.body is None else Stored(stored.body[start : end + 1])
        return 206, headers, part

    _head = _get

    def _put(self, bucket: FakeBucket, body: bytes) -> tuple[int, dict[str, str], bytes]:
        sse = {name: value for name, value in self.headers.items() if name.startswith("x-amz-server-side-encryption")}
        bucket.objects[self.key] = Stored(
            body, content_type=self.headers.get("content-type", ""), headers=sse, modified=int(time.time())
        )
        return 200, {"ETag": f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"', **sse}, b""

    def _delete(self, bucket: FakeBucket, _: bytes) -> tuple[int, dict[str, str], bytes]:
        if self.key in bucket.objects:
            del bucket.objects[self.key]
        return 204, {}, b""

    def _headbucket(self, bucket: FakeBucket, _: bytes) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, b""

    def _location(self, bucket: FakeBucket, _: bytes) -> tuple[int, dict[str, str], bytes]:
        named = "" if bucket.region == "us-east-1" else bucket.region
        return 200, {}, f"<LocationConstraint>{named}</LocationConstraint>".encode()

    def _getcors(self, bucket: FakeBucket, _: bytes) -> tuple[int, dict[str, str], bytes]:
        if bucket.cors is None:
            raise Refused(404, "NoSuchCORSConfiguration", "The CORS configuration does not exist")
        return 200, {}, cors_xml(bucket.cors)

    # the wire ------------------------------------------------------------------------------------------------------

    def _send(self, status: int, headers: Mapping[str, str], body: bytes | Stored) -> bool:
        length = len(body) if isinstance(body, bytes) else body.length
        whole = b"" if self.method == "HEAD" else body if isinstance(body, bytes) else body.body
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        length_line = "" if status == 204 else f"Content-Length: {length}\r\n"
        start = f"HTTP/1.1 {status} X\r\nServer: small-s3\r\nDate: {formatdate(usegmt=True)}\r\n{length_line}{head}\r\n".encode()
        if self.fault == "drip":
            for byte in start + (whole or b""):
                self.wfile.write(bytes([byte]))
                if self.server.s3.closing.wait(self.server.s3.drip_seconds):
                    return False
        elif self.fault == "cut" and whole:
            self.wfile.write(start + whole[: len(whole) // 2])
            return False
        elif whole is not None:
            self.wfile.write(start + whole)
        else:
            self.wfile.write(start)
            for at in range(0, length, CHUNK):
                self.wfile.write(bytes(min(CHUNK, length - at)))
        return self.headers.get("connection", "").lower() != "close"


def _named(key: str, url: bool) -> str:
    return quote_from_bytes(key.encode("utf-8", "surrogateescape"), safe="/-_.*") if url else escape(key)


def _unchunked(body: bytes) -> bytes:
    """What an aws-chunked body carries."""
    parts, at = [], 0
    while size := int(body[at : body.index(b"\r\n", at)].partition(b";")[0] or b"0", 16):
        at = body.index(b"\r\n", at) + 2
        parts.append(body[at : at + size])
        at += size + 2
    return b"".join(parts)


def _numbered(count: int, key: str, body: str) -> Iterator[tuple[str, bytes]]:
    for number in range(count):
        yield key % number, body.replace("%d", str(number)).encode()


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--port", type=int, default=0)
    asked.add_argument("--bucket", default="data")
    asked.add_argument("--objects", type=int, default=1000)
    asked.add_argument("--key", default="f/%07d.json")
    asked.add_argument("--body", default='{"text": "%d"}')
    told = asked.parse_args()
    with S3Server(told.port) as s3, contextlib.suppress(KeyboardInterrupt):
        s3.bucket(told.bucket, dict(_numbered(told.objects, told.key, told.body)))
        print(s3.endpoint, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
