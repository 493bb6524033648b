"""What the small S3 of `tests.s3_server` holds: buckets, objects, rules for browsers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from tests.s3_signing import Refused

MODIFIED = 1_750_000_000


@dataclass(slots=True)
class Stored:
    """One object; without a body it is `size` zero bytes. `headers` are added to the answers of GET and HEAD."""

    body: bytes | None = None
    size: int = 0
    content_type: str = "binary/octet-stream"
    storage_class: str = "STANDARD"
    modified: float = MODIFIED
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def length(self) -> int:
        return self.size if self.body is None else len(self.body)

    @property
    def etag(self) -> str:
        return hashlib.md5(self.body or str(self.size).encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Cors:
    origins: tuple[str, ...] = ("*",)
    methods: tuple[str, ...] = ("GET", "HEAD")
    headers: tuple[str, ...] = ("*",)
    exposed: tuple[str, ...] = ("Content-Length", "Content-Range", "Accept-Ranges", "ETag")
    max_age_seconds: int | None = 3000


class Objects(dict[str, "Stored | bytes"]):
    """Remembers the order of its keys, and how each is listed, until it is changed."""

    def __init__(self, found: Mapping[str, Stored | bytes]) -> None:
        super().__init__(found)
        self.order: list[str] | None = None
        self.entries: dict[str, str] = {}

    def in_order(self) -> list[str]:
        """The keys by their UTF-8."""
        if self.order is None:
            self.order = sorted(self, key=lambda key: key.encode("utf-8", "surrogateescape"))
        return self.order

    def __setitem__(self, key: str, value: Stored | bytes) -> None:
        super().__setitem__(key, value)
        self.order = None
        self.entries.pop(key, None)

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self.order = None

    def update(self, found: Mapping[str, Stored | bytes]) -> None:  # type: ignore[override]
        for key, value in found.items():
            self[key] = value


@dataclass
class FakeBucket:
    objects: Objects
    region: str = "us-east-1"
    faults: dict[str, str | bytes] = field(default_factory=dict)
    wrong_region: str = "malformed"
    cors: list[Cors] | None = None
    ranges: bool = True
    public: bool = False

    def stored(self, key: str) -> Stored | None:
        found = self.objects.get(key)
        return Stored(found) if isinstance(found, bytes) else found


@dataclass(frozen=True)
class Seen:
    operation: str
    bucket: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


def cors_headers(bucket: FakeBucket | None, method: str, headers: Mapping[str, str]) -> dict[str, str]:
    """What a browser is told. Raises Refused for a preflight (`method` is OPTIONS) that no rule allows."""
    origin, preflight = headers.get("origin", ""), method == "OPTIONS"
    method = headers.get("access-control-request-method", "") if preflight else method
    named = headers.get("access-control-request-headers", "").lower().split(",")
    wanted = [name.strip() for name in named if name.strip()]
    for rule in (bucket.cors or ()) if bucket and origin else ():
        if not any(fnmatchcase(origin, allowed) for allowed in rule.origins) or method not in rule.methods:
            continue
        if all(any(fnmatchcase(name, allowed.lower()) for allowed in rule.headers) for name in wanted):
            told = {"Access-Control-Allow-Origin": "*" if "*" in rule.origins else origin,
                    "Access-Control-Allow-Methods": ", ".join(rule.methods),
                    "Vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"}  # fmt: skip
            told |= {"Access-Control-Expose-Headers": ", ".join(rule.exposed)} if rule.exposed else {}
            return told | ({"Access-Control-Allow-Headers": ", ".join(wanted)} if wanted else {})
    if preflight:
        raise Refused(403, "AccessForbidden", "CORSResponse: This CORS request is not allowed.")
    return {}


def cors_xml(rules: list[Cors]) -> bytes:
    """The rules as GetBucketCors tells them."""
    told = []
    for rule in rules:
        ages = (rule.max_age_seconds,) if rule.max_age_seconds else ()
        named = {"AllowedOrigin": rule.origins, "AllowedMethod": rule.methods, "AllowedHeader": rule.headers,
                 "ExposeHeader": rule.exposed, "MaxAgeSeconds": ages}  # fmt: skip
        each = "".join(f"<{tag}>{value}</{tag}>" for tag, values in named.items() for value in values)
        told.append(f"<CORSRule>{each}</CORSRule>")
    return f"<CORSConfiguration>{''.join(told)}</CORSConfiguration>".encode()
