"""Task ids in shards: checks over millions of tasks read one range of ids per short transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, select

from ..deployment.models import Task
from .check import Context

#: Ids per statement: a second or two of work even on a slow disk.
SHARD_IDS = 100_000


@dataclass(frozen=True)
class Shard:
    """Task ids from `low` up to, not including, `high`; of one project, or of all."""

    low: int
    high: int
    project_id: int | None = None

    def tasks(self) -> ColumnElement[bool]:
        """The condition on tasks."""
        mine = self.ids(Task.id)
        return mine if self.project_id is None else and_(mine, Task.project_id == self.project_id)

    def ids(self, column: Any) -> ColumnElement[bool]:
        """The range alone, of a column that refers to tasks.

        PostgreSQL does not carry a range over from one side of a join to the other: without it every shard would
        read the other table's index from its start.
        """
        return and_(column >= self.low, column < self.high)


def task_shards(ctx: Context) -> Iterator[Shard]:
    """Shards that together cover the tasks in scope, in order of id."""
    if ctx.scope.task_range is not None:
        low, high = ctx.scope.task_range
    else:
        bounds: Select[Any] = select(func.min(Task.id), func.max(Task.id))
        if ctx.scope.project_id is not None:
            bounds = bounds.where(Task.project_id == ctx.scope.project_id)
        with ctx.transaction() as session:
            first, last = session.execute(bounds).one()
        if first is None:
            return
        low, high = first, last + 1
    for start in range(low, high, SHARD_IDS):
        yield Shard(start, min(start + SHARD_IDS, high), ctx.scope.project_id)
