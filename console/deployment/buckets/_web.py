"""What the providers that are asked over plain HTTP share: one session that is bounded in time, follows no redirect
and repeats nothing. URLs go over the wire exactly as they are given, dots and all: a key like `a/../b` is a key.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, ReadTimeoutError

from . import BucketProblem, BucketUnreachable, ObjectTooLarge, Stream, Timeouts

CHUNK_BYTES = 256 * 1024
#: The most that an answer about objects (a page of a listing, settings, an error) may weigh.
MOST_ANSWER_BYTES = 64 * 2**20
CONNECTIONS = 32


@dataclass(frozen=True)
class Answer:
    """A whole answer; header names as the provider wrote them, looked up in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Web:
    """Requests to one provider. Threads may share it; `where` begins the sentences of its errors."""

    def __init__(self, where: str, timeouts: Timeouts) -> None:
        self._where = where
        self._timeouts = timeouts
        self._session = requests.Session()
        self._session.auth = _as_it_is  # else requests looks for a password in ~/.netrc
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS, max_retries=0))

    def close(self) -> None:
        self._session.close()

    def ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None,
        most_bytes: int = MOST_ANSWER_BYTES,
    ) -> Answer:  # fmt: skip
        """One request and its whole answer. Raises BucketUnreachable, ObjectTooLarge past `most_bytes`."""
        response = self.open(method, url, headers, body)
        return Answer(response.status_code, response.headers, self.whole(response, most_bytes))

    def open(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> requests.Response:
        """One request; the body of its answer is unread. Raises BucketUnreachable."""
        try:
            request = self._session.prepare_request(requests.Request(method, "http://x/", headers=headers, data=body))
            request.url = url  # preparing it would resolve its dots
            surroundings = self._session.merge_environment_settings(url, {}, True, None, None)
            return self._session.send(
                request, timeout=(self._timeouts.connect_seconds, self._timeouts.read_seconds), allow_redirects=False,
                **surroundings,
            )  # fmt: skip
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            raise BucketUnreachable(f"{self._where} {_reason(error)}") from None

    def whole(self, response: requests.Response, most_bytes: int) -> bytes:
        """The body, decoded. Raises ObjectTooLarge before memory holds more, BucketUnreachable when it trickles."""
        parts, seen, began = [], 0, time.monotonic()
        try:
            for chunk in self._chunks(response):
                seen += len(chunk)
                if seen > most_bytes:
                    raise ObjectTooLarge(f"{self._where} sends more than the {most_bytes} bytes that are accepted.")
                if time.monotonic() - began > self._timeouts.read_seconds * (2 + seen / 2**20):
                    raise BucketUnreachable(f"{self._where} sends its answer too slowly.")
                parts.append(chunk)
        finally:
            response.close()
        return b"".join(parts)

    def beginning(self, response: requests.Response, length: int) -> bytes:
        """The first bytes of the body as they are stored; the rest is not read."""
        parts, seen = [], 0
        try:
            for chunk in self._chunks(response, decoded=False):
                parts.append(chunk)
                seen += len(chunk)
                if seen >= length:
                    break
        finally:
            response.close()
        return b"".join(parts)[:length]

    def stream(self, response: requests.Response) -> Stream:
        """The body on its way; a part of what is stored compressed stays compressed."""
        headers = response.headers
        length, modified = headers.get("Content-Length", ""), headers.get("Last-Modified")
        encoded = bool(headers.get("Content-Encoding"))
        return Stream(
            status=response.status_code, chunks=self._chunks(response, decoded=response.status_code == 200), close=response.close,
            length=int(length) if length.isdecimal() and not encoded else None, content_type=headers.get("Content-Type"),
            content_range=headers.get("Content-Range"), etag=(headers.get("ETag") or "").strip('"') or None,
            modified=parsedate_to_datetime(modified) if modified else None,
        )  # fmt: skip

    def _chunks(self, response: requests.Response, *, decoded: bool = True) -> Iterator[bytes]:
        try:
            while chunk := response.raw.read1(CHUNK_BYTES, decode_content=decoded):
                yield chunk
        except ReadTimeoutError:
            raise BucketUnreachable(f"{self._where} stopped in the middle of its answer.") from None
        except (HTTPError, OSError, ValueError):
            raise BucketUnreachable(f"{self._where} broke off in the middle of its answer.") from None


def one_range(byte_range: str | None) -> tuple[int | None, int | None] | None:
    """First and last byte of a `Range` header that names one range: (0, 99), (100, None), (None, 500) for the last 500.

    None for no range, and for whatever else the header says: HTTP lets a server send the whole then.
    """
    found = re.fullmatch(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", byte_range or "", re.IGNORECASE)
    if not found or not (found[1] or found[2]):
        return None
    start, end = (int(text) if text else None for text in found.groups())
    return None if start is not None and end is not None and end < start else (start, end)


def range_header(wanted: tuple[int | None, int | None]) -> str:
    start, end = ("" if number is None else str(number) for number in wanted)
    return f"bytes={start}-{end}"


def beyond_the_end(subject: str) -> BucketProblem:
    """What a range that starts behind the last byte comes to (HTTP 416)."""
    return BucketProblem(f"{subject} ends before the range that was asked for.", "InvalidRange")


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _reason(error: BaseException) -> str:
    text = str(error).lower()
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "did not accept a connection in time."
    if isinstance(error, requests.exceptions.ReadTimeout):
        return "did not answer in time."
    if isinstance(error, requests.exceptions.ProxyError):
        return "cannot be reached through the proxy of the environment."
    if isinstance(error, requests.exceptions.SSLError):
        return "cannot be reached over TLS: its certificate is not trusted here, or it does not speak TLS."
    if "nameresolution" in text or "name or service" in text or "getaddrinfo" in text:
        return "cannot be reached: its name does not resolve."
    if "refused" in text:
        return "cannot be reached: nobody listens there."
    if "remotedisconnected" in text or "connection aborted" in text or "reset by peer" in text:
        return "closed the connection without an answer."
    return f"cannot be reached ({type(error).__name__})."
