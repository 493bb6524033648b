"""The fields of a storage as Label Studio's API names them, and a storage's row as that API shows it.

Fields that hold secrets are written and never shown. Source: Label Studio's `io_storages/*/serializers.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ...deployment.storages import Storage, StorageKind

#: Never answered, logged or audited; what is empty is taken from the environment.
SECRETS: Mapping[str, tuple[str, ...]] = {
    "s3": ("aws_access_key_id", "aws_secret_access_key", "aws_session_token"),
    "gcs": ("google_application_credentials",),
    "azure": ("account_name", "account_key"),
    "redis": ("password",),
    "localfiles": (),
}
#: What says where the objects are, in Label Studio's order; secrets stand apart.
PLACE: Mapping[str, tuple[str, ...]] = {
    "s3": ("bucket", "prefix", "regex_filter", "use_blob_urls", "aws_sse_kms_key_id", "region_name", "s3_endpoint"),
    "gcs": ("bucket", "prefix", "regex_filter", "use_blob_urls", "google_project_id"),
    "azure": ("container", "prefix", "regex_filter", "use_blob_urls"),
    "redis": ("path", "host", "port", "regex_filter", "use_blob_urls"),
    "localfiles": ("path", "regex_filter", "use_blob_urls"),
}
STATE = ("last_sync", "last_sync_count", "last_sync_job", "status", "traceback", "meta")
STATUSES = ("initialized", "queued", "in_progress", "failed", "completed", "completed_with_errors")
#: Parameters of scripts from before every type had a path of its own -> what they are called now, None for nothing.
RENAMED: Mapping[str, Mapping[str, str | None]] = {
    "s3": {"path": "bucket", "regex": "regex_filter", "data_key": None},
    "gcs": {"path": "bucket", "regex": "regex_filter", "data_key": None},
    "azure": {"path": "container", "regex": "regex_filter", "data_key": None},
    "redis": {"regex": "regex_filter", "data_key": None},
    "localfiles": {"regex": "regex_filter", "data_key": None},
}
#: Pings that may be missing before a sync is taken for dead. Source: `StorageInfo.health_check`.
PINGS_MISSED = 5
#: What Label Studio writes into `traceback` then; clients that look for it find it here too.
PING_TOO_OLD = (
    "It appears the job was failed because the last ping time is too old, "
    "and no traceback information is available.\n"
    "This typically occurs if job was manually removed "
    "or workers reloaded unexpectedly."
)


def names(kind: StorageKind) -> tuple[str, ...]:
    """Every field that is shown, in Label Studio's order."""
    presigns = kind.provider in {"s3", "gcs", "azure"} and not kind.is_target
    place, told = PLACE[kind.provider], (*STATE, "title", "description", "created_at")
    return (
        "id", "type", "synchronizable", *(("presign",) if presigns else ()),
        *((*told, *place) if kind.provider == "s3" else (*place, *told)), *(("presign_ttl",) if presigns else ()),
        *(("db",) if kind.provider == "redis" else ()), *_last(kind), "project",
    )  # fmt: skip


def _last(kind: StorageKind) -> tuple[str, ...]:
    if kind.is_target:
        return ("can_delete_objects",)
    return () if kind.provider == "redis" else ("recursive_scan",)


def defaults(kind: StorageKind) -> dict[str, Any]:
    """What a new storage holds where nothing was given."""
    return {
        "synchronizable": True, "status": "initialized", "meta": {}, "use_blob_urls": False, "presign": True,
        "presign_ttl": 1, "recursive_scan": False, "db": 2 if kind.is_target else 1,
    }  # fmt: skip


def shown(storage: Storage, *, partial: bool = False) -> dict[str, Any]:
    """A storage as the API answers it; columns the release lacks leave their field out.

    `partial`: as Label Studio answers a PATCH, without the type.
    """
    row = storage.row | {"id": storage.id, "type": storage.kind.provider, "project": storage.row.get("project_id")}
    return {
        name: row[name] for name in names(storage.kind) if name in row and not (partial and name == "type")
    }  # fmt: skip


def as_listed(storage: Storage, now: datetime, ping_seconds: float) -> dict[str, Any]:
    """As `shown`, with the state that Label Studio's list would write into the row of a sync that gave no sign of life."""
    found = shown(storage)
    if found.get("status") == "in_progress" and is_silent(found.get("meta"), now, ping_seconds):
        found |= {"status": "failed", "traceback": PING_TOO_OLD}
    return found


def is_silent(meta: Any, now: datetime, ping_seconds: float) -> bool:
    """Whether the last ping of a sync is too old. A ping that cannot be read, or was never written, is no sign of death."""
    text = meta.get("time_last_ping") if isinstance(meta, Mapping) else None
    try:
        last = datetime.fromisoformat(str(text))
    except ValueError:
        return False
    last = last if last.tzinfo else last.replace(tzinfo=UTC)
    return now - last > timedelta(seconds=ping_seconds * PINGS_MISSED)
