"""Tasks are imported in many small calls, one right after another.

An import of one task costs nearly what an import of a thousand does: after each, Label Studio renews the project's
summary, its counters and, with an overlap, which tasks are whose. A script that posts one task at a time keeps the web
processes or the workers busy all day, and calls that overlap wait for each other's locks.

Collect tasks and import them together: up to some thousand in one call of `POST /api/projects/ID/import`, no more often
than every half a minute. Where files arrive one by one, a source storage that is synced every few minutes does it.

Reported are projects with at least `quick_imports` imports within `within_hours` hours that came less than
`apart_seconds` after the one before. Where the release keeps a row per import those rows are counted. Elsewhere the
newest tasks tell: tasks created within a tenth of a second of each other came in one call, tasks of a source storage do
not count, and only calls of `few_tasks` tasks or fewer on average are taken for too small.

Source: Label Studio's advice on how often to import, `async_import` and `sync_import` of its data import app.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import exists, func, select

from ...deployment.models import Project, Task, as_utc
from .. import Context, Finding, Severity, check

IMPORTS = "projects_projectimport"
#: Imports and tasks looked at, the newest.
MOST_IMPORTS, MOST_TASKS = 50_000, 5_000
ONE_CALL = timedelta(seconds=0.1)


@dataclass
class Calls:
    """Import calls of one project: when each came, how many tasks it brought, and where that is read from."""

    at: list[datetime]
    tasks: int
    source: str
    last: datetime | None = None

    def quick(self, apart: timedelta) -> int:
        return sum(later - earlier < apart for earlier, later in zip(self.at, self.at[1:], strict=False))


@check(
    title="Tasks are imported in batches",
    severity=Severity.WARNING,
    scopes=["project"],
    impact="Every import recounts the project: pages and other imports wait",
    cause="A script imports each task as it comes.",
)
def imports_too_often(
    ctx: Context, apart_seconds: int = 30, quick_imports: int = 200, within_hours: int = 24, few_tasks: int = 20
) -> Iterator[Finding]:
    """One finding per project. Rows: how many imports, how many of them too soon, tasks per import, first and last."""
    since = ctx.now - timedelta(hours=within_hours)
    calls = _recorded(ctx, since)
    for project_id, seen in _by_tasks(ctx, since).items():
        calls.setdefault(project_id, seen)
    apart = timedelta(seconds=apart_seconds)
    for project_id, made in sorted(calls.items()):
        quick, each = made.quick(apart), made.tasks / len(made.at)
        if quick < quick_imports or each > few_tasks:
            continue
        row = {"imports": len(made.at), "too_soon": quick, "tasks_per_import": round(each, 1),
               "first": made.at[0], "last": made.at[-1]}  # fmt: skip
        yield Finding(
            subject=f"project:{project_id}",
            name=ctx.read.scalar(select(Project.title).where(Project.id == project_id)) or "",
            summary=f"{quick:,} imports within {within_hours} h came less than {apart_seconds} s after the one before, "
                    f"with {each:.1f} tasks each on average",
            evidence=ctx.evidence(made.source, [row]),
        )  # fmt: skip


def _recorded(ctx: Context, since: datetime) -> dict[int, Calls]:
    """Imports that Label Studio keeps a row of, by project."""
    if not ctx.schema.has_table(IMPORTS):
        return {}
    table = ctx.schema.table(IMPORTS)
    asked = (
        select(table.c.project_id, table.c.created_at, table.c.task_count)
        .where(table.c.created_at >= since, table.c.project_id.is_not(None)).order_by(table.c.id.desc()).limit(MOST_IMPORTS)
    )  # fmt: skip
    if ctx.scope.project_id is not None:
        asked = asked.where(table.c.project_id == ctx.scope.project_id)
    found: dict[int, Calls] = {}
    for project_id, at, tasks in ctx.read.execute(asked):
        calls = found.setdefault(project_id, Calls([], 0, f"{IMPORTS}: created_at, task_count"))
        calls.at.append(at)
        calls.tasks += tasks or 0
    for calls in found.values():
        calls.at.sort()
    return found


def _by_tasks(ctx: Context, since: datetime) -> dict[int, Calls]:
    """Calls told from when the newest tasks were created; those of source storages are left out."""
    asked = (
        select(Task.project_id, Task.created_at)
        .where(Task.id > select(func.max(Task.id)).scalar_subquery() - MOST_TASKS, Task.created_at >= since,
               Task.project_id.is_not(None))
        .order_by(Task.project_id, Task.created_at)
    )  # fmt: skip
    for name in ctx.schema.columns:
        if name.startswith("io_storages_") and name.endswith("importstoragelink"):
            link = ctx.schema.table(name)
            asked = asked.where(~exists().where(link.c.task_id == Task.id))
    if ctx.scope.project_id is not None:
        asked = asked.where(Task.project_id == ctx.scope.project_id)
    found: dict[int, Calls] = {}
    for project_id, created_at in _times(ctx.read.execute(asked)):
        calls = found.setdefault(project_id, Calls([], 0, "task: created_at of the newest tasks"))
        if calls.last is None or created_at - calls.last > ONE_CALL:
            calls.at.append(created_at)
        calls.tasks += 1
        calls.last = created_at
    return found


def _times(rows: Iterable[Any]) -> Iterator[tuple[int, datetime]]:
    for project_id, value in rows:
        moment = as_utc(value)
        if moment is not None:
            yield project_id, moment
