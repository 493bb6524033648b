"""Buckets behind one small interface: list, head, read a range. Nothing here writes.

A provider is one module beside this one, named as the storage type (`s3.py`), with a function
`open_bucket(row, settings_env, timeouts)`. Adding a provider edits no list.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

from ...errors import ConsoleError


@dataclass(frozen=True)
class Timeouts:
    """How long one request may take; there are no retries."""

    connect_seconds: float = 3
    read_seconds: float = 10


@dataclass(frozen=True)
class ObjectInfo:
    """One object; `etag` without quotes, None where the provider has none."""

    key: str
    size: int
    etag: str | None = None


@dataclass(frozen=True)
class Listing:
    """Objects in the provider's order. `truncated`: there is more than was looked at. `common_prefixes` are the
    folders not entered, empty for a recursive listing."""

    keys: list[ObjectInfo]
    truncated: bool
    common_prefixes: list[str]


class Bucket(Protocol):
    """One bucket as one storage row reaches it. Every method may raise the errors below."""

    def list(self, prefix: str | None, recursive: bool, limit: int) -> Listing:
        """Objects as Label Studio's sync would see them: the prefix gets one slash at its end, folder entries and
        the prefix itself are left out; at most `limit` keys."""

    def head(self, key: str) -> ObjectInfo: ...

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """Bytes `start` to `end`, both included as in HTTP; fewer where the object ends earlier."""

    def close(self) -> None: ...


class BucketError(ConsoleError):
    """Whatever keeps a bucket from being read; `str()` is one sentence without a secret."""

    status = 503


class BucketProblem(BucketError):
    """The storage's settings, or the provider's answer, make no sense; the message says which and why."""


class BucketDenied(BucketError):
    """The provider refused. `statement` is the policy statement to add, empty where no policy would help
    (wrong or missing credentials); `provider_code` is the provider's own word."""

    def __init__(self, message: str, operation: str, provider_code: str, statement: str = "") -> None:
        super().__init__(message)
        self.operation = operation
        self.provider_code = provider_code
        self.statement = statement


class BucketUnreachable(BucketError):
    """No answer: name, network, TLS or time."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BucketMissing(BucketError):
    """There is no bucket of this name where the storage points."""


class ObjectMissing(BucketError):
    """There is no object of this key."""


class Unsupported(BucketError):
    """This version has no reader for such a storage."""

    status = 501


def can_look_into(kind: str) -> bool:
    """Whether this version has a reader for storages of this type."""
    return find_spec(f"{__name__}.{kind}") is not None


def open_bucket(
    kind: str, row: Mapping[str, Any], settings_env: Mapping[str, str], timeouts: Timeouts | None = None
) -> Bucket:
    """The bucket of one storage row (column names as in Label Studio's tables). Opening sends no request.

    `settings_env` is the part of Label Studio's environment that fills empty columns.
    """
    name = f"{__name__}.{kind}"
    try:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", kind):
            raise ModuleNotFoundError(name=name)
        provider = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:  # the provider is there, a library of it is not
            raise
        raise Unsupported(f"This version cannot look into storages of type {kind[:40]!r}.") from None
    bucket: Bucket = provider.open_bucket(row, settings_env, timeouts or Timeouts())
    return bucket
