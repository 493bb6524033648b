"""The state a sync leaves in its storage row: times, its job, and the row that says it failed.

Source: `StorageInfo` in Label Studio's io_storages app: `status`, `meta`, `last_sync_job`, `traceback`.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..deployment.models import as_utc
from ..deployment.schema import Schema
from ..deployment.storages import Storage, storage
from ..errors import NotApplicable
from .change import UpdateRow
from .check import Context, Finding
from .lost_jobs import Judge
from .sources import in_use


def with_status(ctx: Context, *, targets: bool = True) -> list[Storage]:
    """Storages that may be synced. Raises NotApplicable on releases whose storages keep no status (before 1.8)."""
    found = in_use(ctx, targets=targets)
    if not any("status" in item.row for item in found):
        raise NotApplicable(f"Label Studio {ctx.schema.label_studio_version} keeps no sync status")
    return found


def meta_of(item: Storage) -> dict[str, Any]:
    """The `meta` of a storage; empty when there is none, or when it is no document."""
    return as_document(item.get("meta"))


def as_document(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return dict(value) if isinstance(value, dict) else {}


def moment(item: Storage, name: str) -> datetime | None:
    """A time in `meta`, such as `time_queued`; None when it is not there or no time."""
    return as_utc(meta_of(item).get(name))


def number(item: Storage, name: str) -> float | None:
    """A number in `meta`, such as `duration` (seconds)."""
    value = meta_of(item).get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def lost_job(ctx: Context, item: Storage) -> str | None:
    """Why no job will end this sync, or None while one may. Raises Unknown when Redis does not answer."""
    job_id = item.get("last_sync_job")
    if not job_id:
        return "no job was started for it"
    answer = Judge(ctx).by_id(str(job_id))
    return None if answer.alive else answer.told


def failed_row(ctx: Context, finding: Finding, status: str) -> UpdateRow | None:
    """The row as Label Studio leaves a failed sync; None once its status moved on or a job may still end it."""
    item = storage(ctx.read, ctx.schema, finding.subject.removeprefix("storage:"))
    job = lost_job(ctx, item) if item.get("status") == status else None
    if not job:
        return None
    told = f"LS Console marked this sync failed: it was {status.replace('_', ' ')}, and {job}."
    return marked_failed(ctx.read, ctx.schema, item, told, ctx.now)


def marked_failed(session: Session, schema: Schema, item: Storage, told: str, now: datetime) -> UpdateRow:
    """The row as Label Studio leaves a failed sync, `told` as its traceback."""
    table = schema.table(item.kind.table_name)
    columns = [table.c[name] for name in ("status", "traceback", "meta")]
    before = dict(session.execute(select(*columns).where(table.c[item.kind.key_column] == item.id)).mappings().one())
    meta = as_document(before["meta"]) | {"time_failure": str(now), "duration": 0.0}
    # SQLite holds the document as text, and its type is not known there.
    after = {
        "status": "failed",
        "traceback": told,
        "meta": json.dumps(meta) if isinstance(before["meta"], str) else meta,
    }
    return UpdateRow(table.name, {item.kind.key_column: item.id}, before, after)
