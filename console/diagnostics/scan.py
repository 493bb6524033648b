"""Task ids in shards: checks over millions of tasks read one range of ids per short transaction."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, select

from ..deployment.models import Task
from .check import Context

#: Ids per statement: a second or two of work even on a slow disk.
SHARD_IDS = 100_000


def task_shards(ctx: Context) -> Iterator[ColumnElement[bool]]:
    """Conditions on `Task.id`, each covering one shard of what is in scope, in order of id."""
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
        condition = and_(Task.id >= start, Task.id < min(start + SHARD_IDS, high))
        yield condition if ctx.scope.project_id is None else and_(condition, Task.project_id == ctx.scope.project_id)
