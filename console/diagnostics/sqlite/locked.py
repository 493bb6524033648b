"""SQLite lets one process write at a time, and here are many people or many tasks.

While somebody writes, everybody else who saves waits; after a few seconds Django gives up with "database is locked", and
Label Studio tries the whole request again, up to fifteen times, so pages hang for minutes before they fail. An import,
a sync or an export of many tasks holds the lock long. One person with some thousand tasks never notices.

For more than that use PostgreSQL. The move is made by Label Studio itself: stop it, start it once with the settings of
an empty PostgreSQL database so that its tables are made, copy the data with `manage.py dumpdata` and `loaddata` (or pgloader),
and set the sequences. Try it on a copy first.

Reported are more than `people_over` people active within `within_days` days, and more than `tasks_over` tasks. Who holds the file
for writing just now stands with them, as far as it is a process of this machine that may be looked at.

Source: SQLite's page on file locking, and the retrying middleware of Label Studio's core app.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, text

from ...amounts import counted
from ...deployment.models import Task, User, as_utc
from ...deployment.sqlite_files import holders
from .. import Context, Finding, Severity, check
from ..sqlite_place import file_of


@check(
    title="The SQLite file serves few people and few tasks",
    severity=Severity.WARNING,
    impact="Saving fails with “database is locked”, and requests hang for minutes before they do",
    cause="One process writes at a time; everybody else waits, and is refused after some seconds.",
)
def locked(ctx: Context, people_over: int = 10, within_days: int = 7, tasks_over: int = 10_000) -> Iterator[Finding]:
    """One finding for the database. Rows: people and tasks with their limits, and each process that holds a lock now."""
    path = file_of(ctx)
    people = _active(ctx, within_days)
    tasks = ctx.read.scalar(select(func.count()).select_from(Task)) or 0
    rows: list[dict[str, Any]] = []
    if people > people_over:
        rows.append({"what": f"people active within {within_days} days", "number": people, "limit": people_over})
    if tasks > tasks_over:
        rows.append({"what": "tasks", "number": tasks, "limit": tasks_over})
    mode = ctx.read.scalar(text("pragma journal_mode"))
    ctx.close()  # our own lock is none of the others
    writing = [holder for holder in holders(path) if holder.writes]
    told = []
    if people > people_over:
        told.append(f"{counted(people, 'person', 'people')} worked within {within_days} days")
    if tasks > tasks_over:
        told.append(f"it holds {counted(tasks, 'task')}")
    if not rows:
        return
    rows += [{"what": f"held for writing now by {held.command or 'a process'}", "number": held.pid, "limit": None}
             for held in writing]  # fmt: skip
    yield Finding(
        subject="deployment:database", name="Database", evidence=ctx.evidence("htx_user, task, /proc/locks", rows),
        severity=None if tasks > tasks_over else Severity.INFO,
        summary=f"One SQLite file (journal mode {mode}) serves them all: {' and '.join(told)}"
                + (", and somebody holds it for writing now" if writing else ""),
    )  # fmt: skip


def _active(ctx: Context, days: int) -> int:
    since, found = ctx.now - timedelta(days=days), 0
    columns = [column for column in (User.last_activity, User.last_login) if ctx.schema.has(column)]
    for row in ctx.read.execute(select(*columns).where(User.is_active)):
        moments = [moment for moment in map(as_utc, row) if moment is not None]
        found += bool(moments) and max(moments) >= since
    return found
