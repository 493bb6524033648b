"""What a task stores about the latest work on it: counters, `is_labeled`, when it was and whose.

Counting anew in one statement, while the task's row is locked, leaves the right numbers behind when several people
submit at once, and mends a number that had drifted before. Source: Label Studio's `update_task` of annotations and
predictions and the signals in `tasks/models.py`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from . import overlap
from .db import Db


def annotations_changed(db: Db, task_id: int, *, skip_queue: str | None) -> None:
    """Count the annotations of a task anew, decide whether it is labeled, and note who touched it."""
    overlap.refresh_task(db, task_id, skip_queue == overlap.IGNORE_SKIPPED, **touched(db))


def predictions_changed(db: Db, task_id: int) -> None:
    """Count the predictions of a task anew and note who touched it."""
    predictions, tasks = db.table("prediction"), db.table("task")
    counted = select(func.count(predictions.c.id)).where(predictions.c.task_id == task_id).scalar_subquery()
    db.update("task", tasks.c.id == task_id, touched(db) | {"total_predictions": counted})


def touched(db: Db) -> dict[str, Any]:
    """The columns of a task that tell of the latest work on it."""
    return {"updated_at": db.now, "updated_by_id": db.caller.id}
