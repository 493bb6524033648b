"""Scheduled maintenance as jobs: the clock claims the windows that are open, a job works through each, the audit log tells."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from . import jobs
from .doctor import queue_probe
from .errors import Refused
from .maintenance import schedules
from .service import Console
from .state import Store, audit, leases
from .state.models import JobRow, MaintenanceRunRow


def start_due(console: Console) -> list[JobRow]:
    """Claim what is due and start a job for each window. Another console that asks as well gets nothing."""
    started = []
    for claim in schedules.claim_due(console.store, console.deployment):
        arguments = {"schedule_id": claim.schedule.id, "until": claim.until.isoformat()}
        by = f"schedule of {claim.schedule.by}"
        try:
            started.append(jobs.start(console, "scheduled", claim.schedule.title, arguments, by=by))
        except Refused as error:  # the queue of our own jobs does not answer
            schedules.not_begun(console.store, console.deployment, claim.schedule, str(error))
    return started


def settle(console: Console) -> None:
    """End what a process that died left as under way: jobs, plans, runs of maintenance; no restart is needed for it."""
    jobs.settle(console.store)
    jobs.settle_waiting(console)
    console.recover()
    schedules.settle(console.store, console.deployment)
    queue_probe.clear_left(console.deployment, console.store)
    leases.sweep(console.store)


def start_now(console: Console, schedule_id: int, until: datetime, *, by: str) -> JobRow:
    """Run a schedule once outside of its window, until then at the latest. Raises NotFound."""
    schedule = schedules.get(console.store, console.deployment, schedule_id)
    arguments = {"schedule_id": schedule.id, "until": until.isoformat()}
    return jobs.start(console, "scheduled", schedule.title, arguments, by=by)


def carry_out(
    console: Console, job: JobRow, progress: Callable[[int, int, str], None], stopped: Callable[[], bool]
) -> dict[str, Any]:
    """Work through one window as a job."""
    until = datetime.fromisoformat(job.arguments["until"])
    run = work_through(
        console, job.arguments["schedule_id"], until, by=job.by, progress=progress, stopped=stopped, job_id=job.id
    )
    return {"run": run.id, "status": run.status, "message": run.message, "steps": run.steps_done}


def work_through(
    console: Console, schedule_id: int, until: datetime, *, by: str, reason: str = "", job_id: str | None = None,
    progress: Callable[[int, int, str], None], stopped: Callable[[], bool],
) -> MaintenanceRunRow:  # fmt: skip
    """Do what a schedule says, until then; every step is in the history, beginning and end in the audit log."""
    schedule = schedules.get(console.store, console.deployment, schedule_id)
    claim, why = schedules.Claim(schedule, until), reason or schedule.reason or "scheduled"
    _event(console.store, by, "maintenance begun", why, {"title": schedule.title, "until": until.isoformat()})
    run = schedules.carry_out(
        console.store, console.deployment, claim, progress=progress, stopped=stopped, job_id=job_id, by=by
    )  # fmt: skip
    _event(console.store, by, "maintenance ended", why, _told(run), rows=run.steps_done)
    return run


def _told(run: MaintenanceRunRow) -> dict[str, Any]:
    return {"title": run.title, "status": run.status, "message": run.message, "steps_total": run.steps_total,
            "before_bytes": run.before_bytes, "after_bytes": run.after_bytes}  # fmt: skip


def _event(store: Store, by: str, action: str, reason: str, data: dict[str, Any], rows: int = 0) -> None:
    with store.session() as session:
        audit.append(session, actor=by, action=action, subject="deployment:database", code="maintenance",
                     reason=reason, plan_id=None, rows=rows, data=data)  # fmt: skip
