"""Files as answers: parts of them, entity tags, and nothing that a browser would run on this address.

Files come from people and buckets, and a document opened straight from here would act with the session of whoever opens
it: every answer says what it is (`nosniff`) and runs in a sandbox, except PDF, whose viewer does not start in one.
"""

from __future__ import annotations

import mimetypes
import os
import re
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import IO

from flask import Response, request

from ..errors import NotFound
from .routes import nothing

CHUNK_BYTES = 256 * 1024
GENERIC = "application/octet-stream"
#: Browsers may keep a copy, and ask each time whether it is still good and theirs.
REVALIDATED = "private, no-cache"
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; media-src 'self'; frame-ancestors 'self'"
)
#: What browsers open as documents with scripts.
_DOCUMENTS = re.compile(r"(?i)text/html|text/xml|application/(?:xml|xhtml\+xml)|[^;]*\+xml")
_ONE_RANGE = re.compile(r"bytes\s*=\s*(?:(\d{1,18})\s*-\s*(\d{1,18})?|-(\d{1,18}))", re.IGNORECASE)


def kind_of(name: str) -> str:
    """Media type by the extension of a file's name."""
    return mimetypes.guess_type(name)[0] or GENERIC


def is_document(content_type: str) -> bool:
    """Whether a browser would open it as a document that may hold scripts: HTML, XML, SVG."""
    return bool(_DOCUMENTS.match(content_type.strip()))


def harmless(response: Response) -> Response:
    """The answer with headers that keep it from running as a page of this address."""
    pdf = response.mimetype == "application/pdf"
    response.headers["Content-Security-Policy"] = _POLICY if pdf else f"{_POLICY}; sandbox"
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def file_answer(path: Path, content_type: str, *, tagged: bool = False) -> Response:
    """A file on this machine's disk, or the part that `Range` names; 304 for one the client has (`tagged`).

    A range that is none, or of several parts, gives the whole file; one past the end 416. Raises NotFound for a file
    that cannot be opened.
    """
    try:
        file = path.open("rb")
    except OSError:
        raise NotFound("The file cannot be opened.") from None
    told = os.fstat(file.fileno())
    tag = f'W/"{told.st_mtime_ns:x}-{told.st_size:x}"'
    if tagged and _has(tag):
        file.close()
        return unchanged(tag)
    span = part_of(request.headers.get("Range", ""), told.st_size)
    if span is None and told.st_size and _is_past_end(told.st_size):
        file.close()
        return _past_end(told.st_size, content_type)
    start, end = span or (0, told.st_size - 1)
    response = Response(_part(file, start, end), 206 if span else 200, content_type=content_type)
    response.call_on_close(file.close)
    response.content_length = end - start + 1
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Cache-Control"] = REVALIDATED
    if span:
        response.headers["Content-Range"] = f"bytes {start}-{end}/{told.st_size}"
    if tagged:
        response.headers["ETag"] = tag
    return harmless(response)


def unchanged(tag: str) -> Response:
    """304: the client's copy is good."""
    response = nothing(304)
    response.headers.update({"ETag": tag, "Cache-Control": REVALIDATED})
    return response


def part_of(header: str, size: int) -> tuple[int, int] | None:
    """First and last byte that a `Range` header asks for, cut to the file; None for the whole."""
    found = _ONE_RANGE.fullmatch(header.strip())
    if found is None or not size:
        return None
    if found[3] is not None:
        length = min(int(found[3]), size)
        return (size - length, size - 1) if length else None
    start, end = int(found[1]), int(found[2]) if found[2] else size - 1
    return (start, min(end, size - 1)) if start <= end and start < size else None


def begun(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces, the first fetched already: what keeps it from coming is told by a status, not by breaking off."""
    first = next(chunks, None)
    return chunks if first is None else chain([first], chunks)


def within_time(chunks: Iterator[bytes], seconds: float) -> Iterator[bytes]:
    """Pieces until the time is over; then the answer breaks off, and clients ask for the rest by its range."""
    deadline = time.monotonic() + seconds
    for chunk in chunks:
        if time.monotonic() >= deadline:
            return
        yield chunk


def _has(tag: str) -> bool:
    given = [one.strip() for one in request.headers.get("If-None-Match", "").split(",")]
    return "*" in given or tag in given


def _is_past_end(size: int) -> bool:
    found = _ONE_RANGE.fullmatch(request.headers.get("Range", "").strip())
    return bool(found and found[1] and int(found[1]) >= size and (not found[2] or int(found[2]) >= int(found[1])))


def _past_end(size: int, content_type: str) -> Response:
    response = Response(status=416, content_type=content_type)
    response.headers |= {"Accept-Ranges": "bytes", "Content-Range": f"bytes */{size}"}
    return harmless(response)


def _part(file: IO[bytes], start: int, end: int) -> Iterator[bytes]:
    left = end - start + 1
    file.seek(start)
    while left > 0 and (chunk := file.read(min(CHUNK_BYTES, left))):
        left -= len(chunk)
        yield chunk
