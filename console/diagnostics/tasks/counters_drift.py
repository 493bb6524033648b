"""Task counters disagree with the annotations and predictions they count.

Label Studio keeps three numbers on every task: `total_annotations` (not skipped), `cancelled_annotations` (skipped)
and `total_predictions`. Python code refreshes them after each save; a worker that dies in between, a bulk change by
SQL or a restore leaves them behind. The Data Manager filters and sorts by them, and the project page shows progress
from them.

Ground-truth annotations count, drafts do not. Tasks of no project are left out.

Source: `update_tasks_counters` in Label Studio's tasks app.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, case, func, or_, select

from ...deployment.models import Annotation, Prediction, Task
from .. import Change, Context, Finding, Severity, check, row_update
from ..scan import Shard
from .per_project import findings_per_project

#: Column of the task -> column of the evidence.
COUNTED_AS = {
    "total_annotations": "counted_annotations",
    "cancelled_annotations": "counted_cancelled",
    "total_predictions": "counted_predictions",
}


def stale(shard: Shard) -> Select[Any]:
    """Tasks whose stored counters differ from the counted rows."""
    annotations = (
        select(
            Annotation.task_id,
            func.count(case((Annotation.was_cancelled.is_(False), 1))).label("usual"),
            func.count(case((Annotation.was_cancelled.is_(True), 1))).label("cancelled"),
        )
        .join(Task, Task.id == Annotation.task_id).where(shard.tasks(), shard.ids(Annotation.task_id))
        .group_by(Annotation.task_id).subquery()
    )  # fmt: skip
    predictions = (
        select(Prediction.task_id, func.count().label("number"))
        .join(Task, Task.id == Prediction.task_id).where(shard.tasks(), shard.ids(Prediction.task_id))
        .group_by(Prediction.task_id).subquery()
    )  # fmt: skip
    usual = func.coalesce(annotations.c.usual, 0)
    cancelled = func.coalesce(annotations.c.cancelled, 0)
    predicted = func.coalesce(predictions.c.number, 0)
    return (
        select(
            Task.project_id, Task.id,
            Task.total_annotations, usual.label("counted_annotations"),
            Task.cancelled_annotations, cancelled.label("counted_cancelled"),
            Task.total_predictions, predicted.label("counted_predictions"),
        )
        .outerjoin(annotations, annotations.c.task_id == Task.id)
        .outerjoin(predictions, predictions.c.task_id == Task.id)
        .where(
            shard.tasks(), Task.project_id.is_not(None),
            or_(Task.total_annotations != usual, Task.cancelled_annotations != cancelled,
                Task.total_predictions != predicted),
        )
        .order_by(Task.project_id, Task.id)
    )  # fmt: skip


@check(
    title="Every task counter equals what it counts",
    severity=Severity.ERROR,
    scopes=["project"],
    impact="Progress, filters and sorting in the Data Manager are wrong",
    cause="Rows were written without the counters being refreshed: a worker died in between, or SQL was used.",
)
def counters_drift(ctx: Context) -> Iterator[Finding]:
    """One finding per project. Rows: task id, stored and counted numbers."""
    ctx.schema.need(Task.total_annotations, Task.cancelled_annotations, Task.total_predictions)
    yield from findings_per_project(ctx, stale, "a wrong number of annotations or predictions")


@counters_drift.fix(title="Store the counted numbers", sharded=True)
def recount(ctx: Context, finding: Finding) -> Iterator[Change]:
    """One row update per stale task; the recorded old values are what undo restores."""
    for row in finding.evidence:
        stored = {name: row[name] for name in COUNTED_AS}
        counted = {name: row[counted] for name, counted in COUNTED_AS.items()}
        yield row_update(Task, row["id"], before=stored, after=counted)
