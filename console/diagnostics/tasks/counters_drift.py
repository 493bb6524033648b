"""Task counters disagree with the annotations and predictions they count.

Label Studio keeps three numbers on every task: `total_annotations` (not skipped), `cancelled_annotations` (skipped)
and `total_predictions`. Python code refreshes them after each save; a worker that dies in between, a bulk change by
SQL or a restore leaves them behind. The Data Manager filters and sorts by them, and the project page shows progress
from them.

Source: the counters of Label Studio's tasks app; ground-truth annotations count, drafts do not.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, or_, select, true

from ...deployment.models import Annotation, Prediction, Project, Task
from .. import Change, Context, Evidence, Finding, Severity, check, row_update
from ..scan import task_shards

COUNTERS = ("total_annotations", "cancelled_annotations", "total_predictions")


def stale(where: ColumnElement[bool]) -> Select[Any]:
    """Tasks whose stored counters differ from the counted rows."""
    annotations = (
        select(
            Annotation.task_id,
            func.sum(case((Annotation.was_cancelled, 0), else_=1)).label("usual"),
            func.sum(case((Annotation.was_cancelled, 1), else_=0)).label("cancelled"),
        )
        .join(Task, Task.id == Annotation.task_id).where(where).group_by(Annotation.task_id).subquery()
    )  # fmt: skip
    predictions = (
        select(Prediction.task_id, func.count().label("number"))
        .join(Task, Task.id == Prediction.task_id).where(where).group_by(Prediction.task_id).subquery()
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
        .where(where)
        .where(or_(Task.total_annotations != usual, Task.cancelled_annotations != cancelled, Task.total_predictions != predicted))
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
    kept: dict[Any, list[dict[str, Any]]] = {}
    totals: dict[Any, int] = {}
    for where in task_shards(ctx):
        with ctx.transaction() as session:
            rows = session.execute(stale(where).execution_options(yield_per=5000)).mappings()
            for project_id, found in groupby(rows, key=lambda row: row["project_id"]):
                room = kept.setdefault(project_id, [])
                for row in found:
                    totals[project_id] = totals.get(project_id, 0) + 1
                    if len(room) < ctx.evidence_limit:
                        room.append(_readable(row))
    titles = _titles(ctx, kept)
    for project_id, room in kept.items():
        total = totals[project_id]
        yield Finding(
            subject=f"project:{project_id}", name=titles.get(project_id, ""),
            summary=f"{total:,} {'task stores' if total == 1 else 'tasks store'} a wrong number of annotations or predictions",
            evidence=Evidence(_SOURCE, tuple(room[0]), room, total),
        )  # fmt: skip


@counters_drift.fix(title="Store the counted numbers", sharded=True)
def recount(ctx: Context, finding: Finding) -> Iterator[Change]:
    """One row update per stale task; the recorded old values are what undo restores."""
    for row in finding.evidence:
        stored = {name: row[name] for name in COUNTERS}
        counted = dict(
            zip(
                COUNTERS,
                (row["counted_annotations"], row["counted_cancelled"], row["counted_predictions"]),
                strict=True,
            )
        )
        yield row_update(Task, row["id"], before=stored, after=counted)


def _readable(row: Any) -> dict[str, Any]:
    return {name: row[name] if row[name] is None else int(row[name]) for name in row if name != "project_id"}


def _titles(ctx: Context, wanted: dict[Any, Any]) -> dict[int, str]:
    if not wanted:
        return {}
    with ctx.transaction() as session:
        rows = session.execute(select(Project.id, Project.title).where(Project.id.in_(list(wanted))))
        return {row.id: row.title or "" for row in rows}


_SOURCE = str(stale(true()).compile())
