"""The tasks that a label stream may offer to the caller, and ways to take one of them.

Whoever takes a task keeps its row locked until the transaction ends, and skips rows that others keep locked, so two
people who ask at once get two tasks. Chance is asked for a handful of tasks first, as Label Studio does.

Source: Label Studio's `projects/functions/next_task.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.engine import Row

from .db import Db

#: How many tasks are drawn before the first free one of them is taken (`RANDOM_NEXT_TASK_SAMPLE_SIZE`).
DRAWN = 50


@dataclass(frozen=True)
class Pool:
    """Tasks of a project that meet every condition, in an order. `free`: the condition that nobody else fills them."""

    db: Db
    conditions: tuple[Any, ...]
    order: tuple[Any, ...]
    free: ColumnElement[bool]

    def narrowed(self, *conditions: Any, order: Sequence[Any] | None = None) -> Pool:
        """The same with more conditions, in this order if one is given."""
        return replace(
            self, conditions=(*self.conditions, *conditions), order=self.order if order is None else tuple(order)
        )

    def any(self) -> bool:
        """Whether there is such a task, free or not."""
        return self.db.value(self._ids().limit(1)) is not None

    def first(self, *, even_taken: bool = False) -> Row[Any] | None:
        """id and overlap of the first free task."""
        return self._take([] if even_taken else [self.free], self.order)

    def drawn(self) -> Row[Any] | None:
        """id and overlap of a free task by chance."""
        tasks = self.db.table("task")
        some = self._ids().order_by(func.random()).limit(DRAWN).subquery()
        among = tasks.c.id.in_(select(some.c.id))
        return self._take([self.free, among], [func.random()]) or self._take([self.free], [tasks.c.id])

    def most_annotated(self) -> Pool:
        """Those with the most annotations by others; none while nobody annotated any."""
        tasks, annotations = self.db.table("task"), self.db.table("task_completion")
        by_others = or_(annotations.c.completed_by_id != self.db.caller.id, annotations.c.completed_by_id.is_(None))
        counted = (
            select(tasks.c.id, func.count().label("number"))
            .join(annotations, and_(annotations.c.task_id == tasks.c.id, by_others))
            .where(*self.conditions).group_by(tasks.c.id).cte("counted")
        )  # fmt: skip
        most = select(func.max(counted.c.number)).scalar_subquery()
        return self.narrowed(tasks.c.id.in_(select(counted.c.id).where(counted.c.number == most)))

    def _ids(self) -> Any:
        return select(self.db.table("task").c.id).where(*self.conditions)

    def _take(self, conditions: Sequence[Any], order: Sequence[Any]) -> Row[Any] | None:
        tasks = self.db.table("task")
        statement = select(tasks.c.id, tasks.c.overlap).where(*self.conditions, *conditions).order_by(*order).limit(1)
        if self.db.postgresql:
            statement = statement.with_for_update(of=tasks, skip_locked=True)
        return self.db.first(statement)


def unannotated_by_caller(db: Db, project_id: int) -> ColumnElement[bool]:
    """Condition on `task`: the caller neither annotated nor skipped it."""
    tasks, annotations = db.table("task"), db.table("task_completion")
    mine = [
        annotations.c.task_id == tasks.c.id,
        annotations.c.completed_by_id == db.caller.id,
        annotations.c.project_id == project_id,
    ]
    return ~exists(select(annotations.c.id).where(*mine)).correlate(tasks)


def not_postponed_by_caller(db: Db) -> ColumnElement[bool] | None:
    """Condition on `task`: the caller did not put it off with a draft; None where the release cannot."""
    tasks, drafts = db.table("task"), db.table("tasks_annotationdraft")
    if "was_postponed" not in drafts.c:
        return None
    mine = [drafts.c.task_id == tasks.c.id, drafts.c.user_id == db.caller.id, drafts.c.was_postponed.is_(True)]
    return ~exists(select(drafts.c.id).where(*mine)).correlate(tasks)


def postponed(db: Db, pool: Pool) -> Pool | None:
    """The tasks of a pool that the caller put off, the longest ago first."""
    tasks, drafts = db.table("task"), db.table("tasks_annotationdraft")
    if "was_postponed" not in drafts.c:
        return None
    mine = [drafts.c.task_id == tasks.c.id, drafts.c.user_id == db.caller.id, drafts.c.was_postponed.is_(True)]
    return _in_order_of(pool, drafts, mine)


def skipped(db: Db, pool: Pool, project_id: int) -> Pool:
    """The tasks of a pool that the caller skipped, the longest ago first."""
    tasks, annotations = db.table("task"), db.table("task_completion")
    mine = [
        annotations.c.task_id == tasks.c.id,
        annotations.c.completed_by_id == db.caller.id,
        annotations.c.project_id == project_id,
        annotations.c.was_cancelled.is_(True),
    ]
    return _in_order_of(pool, annotations, mine)


def predicted(db: Db, pool: Pool, model_version: str | None, project_id: int) -> Pool | None:
    """The tasks with a prediction of this model version, the least solved cluster and the least sure first; None when
    there are none."""
    tasks, predictions = db.table("task"), db.table("prediction")
    own = [predictions.c.task_id == tasks.c.id, predictions.c.model_version == model_version]
    narrow = pool.narrowed(exists(select(predictions.c.id).where(*own)).correlate(tasks))
    if not narrow.any():
        return None
    score = select(func.min(predictions.c.score)).where(*own).correlate(tasks).scalar_subquery()
    if "cluster" not in predictions.c:
        return narrow.narrowed(order=[score])
    annotations = db.table("task_completion")
    other = predictions.alias("other")
    solved = (
        select(func.max(other.c.cluster).label("cluster"))
        .join(annotations, annotations.c.task_id == other.c.task_id)
        .where(annotations.c.completed_by_id == db.caller.id, annotations.c.project_id == project_id)
        .group_by(other.c.task_id).subquery()
    )  # fmt: skip
    number = select(func.count()).where(solved.c.cluster.is_not_distinct_from(predictions.c.cluster)).scalar_subquery()
    times = select(func.min(number)).where(*own).correlate(tasks).scalar_subquery()
    return narrow.narrowed(order=[times, score])


def _in_order_of(pool: Pool, table: Any, mine: Sequence[Any]) -> Pool:
    """The tasks with such rows, by the time those were changed last."""
    tasks = pool.db.table("task")
    since = select(func.min(table.c.updated_at)).where(*mine).correlate(tasks).scalar_subquery()
    return pool.narrowed(exists(select(table.c.id).where(*mine)).correlate(tasks), order=[since, tasks.c.id])
