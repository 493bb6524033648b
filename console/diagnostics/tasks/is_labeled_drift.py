"""A task counts as finished that is not, or the other way round.

`is_labeled` decides whether a task is served again and what the project's progress is. It means: at least as many
different people annotated the task as its `overlap` asks for. Skipped annotations count only where the project says
that skipped tasks are ignored (skip queue "Ignore skipped"). Label Studio refreshes the column after each save;
bulk deletion, a changed overlap, a restore or an upgrade leaves it behind.

Until 1.21 annotations were counted, from 1.22 on the people who made them, and an upgrade recounts nothing: one
person's two annotations on a task with overlap 2 keep it finished until somebody recounts. Such tasks alone are a
warning. On a release before 1.22 a task is reported only if it is wrong by both rules. The bulk recount of releases
before 1.16 left skipped annotations out in every project; there they make no open task look finished.

Not reported, because Label Studio's own code paths disagree about them: a finished task that has enough annotations
once skipped ones count too (an import stores it so), and tasks where annotations without an author or without a
result would decide. Tasks of no project are left out.

Source: the bulk and single recount in Label Studio's tasks app (`tasks/functions.py`, `tasks/mixins.py`), both rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import Select, and_, case, func, or_, select, true

from ...deployment.models import Annotation, Project, Task
from ...deployment.releases import PEOPLE_COUNT_SINCE, is_since
from .. import Change, Context, Finding, Severity, check, row_update
from ..scan import Shard
from .per_project import findings_per_project

#: The release whose bulk recount began to count skipped annotations where the project ignores skips.
SKIPS_COUNT_SINCE = "1.16.0"
LEFT_BY_UPGRADE = (
    "One person annotated these tasks more than once. Releases before 1.22 took that as finished, and an upgrade "
    "recounts nothing."
)
COUNTED = ("people", "people_not_skipping", "people_at_most", "counting", "skipped", "everything")


def drifted(shard: Shard, *, by_people_alone: bool, bulk_counts_skips: bool) -> Select[Any]:
    """Tasks whose `is_labeled` is wrong by every rule that Label Studio applies to them."""
    counts = or_(Annotation.was_cancelled.is_(False), Project.skip_queue == "IGNORE_SKIPPED")
    complete = and_(counts, Annotation.result.is_not(None))
    per_task = (
        select(
            Annotation.task_id,
            func.count(case((complete, Annotation.completed_by_id)).distinct()).label("people"),
            func.count(
                case((and_(complete, Annotation.was_cancelled.is_(False)), Annotation.completed_by_id)).distinct()
            ).label("people_not_skipping"),
            (
                func.count(case((counts, Annotation.completed_by_id)).distinct())
                + func.max(case((and_(counts, Annotation.completed_by_id.is_(None)), 1), else_=0))
            ).label("people_at_most"),
            func.count(case((counts, 1))).label("counting"),
            func.count(case((Annotation.was_cancelled, 1))).label("skipped"),
            func.count().label("everything"),
        )
        .join(Task, Task.id == Annotation.task_id).join(Project, Project.id == Task.project_id)
        .where(shard.tasks(), shard.ids(Annotation.task_id)).group_by(Annotation.task_id).subquery()
    )  # fmt: skip
    number = {name: func.coalesce(per_task.c[name], 0) for name in COUNTED}
    enough = number["people" if bulk_counts_skips else "people_not_skipping"]
    finished_too_late = and_(Task.is_labeled.is_(False), enough >= Task.overlap)
    finished_too_early = and_(
        Task.is_labeled.is_(True), number["people_at_most"] < Task.overlap,
        or_(number["skipped"] == 0, number["everything"] < Task.overlap),
        true() if by_people_alone else number["counting"] < Task.overlap,
    )  # fmt: skip
    return (
        select(
            Task.project_id, Task.id, Task.overlap,
            number["people"].label("annotators"), number["counting"].label("annotations"),
            number["skipped"].label("skipped"), Task.is_labeled.label("stored"),
            (number["people"] >= Task.overlap).label("expected"),
        )
        .outerjoin(per_task, per_task.c.task_id == Task.id)
        .where(shard.tasks(), Task.project_id.is_not(None), or_(finished_too_late, finished_too_early))
        .order_by(Task.project_id, Task.id)
    )  # fmt: skip


@check(
    title="Every task is finished when enough people annotated it",
    severity=Severity.ERROR,
    scopes=["project"],
    impact="Finished tasks are served again or open ones never; the project's progress is wrong",
    cause="is_labeled was not recounted after a bulk change, a new overlap, a restore or an upgrade past 1.16 or 1.22.",
)
def is_labeled_drift(ctx: Context) -> Iterator[Finding]:
    """One finding per project. Rows: task id, its overlap, the people counted, the value stored and expected."""
    release = ctx.schema.label_studio_version
    wrong = partial(
        drifted,
        by_people_alone=is_since(release, PEOPLE_COUNT_SINCE),
        bulk_counts_skips=is_since(release, SKIPS_COUNT_SINCE),
    )
    for finding in findings_per_project(ctx, wrong, "a wrong mark of being finished (is_labeled)"):
        by_the_older_rule = finding.evidence.total == len(finding.evidence.rows) and all(
            map(_was_right, finding.evidence)
        )
        yield replace(finding, severity=Severity.WARNING, cause=LEFT_BY_UPGRADE) if by_the_older_rule else finding


def _was_right(row: dict[str, Any]) -> bool:
    """Finished by the rule before 1.22, which counted annotations and not people."""
    return bool(row["stored"]) and row["annotations"] >= row["overlap"]


@is_labeled_drift.fix(title="Store whether enough people annotated", sharded=True)
def relabel(ctx: Context, finding: Finding) -> Iterator[Change]:
    """One row update per task; the recorded old value is what undo restores."""
    for row in finding.evidence:
        yield row_update(Task, row["id"], before={"is_labeled": row["stored"]}, after={"is_labeled": row["expected"]})
