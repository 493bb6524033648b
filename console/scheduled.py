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
    """Work through one window; every step is in the history, its beginning and end in the audit log."""
    schedule = schedules.get(console.store, console.deployment, job.arguments["schedule_id"])
    claim = schedules.Claim(schedule, datetime.fromisoformat(job.arguments["until"]))
    _event(
        console.store,
        job,
        "maintenance begun",
        schedule.reason,
        {"title": schedule.title, "until": job.arguments["until"]},
    )
    run = schedules.carry_out(
        console.store, console.deployment, claim, progress=progress, stopped=stopped, job_id=job.id
    )  # fmt: skip
    _event(console.store, job, "maintenance ended", schedule.reason, _told(run), rows=run.steps_done)
    return {"run": run.id, "status": run.status, "message": run.message, "steps": run.steps_done}


def _told(run: MaintenanceRunRow) -> dict[str, Any]:
    return {"title": run.title, "status": run.status, "message": run.message, "steps_total": run.steps_total,
            "before_bytes": run.before_bytes, "after_bytes": run.after_bytes}  # fmt: skip


def _event(store: Store, job: JobRow, action: str, reason: str, data: dict[str, Any], rows: int = 0) -> None:
    with store.session() as session:
        audit.append(session, actor=job.by, action=action, subject="deployment:database", code="maintenance",
                     reason=reason or "scheduled", plan_id=None, rows=rows, data=data)  # fmt: skip
