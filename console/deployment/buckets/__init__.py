"""Buckets behind one small interface, the same for every provider. Only `put` and `delete` write.

A provider is one module beside this one, named as the storage type (`s3.py`), with a function
`open_bucket(row, reach)` that returns a `Bucket`. Adding a provider edits no list.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib.util import find_spec
from typing import Any, Protocol

from .errors import (
    BucketBlocked,
    BucketDenied,
    BucketError,
    BucketMissing,
    BucketProblem,
    BucketUnreachable,
    ObjectMissing,
    ObjectTooLarge,
    Unsupported,
)
from .reach import Reach, Timeouts

__all__ = [
    "Bucket", "BucketBlocked", "BucketDenied", "BucketError", "BucketMissing", "BucketProblem", "BucketUnreachable",
    "CorsRule", "Listing", "ObjectInfo", "ObjectMissing", "ObjectTooLarge", "Page", "Reach", "Stream", "Timeouts",
    "Unsupported", "can_look_into", "collected", "folder_of", "open_bucket",
]  # fmt: skip

#: Keys that providers hand out per page.
PAGE_KEYS = 1000


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object; `etag` without quotes. What a listing or a provider does not tell is None."""

    key: str
    size: int
    etag: str | None = None
    modified: datetime | None = None
    content_type: str | None = None
    content_encoding: str | None = None
    storage_class: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a listing: objects in the provider's order, and the folders it did not enter.

    `broken_off`: the provider says that there is more and does not hand it out.
    """

    objects: list[ObjectInfo]
    folders: list[str] = field(default_factory=list)
    broken_off: bool = False


@dataclass(frozen=True)
class Listing:
    """Objects in the provider's order. `truncated`: there is more than was looked at. `common_prefixes` are the
    folders not entered, empty for a recursive listing."""

    keys: list[ObjectInfo]
    truncated: bool
    common_prefixes: list[str]


@dataclass(frozen=True)
class CorsRule:
    """What a bucket tells browsers of other origins; `*` in a list means all."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    max_age_seconds: int | None = None


@dataclass
class Stream:
    """An object's bytes on their way: `status` 200, or 206 for a range; `chunks` is read once, then `close` is called."""

    status: int
    chunks: Iterator[bytes]
    close: Callable[[], None]
    length: int | None = None
    content_type: str | None = None
    content_range: str | None = None
    etag: str | None = None
    modified: datetime | None = None


class Bucket(Protocol):
    """One bucket (container, directory, Redis database) as one storage row reaches it; threads may share it.

    Every method may raise a BucketError, and `Unsupported` where the provider knows no such thing.
    """

    #: where it is, fit for a message: `Amazon S3 in 'eu-west-1'`, `http://minio:9000`
    where: str

    def pages(self, prefix: str | None, recursive: bool) -> Iterator[Page]:
        """The listing as Label Studio's sync walks it, page by page: the prefix gets one slash at its end (`folder_of`),
        folder entries and the prefix itself are left out. Ends when the provider repeats itself."""

    def list(self, prefix: str | None, recursive: bool, limit: int) -> Listing:
        """The first `limit` objects of `pages`."""

    def starts_with(self, prefix: str) -> bool:
        """Whether any key starts with exactly this text: what Label Studio's connection test asks."""

    def validate(self, prefix: str | None, is_target: bool) -> None:
        """Label Studio's own connection test of this provider: returns, or raises what it would stumble over."""

    def head(self, key: str) -> ObjectInfo: ...

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """Bytes `start` to `end`, both included as in HTTP; fewer where the object ends earlier."""

    def read(self, key: str, most_bytes: int) -> bytes:
        """The whole object. Raises ObjectTooLarge past `most_bytes`, before memory holds more."""

    def stream(self, key: str, byte_range: str | None = None) -> Stream:
        """The object, or the part that an HTTP `Range` header names."""

    def presign(self, key: str, seconds: int, method: str = "GET") -> str:
        """The URL that Label Studio would send the browser to; sends no request unless a token has to be fetched."""

    def cors(self) -> tuple[CorsRule, ...]:
        """The bucket's CORS rules; none is an empty tuple."""

    def put(self, key: str, body: bytes, content_type: str = ...) -> None:
        """Write as Label Studio's target storages do; the type is the one their client library gives an upload that
        names none."""

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""

    def close(self) -> None: ...


def folder_of(prefix: str | None) -> str:
    """The prefix as Label Studio lists it: without slashes at its end but one, empty for the root."""
    return f"{prefix.rstrip('/')}/" if prefix else ""


def collected(pages: Iterator[Page], limit: int) -> Listing:
    """At most `limit` objects of a paged listing. A bucket of nothing but folder entries ends the walk too."""
    objects: list[ObjectInfo] = []
    folders: list[str] = []
    empty = 0
    for page in pages:
        objects += page.objects
        folders += page.folders
        empty = 0 if page.objects else empty + 1
        if page.broken_off or len(objects) > limit or empty > 10 + 10 * limit // PAGE_KEYS:
            return Listing(objects[: max(limit, 0)], True, folders)
    return Listing(objects, False, folders)


def can_look_into(kind: str) -> bool:
    """Whether this version has a reader for storages of this type."""
    return find_spec(f"{__name__}.{kind}") is not None


def open_bucket(kind: str, row: Mapping[str, Any], reach: Reach | None = None) -> Bucket:
    """The bucket of one storage row (column names as in Label Studio's tables). Opening sends no request.

    `reach` is what else decides how it is reached, see `Reach`. Raises BucketError for settings that cannot be right
    whatever the provider says, Unsupported for a type this version does not know.
    """
    name = f"{__name__}.{kind}"
    try:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", kind) or kind in {"errors", "ranges", "reach"}:
            raise ModuleNotFoundError(name=name)
        provider = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:  # the provider is there, a library of it is not
            raise
        raise Unsupported(f"This version cannot look into storages of type {kind[:40]!r}.") from None
    bucket: Bucket = provider.open_bucket(row, reach or Reach())
    return bucket
