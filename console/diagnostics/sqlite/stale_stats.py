"""SQLite was never told what its tables hold.

Without statistics SQLite chooses indexes by rules of thumb. In Label Studio's tables, with a dozen indexes each, it then
takes one that hardly narrows anything, and a filter of the Data Manager reads the whole table.

`ANALYZE` reads the tables once and keeps the numbers in `sqlite_stat1`; it takes seconds and changes no row. Label Studio never
runs it. Connections that are open already see it when they are opened again: restart Label Studio afterwards.

Reported is a database of over `tasks_over` tasks whose `task` table has no statistics, or whose statistics are of a table less
than half, or more than twice, as large.

Source: SQLite's documentation of ANALYZE and of the query planner.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select, text

from ...deployment.models import Task
from .. import Context, Finding, Severity, check
from ..server_changes import Maintain
from ..sqlite_place import file_of


@check(
    title="SQLite has statistics of its tables",
    severity=Severity.INFO,
    impact="Filters and lists read whole tables where an index would do",
    cause="ANALYZE was never run, or long ago.",
)
def stale_stats(ctx: Context, tasks_over: int = 10_000) -> Iterator[Finding]:
    """One finding for the database. Row: tasks now, and as the statistics have it."""
    path = file_of(ctx)
    tasks = ctx.read.scalar(select(func.count()).select_from(Task)) or 0
    if tasks <= tasks_over:
        return
    known = _known(ctx)
    if known is not None and known / 2 <= tasks <= known * 2:
        return
    yield Finding(
        subject="deployment:database", name="Database",
        summary=f"SQLite has no statistics of its {tasks:,} tasks" if known is None
        else f"SQLite's statistics are of {known:,} tasks, and there are {tasks:,}",
        evidence=ctx.evidence("sqlite_stat1", [{"file": str(path), "tasks": tasks, "in_statistics": known}]),
    )  # fmt: skip


@stale_stats.fix(title="Collect statistics (ANALYZE)", reversible=False)
def analyze(ctx: Context, finding: Finding) -> Iterator[Maintain]:
    """ANALYZE of the whole file: seconds, and no row is changed."""
    yield Maintain("sqlite_analyze", "")


def _known(ctx: Context) -> int | None:
    """Rows of `task` as the statistics have them: the first number of any index of the table."""
    if not ctx.read.scalar(text("select count(*) from sqlite_master where name = 'sqlite_stat1'")):
        return None
    for stat in ctx.read.execute(text("select stat from sqlite_stat1 where tbl = 'task'")).scalars():
        first = str(stat or "").split(" ")[0]
        if first.isdecimal():
            return int(first)
    return None
