"""The kinds of long work: the functions a worker runs. Arguments and results are plain data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .diagnostics import registry
from .diagnostics.check import Scope
from .diagnostics.plan import Outcome
from .errors import Refused
from .jobs import Cancelled, Progress
from .service import Console
from .state.models import JobRow


def checks_job(console: Console, job: JobRow, progress: Progress) -> dict[str, Any]:
    """Run checks; the result names the run."""
    arguments = job.arguments
    report = console.check(
        arguments.get("names") or (), deep=bool(arguments.get("deep")), by=job.by, progress=progress,
        cancelled=progress.cancelled, scope=_scope(arguments.get("scope") or {}),
    )  # fmt: skip
    if report.cancelled:
        raise Cancelled(f"Stopped after {len(report.results)} checks; their answers are kept.")
    return {"run": report.run_id, "summary": report.summary()}


def runbook_job(console: Console, job: JobRow, progress: Progress) -> dict[str, Any]:
    """Walk a runbook step by step; the transcript is kept as it goes."""
    from . import runbooks

    runbooks.walk(console, job.arguments["run_id"], progress=progress, cancelled=progress.cancelled)
    return {"runbook_run": job.arguments["run_id"]}


def repair_job(console: Console, job: JobRow, progress: Progress) -> dict[str, Any]:
    """Repair task ids shard by shard: each shard is checked, planned, applied and audited on its own.

    Stopping and starting again is harmless: what is repaired is not found again.
    """
    from .repair import repair_in_shards

    arguments = job.arguments
    return repair_in_shards(
        console, registry.get(arguments["code"]), arguments["fix"], subject=arguments.get("subject") or "", by=job.by,
        reason=arguments["reason"], job_id=job.id, progress=progress, cancelled=progress.cancelled,
    )  # fmt: skip


def apply_job(console: Console, job: JobRow, progress: Progress) -> dict[str, Any]:
    """Apply a large or slow plan, then ask its check again. Taken twice it is refused: it is planned no more."""
    arguments = job.arguments
    progress(0, 0, "writing")
    outcome = console.apply(
        arguments["plan_id"], by=job.by, reason=arguments["reason"], seen=arguments["seen"], progress=progress,
        stopped=progress.cancelled,
    )  # fmt: skip
    return _carried_out(outcome, progress)


def undo_job(console: Console, job: JobRow, progress: Progress) -> dict[str, Any]:
    """Undo a large plan, then ask its check again."""
    progress(0, 0, "restoring what was there")
    outcome = console.undo(
        job.arguments["plan_id"], by=job.by, reason=job.arguments["reason"], progress=progress,
        stopped=progress.cancelled,
    )  # fmt: skip
    return _carried_out(outcome, progress)


def _carried_out(outcome: Outcome, progress: Progress) -> dict[str, Any]:
    """The job's result; Cancelled when somebody stopped it before all steps of the plan were done."""
    if outcome.message and progress.cancelled():
        raise Cancelled(f"Stopped. {outcome.message}")
    return {"plan": outcome.plan_id, "rows": outcome.rows, "message": outcome.message}


def plan_again_job(console: Console, job: JobRow, progress: Progress) -> dict[str, Any]:
    """Ask a check again about one object and plan its fix from the rows of now; no plan when nothing is wrong."""
    code, subject = job.arguments["code"], job.arguments["subject"]
    progress(0, 2, f"asking {code} again")
    report, finding = console.look_again(code, subject, by=job.by)
    if finding is None and report.undecided:
        raise Refused(report.results[0].reason)
    if finding is None:
        return {"plan": None}
    progress(1, 2, "planning")
    plan = console.plan(finding, job.arguments["fix"], by=job.by, finding_id=job.arguments["finding_id"])
    return {"plan": plan.id}


def snapshot_job(console: Console, job: JobRow, progress: Progress) -> dict[str, Any]:
    """Write the file of an export snapshot; its row in Label Studio's database ends as completed or failed."""
    from .labeling import snapshots_jobs, snapshots_work

    try:
        return snapshots_jobs.write(
            console.deployment, job.arguments, by=job.by, progress=progress, stopped=progress.cancelled
        )
    except snapshots_work.Interrupted as error:
        raise Cancelled(str(error)) from None


def conversion_job(console: Console, job: JobRow, progress: Progress) -> dict[str, Any]:
    """Make another format of an export snapshot."""
    from .labeling import snapshots_jobs, snapshots_work

    progress(0, 0, "converting")
    try:
        return snapshots_jobs.convert(console.deployment, job.arguments, by=job.by, stopped=progress.cancelled)
    except snapshots_work.Interrupted as error:
        raise Cancelled(str(error)) from None


def matrix_job(console: Console, job: JobRow, progress: Progress) -> dict[str, Any]:
    """Try the access of one storage, of a project's or of all; each matrix is kept as soon as it is known."""
    from .doctor import matrix_jobs

    looked = matrix_jobs.run(
        console.deployment, console.store, job.arguments, by=job.by, job_id=job.id, progress=progress,
        stopped=progress.cancelled,
    )  # fmt: skip
    if looked["done"] < looked["total"]:
        raise Cancelled(f"Stopped after {looked['done']} of {looked['total']} storages; what was seen of them is kept.")
    return looked


def queue_probe_job(console: Console, job: JobRow, progress: Progress) -> dict[str, Any]:
    """Put a harmless job on each queue, and see it taken."""
    from .doctor import queue_probe

    return queue_probe.run(
        console.deployment, console.store, job.arguments, by=job.by, progress=progress, stopped=progress.cancelled
    )


def export_probe_job(console: Console, job: JobRow, progress: Progress) -> dict[str, Any]:
    """Ask Label Studio itself for an export, fetch it, and remove it again."""
    from .doctor import export_probe

    return export_probe.run(
        console.deployment, console.store, job.arguments, by=job.by, progress=progress, stopped=progress.cancelled
    )


def scheduled_job(console: Console, job: JobRow, progress: Progress) -> dict[str, Any]:
    """Work through one window of scheduled maintenance."""
    from . import scheduled

    done = scheduled.carry_out(console, job, progress, progress.cancelled)
    if progress.cancelled():
        raise Cancelled(f"Stopped after {done['steps']} steps; what was done stays done.")
    return done


def file_look_job(console: Console, job: JobRow, progress: Progress) -> dict[str, Any]:
    """Read through the SQLite file: its pages, and rows that point nowhere."""
    from .maintenance import sqlite_look

    return sqlite_look.run(console.deployment, job.arguments, progress=progress, stopped=progress.cancelled)


def storage_job(console: Console, job: JobRow, progress: Progress) -> dict[str, Any]:
    """Sync a storage, or a portion of it, or look what a sync would do; starting it again is harmless."""
    from . import storage_jobs

    return storage_jobs.KINDS[job.kind](console, job, progress)


KINDS: dict[str, Callable[[Console, JobRow, Progress], dict[str, Any]]] = {
    "checks": checks_job,
    "runbook": runbook_job,
    "repair": repair_job,
    "apply": apply_job,
    "undo": undo_job,
    "queue changes": apply_job,
    "queue undo": undo_job,
    "maintenance": apply_job,
    "scheduled": scheduled_job,
    "file look": file_look_job,
    "plan again": plan_again_job,
    "export": snapshot_job,
    "conversion": conversion_job,
    "matrix": matrix_job,
    "queue probe": queue_probe_job,
    "export probe": export_probe_job,
    "sync": storage_job,
    "sync portion": storage_job,
    "dry run": storage_job,
}


def _scope(document: dict[str, Any]) -> Scope:
    return Scope(
        user_ids=tuple(document.get("user_ids") or ()),
        project_id=document.get("project_id"),
        storage=document.get("storage"),
    )
