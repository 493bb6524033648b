"""Reading uploaded files anew: the tasks that came from them go, the tasks that are in them now come.

Source: Label Studio's `data_import/api.py ReImportAPI.sync_reimport`, `projects/models.py remove_tasks_by_file_uploads`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from .. import summary, tasks_cascade
from ..data_manager import columns
from ..db import Db
from ..uploads import Shelf, listed
from .files import Files
from .project import Project
from .storing import Stored, TaskWriter


def reimport(
    db: Db, shelf: Shelf, project: Project, upload_ids: Sequence[int], *, as_lists: bool, **options: Any
) -> tuple[Stored, Files]:
    """Replace the tasks of these uploads; ids that are not the project's count for nothing. Raises Invalid."""
    files = Files(shelf, listed(db, shelf, project.id, ids=upload_ids), project.config, as_lists)
    remove_tasks(db, project.id, upload_ids)
    writer = TaskWriter(db, project, uploads_known=True, may_be_empty=True, **options)
    for task in files:
        writer.add(task)
    return writer.finish(), files


def remove_tasks(db: Db, project_id: int, upload_ids: Sequence[int]) -> int:
    """Delete the tasks that came from these uploads, with all that hangs on them; how many."""
    tasks = db.table("task")
    own = (tasks.c.project_id == project_id) & tasks.c.file_upload_id.in_(columns.listed(db, upload_ids))
    counts = summary.key_counts(db, own)
    removed = tasks_cascade.delete_rows(db, "task", select(tasks.c.id).where(own))
    summary.tasks_removed(db, project_id, counts)
    if removed:
        db.record("deleted tasks", f"project:{project_id}", rows=removed, uploads=list(upload_ids)[:100])
    return removed
