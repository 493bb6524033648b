"""Predictions for tasks that are there already, many at a time.

A prediction for a task of another project refuses the whole import; one that does not fit the labeling configuration
is left out, as Label Studio leaves it out, and told.

Source: Label Studio's `data_import/api.py ImportPredictionsAPI._create_legacy`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy import select

from ...errors import Invalid
from .. import overlap
from ..bulk import BulkInsert
from ..db import Db
from .checks import Json, Wrong, quoted
from .project import Project
from .regions import problem
from .storing import prediction_row

_PART = 2000
#: So many reasons are told.
_MOST_TOLD = 100


@dataclass
class Predicted:
    """How many predictions were made, and why others were not."""

    created: int = 0
    skipped_count: int = 0
    skipped: list[str] = field(default_factory=list)


def store_predictions(db: Db, project: Project, items: Iterable[Any]) -> Predicted:
    """Store every prediction that fits, and count those of its task anew. Raises Invalid; then nothing is stored."""
    made, json, place = Predicted(), Json(db.postgresql), 0
    stamp = {"project_id": project.id, "created_at": db.now, "updated_at": db.now, "mislabeling": 0.0}
    rows = BulkInsert(db, "prediction", ("result", "score", "model_version", "task_id"), stamp)
    waiting = iter(items)
    while part := list(islice(waiting, _PART)):
        task_ids = _own_tasks(db, project, part)
        for item in part:
            try:
                if why := problem(project.config, item):
                    raise Wrong(why)
                rows.add(*prediction_row(json, project, item, item.get("model_version", "undefined")), item["task"])
            except Wrong as wrong:
                made.skipped_count += 1
                if len(made.skipped) < _MOST_TOLD:
                    made.skipped.append(f"Prediction {place}: {wrong}")
            place += 1
        rows.flush()
        overlap.recount_counters(db, project.id, task_ids)
    made.created = rows.count
    if made.created:
        db.record("imported predictions", f"project:{project.id}", rows=made.created)
    return made


def _own_tasks(db: Db, project: Project, part: Sequence[Any]) -> list[int]:
    """The tasks that these predictions are for. Raises Invalid when one is not the project's."""
    for item in part:
        if not isinstance(item, dict):
            raise Invalid("Each prediction must be an object.")
    tasks = db.table("task")
    asked = {item.get("task") for item in part if _is_id(item.get("task"))}
    found = set(db.values(select(tasks.c.id).where(tasks.c.project_id == project.id, tasks.c.id.in_(asked))))
    for item in part:
        if not _is_id(item.get("task")) or item["task"] not in found:
            raise Invalid(
                f'{quoted(item)} contains invalid "task" field: corresponding task ID couldn\'t be retrieved '
                f"from project {project.title} (id={project.id}) tasks"
            )
    return sorted(found)


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31
