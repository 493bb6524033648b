"""A project is too large to be exported inside a request.

Without Redis Label Studio makes a snapshot while the browser waits. What stands in front of it (an ingress, a load
balancer, nginx: 60 seconds by default) gives up before a large project is written: a 504, 502 or 499, on the export
button as well as on "create snapshot". The server may go on and finish, or be killed by its own limit, which leaves a
snapshot that is in progress for ever.

How long a task takes is measured from the snapshots that were finished here; without any of a fair size a usual value
is taken. Only deployments that show no sign of a Redis are looked at. The finding is a notice, until a snapshot of the
project has failed or hangs.

What to do: export on the server itself, where no proxy is in between (`label-studio export PROJECT JSON
--export-path FILE`), raise the limits of proxy and server together, export by tabs with a filter, or let this console
make the snapshot: it works in the background.

Source: `run_file_exporting` of Label Studio's data_export app; `REDIS_ENABLED` is off in the open-source edition.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from statistics import median
from typing import Any

from sqlalchemy import func, select

from ...deployment.models import Project, Task
from ...errors import NotApplicable
from .. import Context, Finding, Severity, check
from ..lost_jobs import sign_of_redis
from ..project_scope import in_scope
from ..sync_state import as_document
from ..waiting_rows import SNAPSHOT, UNDER_WAY, durations, failed, need, rows

#: Tasks a finished snapshot needs to say anything about the time per task.
FAIR_SIZE = 500


@check(
    title="Every project can be exported inside a request",
    severity=Severity.INFO,
    scopes=["project"],
    impact="The export ends in a gateway error",
    cause="Without Redis the snapshot is made while the browser waits, and the proxy waits less long.",
)
def no_redis(ctx: Context, gateway_seconds: float = 60, ms_per_task: float = 3.3) -> Iterator[Finding]:
    """One finding per project. Row: tasks, milliseconds a task, seconds that a snapshot is expected to take."""
    need(ctx, SNAPSHOT)
    if ctx.deployment.redis is not None or (sign := sign_of_redis(ctx)):
        why = "a Redis is attached" if ctx.deployment.redis is not None else sign
        raise NotApplicable(f"Label Studio makes snapshots on its workers: {why}.")
    measured = _measured(ctx)
    pace = measured or ms_per_task
    tried = {row["project"] for row in failed(ctx, SNAPSHOT, timedelta(days=30))}
    tried |= {row["project"] for row in rows(ctx, SNAPSHOT, need(ctx, SNAPSHOT).c.status.in_(UNDER_WAY))}
    for project_id, title, tasks in _large(ctx, int(gateway_seconds * 1000 / pace)):
        seconds = tasks * pace / 1000
        row = {
            "tasks": tasks,
            "ms_per_task": round(pace, 2),
            "measured_here": bool(measured),
            "seconds": round(seconds),
        }
        yield Finding(
            subject=f"project:{project_id}", name=title or "",
            summary=f"A snapshot of {tasks:,} tasks takes about {seconds:,.0f} s, and a proxy waits {gateway_seconds:g} s",
            severity=Severity.WARNING if project_id in tried else Severity.INFO,
            evidence=ctx.evidence("tasks of the project; data_export_export.created_at, finished_at, counters", [row]),
        )  # fmt: skip


def _measured(ctx: Context) -> float | None:
    """Milliseconds a task took in the median finished snapshot of a fair size; None when there is none."""
    paces = []
    for seconds, row in durations(ctx, SNAPSHOT):
        number = as_document(row.get("counters")).get("task_number")
        if isinstance(number, int) and number >= FAIR_SIZE:
            paces.append(seconds * 1000 / number)
    return max(median(paces), 0.05) if paces else None


def _large(ctx: Context, more_than: int) -> list[Any]:
    counted = func.count(Task.id)
    statement = (
        select(Project.id, Project.title, counted).join(Task, Task.project_id == Project.id)
        .group_by(Project.id, Project.title).having(counted > more_than).order_by(Project.id)
    )  # fmt: skip
    with ctx.transaction() as session:
        return list(session.execute(in_scope(ctx, statement)))
