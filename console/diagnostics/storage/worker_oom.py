"""The process that ran a sync was killed, most often because it needed more memory than it may have.

A JSON object is read whole before its tasks are made, and its tasks need several times its size; a Parquet file more.
The kernel or the container runtime ends the process at once, so there is no traceback: Label Studio notes "terminated
unexpectedly", or rq that its work-horse ended by signal 9. `kubectl describe pod` shows `OOMKilled`.

Split the file (a few hundred tasks a file, or one task a line), or give the worker more memory; then sync again.

Source: `job_health_check` of `StorageInfo` in Label Studio's io_storages app; rq's worker on a work-horse that was
killed.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...deployment.queues import JobState
from ...deployment.storages import Storage
from .. import Context, Finding, Severity, Unknown, check
from ..sync_failures import classify, told
from ..sync_state import moment, number, with_status


@check(
    title="No sync ended because its process was killed",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="The sync ends at the same object every time, and what comes after it never arrives",
    cause="The worker was killed, most often for memory. Split the largest file or raise the worker's memory limit.",
)
def worker_oom(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per storage. Row: when it ended, how long it ran, what it had made by then, what its job says."""
    for item in with_status(ctx):
        if item.get("status") not in {"failed", "in_progress"}:
            continue
        by_row = item.get("status") == "failed" and classify(item.get("traceback")).name == "memory"
        try:
            job = _killed_job(ctx, item)
        except Unknown as undecided:
            job = None
            if not by_row and item.get("status") == "in_progress":
                yield Unknown(f"{item.reference}: whether its job was killed cannot be told. {undecided}")
        if by_row or job:
            yield _finding(ctx, item, job)


def _finding(ctx: Context, item: Storage, job: JobState | None) -> Finding:
    seconds, made = number(item, "duration"), item.get("last_sync_count")
    row = {
        "status": item.get("status"), "ended": moment(item, "time_failure") or moment(item, "time_last_ping"),
        "ran_seconds": seconds, "tasks_made": made, "told": told(item.get("traceback")),
        "job": job.exception_line if job else None, "then": f"lsconsole storage sync {item.reference}",
    }  # fmt: skip
    ran = f" after {seconds:,.0f} s" if seconds else ""
    source = f"{item.kind.table_name}.traceback" + ("; rq:job of its last_sync_job" if job else "")
    return Finding(
        subject=item.subject, name=item.title, evidence=ctx.evidence(source, [row]),
        summary=f"The process that ran the sync was killed{ran}" + (f", {made:,} tasks made by then" if made else ""),
    )  # fmt: skip


def _killed_job(ctx: Context, item: Storage) -> JobState | None:
    """The sync's own job, when rq says that its work-horse was killed."""
    job_id = item.get("last_sync_job")
    if ctx.deployment.redis is None or not job_id:
        return None
    job = ctx.deployment.redis.job(str(job_id))
    return job if job and job.status == "failed" and classify(job.exception).name == "memory" else None
