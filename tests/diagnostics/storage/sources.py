"""Storage rows and import links as Label Studio would leave them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from console.diagnostics.check import Context, Scope
from tests.factories import make_annotation, make_project, make_row, make_task

_number = itertools.count(1)


def make_source(session: Session, *, table: str = "io_storages_s3importstorage", **values: Any) -> SimpleNamespace:
    """An S3 source storage in a project of its own; `subject` is that of its findings."""
    number = next(_number)
    defaults: dict[str, Any] = {
        "title": f"Photos {number}", "description": "", "created_at": datetime.now(UTC), "bucket": "nowhere",
        "prefix": "", "regex_filter": None, "use_blob_urls": False, "aws_access_key_id": "AKIAIOSFODNN7EXA0001",
        "aws_secret_access_key": "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00", "aws_session_token": None,
        "region_name": "us-east-1", "presign": True, "presign_ttl": 1, "recursive_scan": True, "last_sync": None,
        "last_sync_count": None, "last_sync_job": None, "status": "initialized", "traceback": None, "meta": {},
        "synchronizable": True, "can_delete_objects": False,
    }  # fmt: skip
    row = defaults | values
    if "project_id" not in row:
        row["project_id"] = make_project(session).id
    row["meta"] = document(session, row["meta"])
    written = make_row(session, table, **row)
    written.subject = f"storage:{'s3' if 'import' in table else 's3-export'}:{written.id}"
    return written


def document(session: Session, value: Any) -> Any:
    """A JSON document as the storage tables hold it: text on SQLite."""
    is_text = session.get_bind().dialect.name == "sqlite" and value is not None and not isinstance(value, str)
    return json.dumps(value) if is_text else value


def make_links(session: Session, storage: SimpleNamespace, keys: Sequence[str]) -> None:
    """A task and a link for each key, as a sync that shows files leaves them."""
    for key in keys:
        task = make_task(session, project_id=storage.project_id, data={"$undefined$": f"s3://{storage.bucket}/{key}"})
        make_row(session, "io_storages_s3importstoragelink", key=key, object_exists=True, row_group=None, row_index=None,
                 created_at=datetime.now(UTC), storage_id=storage.id, task_id=task.id)  # fmt: skip


def set_columns(session: Session, table: str, key: str, value: Any, **columns: Any) -> None:
    """Overwrite columns of one row of any table."""
    target = session.info["schema"].table(table)
    session.execute(update(target).where(target.c[key] == value).values(columns))
    session.commit()


def make_state(session: Session, status: str, *, minutes_ago: float = 30, **columns: Any) -> SimpleNamespace:
    """A source storage whose last sync began so long ago and ended as `status`; `meta` adds to what a sync records."""
    begun = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    meta = {
        "attempts": 1, "time_queued": str(begun), "time_in_progress": str(begun), "time_last_ping": str(begun),
    } | columns.pop("meta", {})  # fmt: skip
    return make_source(session, status=status, meta=meta, **columns)


def narrowed(ctx: Context, storage: SimpleNamespace) -> SimpleNamespace:
    """The same storage, with `ctx` narrowed to it."""
    ctx.scope = Scope(storage=storage.subject.removeprefix("storage:"))
    return storage


def make_target(session: Session, **values: Any) -> SimpleNamespace:
    """An S3 target storage that was synced half an hour ago."""
    begun = datetime.now(UTC) - timedelta(minutes=30)
    defaults = {
        "status": "completed", "last_sync": begun, "last_sync_count": 0, "bucket": "exports",
        "meta": {"time_in_progress": str(begun), "duration": 1.0},
    }  # fmt: skip
    return make_source(session, table="io_storages_s3exportstorage", **defaults | values)


def make_exported(session: Session, target: SimpleNamespace, number: int, *, minutes_ago: float = 29) -> list[int]:
    """Annotations of the target's project, made two hours ago and written so long ago; their ids."""
    made, written = (datetime.now(UTC) - timedelta(minutes=minutes) for minutes in (120, minutes_ago))
    task = make_task(session, project_id=target.project_id)
    ids = [make_annotation(session, task=task, created_at=made, updated_at=made).id for _ in range(number)]
    for annotation_id in ids:
        make_row(session, "io_storages_s3exportstoragelink", annotation_id=annotation_id, storage_id=target.id,
                 object_exists=True, created_at=written, updated_at=written)  # fmt: skip
    return ids


def make_unexported(session: Session, target: SimpleNamespace, number: int, *, minutes_ago: float = 120) -> None:
    """Annotations of the target's project that were never written."""
    made = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    task = make_task(session, project_id=target.project_id)
    for _ in range(number):
        make_annotation(session, task=task, created_at=made, updated_at=made)
