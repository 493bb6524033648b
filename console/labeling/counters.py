"""What a task stores about its annotations and predictions: counters, `is_labeled`, who touched it last.

One UPDATE counts anew instead of adding and subtracting, so that two people who submit at once, or a number that had
drifted before, leave the right numbers behind. Call it while the task's row is locked.

Source: Label Studio's `tasks/models.py` (signals, `update_task`) and `tasks/mixins.py TaskMixin._get_is_labeled_value`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, case, func, select, true

from ..deployment.releases import catalogue, is_since
from .db import Db

#: Skipped annotations count like others in projects with this `skip_queue`.
IGNORE_SKIPPED = "IGNORE_SKIPPED"
#: Until this release a task was labeled by the number of annotations, since then by the number of people.
PEOPLE_COUNT_SINCE = "1.22.0"


def annotations_changed(db: Db, task_id: int, *, skip_queue: str | None) -> None:
    """Count the annotations of a task anew, decide whether it is labeled, and note who touched it."""
    annotations, tasks = db.table("task_completion"), db.table("task")
    mine = annotations.c.task_id == task_id
    skipped = annotations.c.was_cancelled.is_(True)
    db.update("task", tasks.c.id == task_id, touched(db) | {
        "total_annotations": _count(annotations, mine, ~skipped),
        "cancelled_annotations": _count(annotations, mine, skipped),
        "is_labeled": _annotators(db, mine, skip_queue) >= tasks.c.overlap,
    })  # fmt: skip


def predictions_changed(db: Db, task_id: int) -> None:
    """Count the predictions of a task anew and note who touched it."""
    predictions, tasks = db.table("prediction"), db.table("task")
    counted = _count(predictions, predictions.c.task_id == task_id)
    db.update("task", tasks.c.id == task_id, touched(db) | {"total_predictions": counted})


def touched(db: Db) -> dict[str, Any]:
    """The columns of a task that tell of the latest work on it."""
    return {"updated_at": db.now, "updated_by_id": db.caller.id}


def _annotators(db: Db, mine: Any, skip_queue: str | None) -> Any:
    """How many annotations, or people, count towards the overlap. Annotations of nobody count as those of one person."""
    annotations = db.table("task_completion")
    finished = (
        true() if skip_queue == IGNORE_SKIPPED
        else and_(annotations.c.was_cancelled.is_(False), annotations.c.result.is_not(None))
    )  # fmt: skip
    if not counts_people(db):
        return _count(annotations, mine, finished)
    author = annotations.c.completed_by_id
    people = func.count(author.distinct()) + func.max(case((author.is_(None), 1), else_=0))
    return select(func.coalesce(people, 0)).where(mine, finished).scalar_subquery()


def counts_people(db: Db) -> bool:
    """Whether the release of the attached database counts people; one that cannot be told is taken for a new one."""
    version = db.schema.label_studio_version
    return is_since(version, PEOPLE_COUNT_SINCE) or version not in catalogue().releases


def _count(table: Any, *where: Any) -> Any:
    return select(func.count(table.c.id)).where(*where).scalar_subquery()
