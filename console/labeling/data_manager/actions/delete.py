"""Delete tasks, their annotations or their predictions.

Source: Label Studio's `data_manager/actions/basic.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import select

from ....errors import Invalid
from ... import overlap, summary, webhooks
from ...counters import touched
from ...db import Db
from ...tasks_cascade import delete_rows
from .. import columns, views
from . import Chosen, portions

SUMMARY_OF = {"task_completion": summary.annotations_removed, "tasks_annotationdraft": summary.drafts_removed}


def delete_tasks(chosen: Chosen, body: Mapping[str, Any]) -> dict[str, Any]:
    """Delete the tasks and everything that hangs on them; a project without tasks loses its views as well."""
    db, project_id = chosen.db, chosen.project_id
    remove_tasks(chosen)
    tasks = db.table("task")
    empty = db.value(select(tasks.c.id).where(tasks.c.project_id == project_id).limit(1)) is None
    if empty:
        views.remove_all(db, project_id)
    count = len(chosen.ids)
    return {"processed_items": count, "reload": empty, "detail": f"Deleted {count} tasks"}


def remove_tasks(chosen: Chosen) -> None:
    """Delete the tasks, and leave summary, overlap and webhooks as Label Studio does."""
    db, project_id = chosen.db, chosen.project_id
    tasks, annotations = db.table("task"), db.table("task_completion")
    if chosen.all:
        delete_rows(db, "task", chosen.listed)
        summary.reset(db, project_id)
    else:
        keys = summary.key_counts(db, tasks.c.id.in_(chosen.listed))
        _take_back(db, project_id, "task_completion", annotations.c.task_id.in_(chosen.listed))
        delete_rows(db, "task", chosen.listed)
        _reset_when_last(db, project_id, "task_completion")
        summary.tasks_removed(db, project_id, keys)
    overlap.tasks_changed(db, overlap.rules(db, project_id))
    webhooks.announce(db, "TASKS_DELETED", project_id, chosen.ids)
    db.record("deleted tasks", f"project:{project_id}", rows=len(chosen.ids))


def delete_tasks_annotations(chosen: Chosen, body: Mapping[str, Any]) -> dict[str, Any]:
    """Delete annotations and drafts of the tasks, of one annotator when the body names one. Raises Invalid."""
    db, project_id = chosen.db, chosen.project_id
    annotations, drafts, tasks = (db.table(name) for name in ("task_completion", "tasks_annotationdraft", "task"))
    person = _person(body)
    own: Any = annotations.c.task_id.in_(chosen.listed)
    drafted: Any = drafts.c.task_id.in_(chosen.listed)
    if person is not None:
        own, drafted = own & (annotations.c.completed_by_id == person), drafted & (drafts.c.user_id == person)
    ids = db.values(select(annotations.c.id).where(own))
    task_ids = db.values(select(annotations.c.task_id).where(own).distinct())
    _take_back(db, project_id, "task_completion", own)
    _take_back(db, project_id, "tasks_annotationdraft", drafted)
    delete_rows(db, "task_completion", columns.listed(db, ids))
    delete_rows(db, "tasks_annotationdraft", select(drafts.c.id).where(drafted))
    for table in SUMMARY_OF:
        _reset_when_last(db, project_id, table)
    webhooks.announce(db, "ANNOTATIONS_DELETED", project_id, ids)
    changed = columns.listed(db, task_ids)
    db.update("task", tasks.c.id.in_(changed), touched(db))
    overlap.recount(db, project_id, changed)
    db.record("deleted annotations", f"project:{project_id}", rows=len(ids))
    return {"processed_items": len(ids), "detail": f"Deleted {len(ids)} annotations"}


def delete_tasks_predictions(chosen: Chosen, body: Mapping[str, Any]) -> dict[str, Any]:
    """Delete every prediction of the tasks."""
    db, project_id = chosen.db, chosen.project_id
    predictions = db.table("prediction")
    own = predictions.c.task_id.in_(chosen.listed)
    task_ids = db.values(select(predictions.c.task_id).where(own).distinct())
    count = delete_rows(db, "prediction", select(predictions.c.id).where(own))
    overlap.recount_counters(db, project_id, columns.listed(db, task_ids))
    db.record("deleted predictions", f"project:{project_id}", rows=count)
    return {"processed_items": count, "detail": f"Deleted {count} predictions"}


def _take_back(db: Db, project_id: int, table: str, where: Any) -> None:
    """Take the results of annotations or drafts that are about to go out of the summary."""
    result = db.table(table).c.result
    for some in portions(db, select(db.raw(result)).where(where)):
        SUMMARY_OF[table](db, project_id, [_parsed(row.result) for row in some])


def _reset_when_last(db: Db, project_id: int, table: str) -> None:
    """When the project has no annotation (or draft) left, nothing of them stays counted."""
    SUMMARY_OF[table](db, project_id, [None])


def _parsed(text: str | None) -> Any:
    try:
        return orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        return None


def _person(body: Mapping[str, Any]) -> int | None:
    given = body.get("annotator")
    if not given:
        return None
    try:
        return max(-1, min(int(given), 2**31 - 1))
    except (ValueError, TypeError, OverflowError):
        raise Invalid({"annotator": ["A valid integer is required."]}) from None
