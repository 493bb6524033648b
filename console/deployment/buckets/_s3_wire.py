"""Requests to S3: signed here, sent by the HTTP session of a botocore client (guarded by `_s3_guard`).

botocore decides all that its users rely on: credentials, the host and path of a bucket, proxies, certificates. Its
request machinery is left out, as it takes 1.1 ms of CPU for each GET and 62 ms for each page of a listing; this takes
0.25 ms and 6 ms. A bucket of another region is asked again there, as botocore does; no other redirect is followed.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import io
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from botocore.awsrequest import (
    AWSPreparedRequest,
    AWSResponse,
    HeadersDict,
)
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectionClosedError
from urllib3 import HTTPResponse

from ._s3_answers import S3Error, error_of

#: No answer needs more, but for the body of an object.
ERROR_BYTES = 64 * 1024
CHUNK_BYTES = 256 * 1024
EMPTY = hashlib.sha256(b"").hexdigest()


class BrokenOff(OSError):
    """The answer ended before it was complete."""


class TooLong(Exception):
    """The answer holds more bytes than were asked for."""


class Credentials(Protocol):
    """As botocore freezes them."""

    access_key: str
    secret_key: str
    token: str | None


@dataclass(frozen=True)
class Route:
    """Where and how a bucket is addressed: its URL without a slash at its end, region and service of the signature."""

    url: str
    region: str
    service: str

    @property
    def host(self) -> str:
        """As the Host header has it."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    @classmethod
    def of(cls, client: Any, bucket: str) -> Route:
        """Read off the request that a botocore client would send; it is caught before it leaves."""
        caught: list[Any] = []

        def catch(request: Any, **_: Any) -> AWSResponse:
            caught.append(request)
            return AWSResponse(request.url, 200, HTTPHeaders(), HTTPResponse(io.BytesIO(), preload_content=False))

        client.meta.events.register_first("before-send.s3.HeadObject", catch, unique_id="route")
        try:
            client.head_object(Bucket=bucket, Key="k")
        finally:
            client.meta.events.unregister("before-send.s3.HeadObject", unique_id="route")
        link, signature = urlsplit(caught[0].url), caught[0].headers["Authorization"]
        if isinstance(signature, bytes):
            signature = signature.decode()
        scope = re.search(r"Credential=\S+/\d{8}/([^/]+)/([^/]+)/aws4_request,", signature)
        if scope is None or not link.path.endswith("/k"):
            raise ValueError("no signature of version 4")
        return cls(f"{link.scheme}://{link.netloc}{link.path[:-2]}", scope[1], scope[2])


class Reply:
    """An answer. Of an error, the body is read already; otherwise `read` or `chunks` is for the caller, or `close`."""

    def __init__(self, method: str, status: int, headers: Mapping[str, str], raw: Any) -> None:
        self.status, self.headers, self._raw = status, headers, raw
        self.error = S3Error()
        if method == "HEAD":
            raw.drain_conn()
        elif status >= 300:
            with contextlib.suppress(TooLong):
                self.error = error_of(self.read(ERROR_BYTES))

    @property
    def length(self) -> int | None:
        text = self.headers.get("content-length") or ""
        return int(text) if text.isascii() and text.isdigit() else None

    @property
    def region(self) -> str:
        """The region the bucket is in, by this answer; empty where it does not tell."""
        told = self.headers.get("x-amz-bucket-region") or self.error.region
        return told if re.fullmatch(r"[a-z0-9-]{2,40}", told) else ""

    def read(self, most_bytes: int) -> bytes:
        """The whole body. Raises TooLong past `most_bytes`, BrokenOff."""
        try:
            if (self.length or 0) > most_bytes:
                raise TooLong
            body: bytes = self._raw.read(most_bytes + 1)
            if len(body) > most_bytes:
                raise TooLong
            self._need_all(len(body))
        except Exception:
            self.close()
            raise
        return body

    def chunks(self) -> Iterator[bytes]:
        """The body in pieces. Raises BrokenOff."""
        seen = 0
        while chunk := self._raw.read1(CHUNK_BYTES):
            seen += len(chunk)
            yield chunk
        self._need_all(seen)

    def _need_all(self, seen: int) -> None:
        if self.length is not None and seen < self.length:
            raise BrokenOff(f"{self.length - seen} bytes are missing")

    def close(self) -> None:
        self._raw.close()


class Wire:
    """Sends requests of one bucket. Threads may share it.

    `route` gives the route to a region; `credentials` the frozen credentials of now, renewed where they run out.
    """

    def __init__(
        self, session: Any, region: str, route: Callable[[str], Route], credentials: Callable[[], Credentials]
    ) -> None:
        self._session, self._credentials, self._make_route = session, credentials, route
        self._region = region
        self._routes: dict[str, Route] = {}
        self._lock = threading.Lock()

    def ask(
        self, method: str, key: str = "", query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None,
        body: bytes = b"", *, follow: bool = True,
    ) -> Reply:  # fmt: skip
        """Ask for an object, or without a key for the bucket. Raises what botocore's session and credentials raise.

        A bucket of another region is asked again in the region it names, once, unless not to `follow`.
        """
        route = self._route()
        reply = self._send(route, method, key, query or {}, headers or {}, body)
        if follow and reply.status in (301, 302, 307, 400) and reply.region and reply.region != route.region:
            with self._lock:
                self._region = reply.region
            reply = self._send(self._route(), method, key, query or {}, headers or {}, body)
        return reply

    def _route(self) -> Route:
        with self._lock:
            if self._region not in self._routes:
                self._routes[self._region] = self._make_route(self._region)
            return self._routes[self._region]

    def _send(
        self, route: Route, method: str, key: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> Reply:
        url = f"{route.url}/{quote(key, safe='/~-._')}" if key or not urlsplit(route.url).path else route.url
        asked = "&".join(f"{quote(name, safe='~-._')}={quote(query[name], safe='~-._')}" for name in sorted(query))
        signed: Any = HeadersDict(_signed(route, self._credentials(), method, urlsplit(url).path, asked, headers, body))
        request = AWSPreparedRequest(method, f"{url}?{asked}" if asked else url, signed, body or None, True)
        try:
            told = self._session.send(request)
        except ConnectionClosedError:  # the server may end a kept connection just as it is used again
            if method not in ("GET", "HEAD"):
                raise
            told = self._session.send(request)
        return Reply(method, told.status_code, told.raw.headers, told.raw)


def _signed(
    route: Route, who: Credentials, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
) -> dict[str, str]:
    """The headers with those of the signature, version 4; what starts with x-amz- is signed too."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    digest = hashlib.sha256(body).hexdigest() if body else EMPTY
    all_of = {"User-Agent": "lsconsole", "Accept-Encoding": "identity", **headers, "Host": route.host}
    all_of |= {"x-amz-content-sha256": digest, "x-amz-date": stamp}
    if who.token:
        all_of["x-amz-security-token"] = who.token
    told = sorted(
        (name.lower(), value) for name, value in all_of.items() if name == "Host" or name.startswith("x-amz-")
    )
    names = ";".join(name for name, _ in told)
    lines = "".join(f"{name}:{value}\n" for name, value in told)
    canonical = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{digest}"
    scope = f"{stamp[:8]}/{route.region}/{route.service}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    secret = _day_key(who.secret_key, stamp[:8], route.region, route.service)
    signature = hmac.digest(secret, to_sign.encode(), "sha256").hex()
    all_of["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={who.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return all_of


@lru_cache(256)
def _day_key(secret: str, day: str, region: str, service: str) -> bytes:
    step = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        step = hmac.digest(step, part.encode(), "sha256")
    return step
