"""What an import brought: the tasks of the uploaded files it names.

Source: `file_upload_ids` of `ProjectImport` and `ProjectReimport` in Label Studio's projects app, and `task.file_upload_id`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select

from ..deployment.models import Task
from .check import Context

#: Files of one import that are looked for.
MOST_FILES = 500


def arrived(ctx: Context, rows: Sequence[Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
    """Files and tasks of each row, by its id: `files`, and `arrived` (None where it names no files)."""
    found = {}
    for row in rows:
        files = file_ids(row.get("file_upload_ids"))
        found[row["id"]] = {"files": len(files), "arrived": _tasks_of(ctx, files) if files else None}
    return found


def file_ids(value: Any) -> list[int]:
    """Ids of uploaded files out of a document that may hold anything."""
    kept = value if isinstance(value, list) else []
    return [item for item in kept if isinstance(item, int) and not isinstance(item, bool) and abs(item) < 2**31][
        :MOST_FILES
    ]


def _tasks_of(ctx: Context, files: Sequence[int]) -> int:
    with ctx.transaction() as session:
        statement = select(func.count()).select_from(Task).where(Task.file_upload_id.in_(files))
        return session.scalar(statement) or 0
