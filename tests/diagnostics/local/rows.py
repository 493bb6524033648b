"""Rows of local-files storages: the connection in the parent table, the storage in its child."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from sqlalchemy.orm import Session

from tests.diagnostics.storage.sources import document
from tests.factories import make_project, make_row, make_task


def make_local_source(session: Session, *, path: str | None, target: bool = False, **values: Any) -> SimpleNamespace:
    """A storage of local files; `subject` is that of its findings."""
    parent = make_row(session, "io_storages_localfilesmixin", path=path, regex_filter=None, use_blob_urls=True)
    row = {
        "localfilesmixin_ptr_id": parent.id, "title": f"Files {parent.id}", "description": "", "synchronizable": True,
        "created_at": datetime.now(UTC), "status": "initialized", "meta": document(session, {}),
        "recursive_scan": True, "can_delete_objects": False,
    }  # fmt: skip
    row |= values
    if "project_id" not in row:
        row["project_id"] = make_project(session).id
    word, prefix = ("export", "localfiles-export") if target else ("import", "localfiles")
    make_row(session, f"io_storages_localfiles{word}storage", **row)
    return SimpleNamespace(
        id=parent.id, project_id=row["project_id"], reference=f"{prefix}:{parent.id}",
        subject=f"storage:{prefix}:{parent.id}",
    )  # fmt: skip


def make_link(session: Session, storage: SimpleNamespace, key: str, data: Any) -> SimpleNamespace:
    """A task as a sync leaves it, with its link."""
    task = make_task(session, project_id=storage.project_id, data=data)
    make_row(session, "io_storages_localfilesimportstoragelink", key=key, object_exists=True, row_group=None,
             row_index=None, created_at=datetime.now(UTC), storage_id=storage.id, task_id=task.id)  # fmt: skip
    return task


def make_naming(session: Session, project_id: int, values: Sequence[Any]) -> list[int]:
    """A task for each value of `image`; their ids."""
    return [make_task(session, project_id=project_id, data={"image": value}).id for value in values]
