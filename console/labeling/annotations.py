"""Annotations: rows of `task_completion`, read and changed as Label Studio does."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from ..errors import NotFound
from .db import Db


def of_task(db: Db, task_id: int) -> list[dict[str, Any]]:
    """Annotations of a task of the caller's organization, newest first, skipped ones left out. Raises NotFound."""
    tasks, projects, annotations = db.table("task"), db.table("project"), db.table("task_completion")
    own = select(tasks.c.id).join(projects, projects.c.id == tasks.c.project_id).where(
        tasks.c.id == task_id, projects.c.organization_id == db.caller.organization_id
    )  # fmt: skip
    if db.value(own) is None:
        raise NotFound("No Task matches the given query.")
    columns = [column for column in annotations.c if column.name != "result"]
    rows = db.rows(
        select(*columns, db.raw(annotations.c.result))
        .where(annotations.c.task_id == task_id, annotations.c.was_cancelled.is_(False))
        .order_by(annotations.c.id.desc())
    )  # fmt: skip
    return [dict(row._mapping) | {"result": db.fragment(row.result)} for row in rows]
