"""The bodies of the storage API, one shape per type and direction. Secrets are accepted and never answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..deployment.storages import KINDS, PROVIDER_TITLES, StorageKind
from ..labeling.storages import fields as stored
from ..labeling.storages.validation import bucket_problem, pattern_problem
from .fields import Char, Choice, Document, Field, Flag, Id, Integer, Moment, Several, Shape, Wrong

LONG: dict[str, Any] = {"null": True, "blank": True}
#: Numbers that Label Studio keeps in two bytes.
SHORT = 32767


@dataclass(frozen=True, kw_only=True)
class MaybeFlag(Flag):
    """True, false or null, also in the words forms use."""

    null: bool = True

    def read(self, value: Any, *, form: bool = False) -> Any:
        return None if value in ("", "null", "Null", "NULL", None) else super().read(value, form=form)


@dataclass(frozen=True, kw_only=True)
class Pattern(Char):
    """A regular expression that Python compiles."""

    null: bool = True
    blank: bool = True

    def parse(self, value: Any, *, form: bool = False) -> str:
        text = super().parse(value, form=form)
        if text and (problem := pattern_problem(text)):
            raise Wrong(problem)
        return text


@dataclass(frozen=True, kw_only=True)
class BucketName(Char):
    """A name that S3 takes for a bucket."""

    null: bool = True
    blank: bool = True

    def parse(self, value: Any, *, form: bool = False) -> str:
        text = super().parse(value, form=form)
        if text and (problem := bucket_problem(text)):
            raise Wrong(problem)
        return text


_TEXTS = {
    "bucket": "the bare name", "container": "the bare name", "prefix": "folder within the bucket",
    "path": "directory on the server, or how keys of Redis begin", "host": "Redis server", "port": "Redis port",
    "region_name": "AWS region", "s3_endpoint": "address of another S3 service", "description": "for people",
    "aws_sse_kms_key_id": "KMS key that written objects are encrypted with", "google_project_id": "Google project",
    "traceback": "why the last sync failed",
}  # fmt: skip
_FIELDS: dict[str, Field] = {
    "id": Integer(read_only=True),
    "type": Char(read_only=True),
    "created_at": Moment(read_only=True),
    "project": Id(required=True),
    "title": Char(**LONG, most=256),
    "synchronizable": Flag(default=True),
    "presign": Flag(default=True, about="the browser reads from the bucket by signed links"),
    "presign_ttl": Integer(least=0, most=SHORT, about="how long a signed link is valid, in minutes"),
    "use_blob_urls": Flag(about="each object becomes a task that shows it; otherwise objects are JSON tasks"),
    "recursive_scan": MaybeFlag(about="objects in folders below are read too"),
    "can_delete_objects": MaybeFlag(about="the object of a deleted annotation is deleted"),
    "db": Integer(least=0, most=SHORT, about="Redis database; 0 is not accepted"),
    "regex_filter": Pattern(
        about="Python regular expression, matched from the beginning of the key (local files: of the name)"
    ),
    "last_sync": Moment(null=True),
    "last_sync_count": Integer(least=0, null=True),
    "last_sync_job": Char(**LONG, most=256),
    "status": Choice(of=stored.STATUSES),
    "meta": Document(null=True, about="times and counts of the last sync"),
}


def _field(kind: StorageKind, name: str) -> Field:
    if kind.provider == "s3" and name == "recursive_scan":
        return Flag(about=_FIELDS[name].about)
    if kind.provider == "s3" and name == "bucket":
        return BucketName(about=_TEXTS[name])
    return _FIELDS.get(name) or Char(**LONG, about=_TEXTS.get(name, ""))


def _body(kind: StorageKind) -> Shape:
    found: dict[str, Any] = {name: _field(kind, name) for name in stored.names(kind)}
    found |= {name: Char(**LONG, about="never answered") for name in stored.SECRETS[kind.provider]}
    return Shape(f"{_name(kind)}Body", **found)


def _shape(kind: StorageKind) -> Shape:
    about = (
        f"{'Where annotations go' if kind.is_target else 'Where tasks come from'}: {PROVIDER_TITLES[kind.provider]}."
    )
    found: dict[str, Any] = {name: _field(kind, name) for name in stored.names(kind)}
    return Shape(_name(kind), about, **found)


def _name(kind: StorageKind) -> str:
    word = {"s3": "S3", "gcs": "Gcs", "azure": "Azure", "redis": "Redis", "localfiles": "LocalFiles"}[kind.provider]
    return f"{word}{'Export' if kind.is_target else 'Import'}Storage"


BODIES = {kind.prefix: _body(kind) for kind in KINDS.values()}
SHAPES = {kind.prefix: _shape(kind) for kind in KINDS.values()}
TYPES = {
    "type": "array",
    "items": {"type": "object", "properties": {"name": {"type": "string"}, "title": {"type": "string"}}},
}
ENTRY = Shape(
    "StorageFile", "An object as a sync would see it; a key of null stands for all that follow.",
    key=Char(null=True), last_modified=Moment(null=True), size=Integer(most=2**63 - 1, null=True),
)  # fmt: skip
PREVIEW = Shape("StorageFiles", "The first objects of a storage.", files=Several(of=ENTRY, required=True))
