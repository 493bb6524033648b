"""How many people have to label a task, and whether they have: `overlap`, `is_labeled` and the counters of tasks.

A task is labeled when `overlap` different people annotated it; releases before 1.22 count annotations instead. Skipped
annotations count only where the project ignores skipping (`IGNORE_SKIPPED`). Everything is counted by the database, in
few statements, and nothing else of the rows is touched: Label Studio does not move `updated_at` here either.

Source: Label Studio's `tasks/functions.py` (`update_tasks_counters`, `bulk_update_is_labeled_by_overlap`),
`tasks/mixins.py TaskMixin._get_is_labeled_value`, `projects/models.py` (`_update_tasks_states`,
`_rearrange_overlap_cohort`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, func, or_, select, true, update

from ..deployment.releases import counts_people
from ..errors import NotFound
from .db import Db

IGNORE_SKIPPED = "IGNORE_SKIPPED"
REQUEUE_FOR_ME = "REQUEUE_FOR_ME"
REQUEUE_FOR_OTHERS = "REQUEUE_FOR_OTHERS"

Tasks = Sequence[int] | Select[Any]
"""Ids of tasks, or a statement that selects them."""
_IDS_AT_ONCE = 5_000
_ROWS_AT_ONCE = 20_000


@dataclass(frozen=True)
class Rules:
    """The settings of a project that decide about overlap."""

    project_id: int
    maximum_annotations: int
    cohort_percentage: int
    skip_queue: str | None

    @property
    def counts_skipped(self) -> bool:
        return self.skip_queue == IGNORE_SKIPPED


def rules(db: Db, project_id: int) -> Rules:
    """The project's settings. Raises NotFound."""
    projects = db.table("project")
    row = db.first(
        select(*db.columns("project", "maximum_annotations", "overlap_cohort_percentage", "skip_queue")).where(
            projects.c.id == project_id
        )
    )
    if row is None:
        raise NotFound("No Project matches the given query.")
    found = row._mapping
    return Rules(
        project_id, found["maximum_annotations"], found.get("overlap_cohort_percentage", 100), found.get("skip_queue")
    )


def refresh_task(db: Db, task_id: int, counts_skipped: bool, **values: Any) -> None:
    """After an annotation of one task was made, changed or removed: its counters and `is_labeled`, in one statement.

    `values` are set along (`updated_at`, `updated_by_id`). Without a result an annotation does not make a task labeled.
    """
    tasks = db.table("task")
    known = [name for name in values if name in tasks.c]

    def build() -> Any:
        counting = true() if counts_skipped else _finished(db)
        labeled = _annotators(db, counting, unknown_is_one=True) >= tasks.c.overlap
        counters = {name: count for name, count in _annotation_counters(db).items() if name in tasks.c}
        given = {name: bindparam(f"new_{name}", type_=tasks.c[name].type) for name in known}
        return (
            update(tasks).where(tasks.c.id == bindparam("refreshed")).values(counters | {"is_labeled": labeled} | given)
        )

    statement = db.once(f"overlap.refresh_task {counts_skipped} {known}", build)
    db.connection.execute(statement, {"refreshed": task_id} | {f"new_{name}": values[name] for name in known})


def recount(db: Db, project_id: int, tasks: Tasks | None = None) -> None:
    """Counters, then `is_labeled`, of these tasks of a project, or of all: after a bulk action on annotations."""
    recount_counters(db, project_id, tasks)
    recount_labeled(db, rules(db, project_id), tasks)


def recount_counters(db: Db, project_id: int, tasks: Tasks | None = None) -> None:
    """Store the counted annotations and predictions where they differ from the stored numbers."""
    _store(db, project_id, tasks, _annotation_counters(db) | _prediction_counter(db))


def recount_predictions(db: Db, project_id: int, tasks: Tasks | None = None) -> None:
    """Store the counted predictions where they differ from the stored number."""
    _store(db, project_id, tasks, _prediction_counter(db))


def recount_labeled(db: Db, project: Rules, tasks: Tasks | None = None) -> None:
    """Store `is_labeled` as the bulk rule has it: an annotation without author counts for nobody."""
    table = db.table("task")
    labeled = _bulk_annotators(db, project) >= table.c.overlap
    for some in portions(db, project.project_id, tasks):
        db.session.execute(update(table).where(some, table.c.is_labeled != labeled).values(is_labeled=labeled))


def tasks_changed(db: Db, project: Rules) -> None:
    """After tasks were added or removed: where only a part of the tasks has overlap, choose that part anew."""
    if project.cohort_percentage < 100 and project.maximum_annotations > 1:
        rearrange(db, project)


def settings_changed(db: Db, project: Rules, *, maximum: bool, cohort: bool) -> None:
    """After `maximum_annotations` or `overlap_cohort_percentage` changed; `project` has the new values."""
    tasks = db.table("task")
    if maximum and not cohort:
        part = [tasks.c.overlap > 1] if project.maximum_annotations > 1 else []
        if db.value(select(tasks.c.id).where(tasks.c.project_id == project.project_id, *part).limit(1)) is not None:
            _assign(db, project, project.maximum_annotations, where=part)
        elif project.cohort_percentage < 100:
            rearrange(db, project)
        else:
            _assign(db, project, project.maximum_annotations)
    elif cohort and project.maximum_annotations > 1:
        rearrange(db, project)
    elif cohort and maximum:
        _assign(db, project, 1)


def rearrange(db: Db, project: Rules) -> None:
    """Give the project's overlap to its cohort and 1 to the others: tasks with enough annotations first, then those
    with the most. Between equals those stay that are in the cohort, then chance decides."""
    tasks, annotations = db.table("task"), db.table("task_completion")
    own, most = tasks.c.project_id == project.project_id, project.maximum_annotations
    done = (
        select(annotations.c.task_id)
        .where(annotations.c.task_id == tasks.c.id, _finished(db), annotations.c.ground_truth.is_(False))
        .group_by(annotations.c.task_id)
        .having(func.count() >= most)
        .exists()
    )
    counts = select(func.count().label("all"), func.count(case((done, 1))).label("done")).select_from(tasks).where(own)
    [row] = db.rows(counts)
    left = max(int(row.all * project.cohort_percentage / 100 + 0.5) - row.done, 0)
    number = select(func.count()).where(annotations.c.task_id == tasks.c.id).scalar_subquery()
    order = [number.desc(), case((tasks.c.overlap == most, 0), else_=1), func.random()]
    chosen = db.rows(select(tasks.c.id, tasks.c.overlap).where(own, ~done).order_by(*order).limit(left)) if left else []
    kept = {one.id for one in chosen}
    lowered = [
        task for task in db.values(select(tasks.c.id).where(own, ~done, tasks.c.overlap != 1)) if task not in kept
    ]
    _assign(db, project, 1, lowered)
    _assign(db, project, most, [one.id for one in chosen if one.overlap != most])
    _assign(db, project, most, where=[done])
    recount_labeled(db, project)


def portions(db: Db, project_id: int, tasks: Tasks | None = None) -> Iterator[Any]:
    """Conditions on `task` that together mean these tasks, each small enough for one statement."""
    table = db.table("task")
    own = table.c.project_id == project_id
    if isinstance(tasks, Select):
        yield and_(own, table.c.id.in_(tasks))
    elif tasks is not None:
        for start in range(0, len(tasks), _IDS_AT_ONCE):
            yield and_(own, table.c.id.in_(tasks[start : start + _IDS_AT_ONCE]))
    else:
        low = 0
        while low is not None:
            after = and_(own, table.c.id > low) if low else own
            high = db.value(select(table.c.id).where(after).order_by(table.c.id).offset(_ROWS_AT_ONCE).limit(1))
            yield after if high is None else and_(after, table.c.id <= high)
            low = high


def _assign(db: Db, project: Rules, overlap: int, tasks: Tasks | None = None, *, where: Sequence[Any] = ()) -> None:
    """Give tasks an overlap, and `is_labeled` with it; rows that have both are not written."""
    table = db.table("task")
    labeled = _bulk_annotators(db, project) >= overlap
    differs = or_(table.c.overlap != overlap, table.c.is_labeled != labeled)
    for some in portions(db, project.project_id, tasks):
        statement = update(table).where(some, *where, differs)
        db.session.execute(statement.values(overlap=overlap, is_labeled=labeled))


def _bulk_annotators(db: Db, project: Rules) -> Any:
    annotations = db.table("task_completion")
    return _annotators(db, true() if project.counts_skipped else annotations.c.was_cancelled.is_(False))


def _store(db: Db, project_id: int, tasks: Tasks | None, counters: dict[str, Any]) -> None:
    table = db.table("task")
    known = {name: count for name, count in counters.items() if name in table.c}
    if not known:
        return
    differs = or_(*(table.c[name] != count for name, count in known.items()))
    for some in portions(db, project_id, tasks):
        db.session.execute(update(table).where(some, differs).values(known))


def _annotation_counters(db: Db) -> dict[str, Any]:
    annotations = db.table("task_completion")
    cancelled = annotations.c.was_cancelled
    return {
        "total_annotations": _count(db, annotations, cancelled.is_(False)),
        "cancelled_annotations": _count(db, annotations, cancelled.is_(True)),
    }


def _prediction_counter(db: Db) -> dict[str, Any]:
    return {"total_predictions": _count(db, db.table("prediction"), true())}


def _count(db: Db, table: Any, where: ColumnElement[bool]) -> Any:
    tasks = db.table("task")
    return select(func.count()).where(table.c.task_id == tasks.c.id, where).correlate(tasks).scalar_subquery()


def _annotators(db: Db, counting: ColumnElement[bool], unknown_is_one: bool = False) -> Any:
    """How many different people made the counting annotations of a task; before 1.22 how many annotations count."""
    tasks, annotations = db.table("task"), db.table("task_completion")
    who = annotations.c.completed_by_id
    people = func.count(func.coalesce(who, 0).distinct() if unknown_is_one else who.distinct())
    if not counts_people(db.schema.label_studio_version):
        people = func.count()
    return select(people).where(annotations.c.task_id == tasks.c.id, counting).correlate(tasks).scalar_subquery()


def _finished(db: Db) -> ColumnElement[bool]:
    annotations = db.table("task_completion")
    return and_(annotations.c.was_cancelled.is_(False), annotations.c.result.is_not(None))
