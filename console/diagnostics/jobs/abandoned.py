"""Jobs say that they run, and no worker runs them.

A worker that is killed takes its job with it. The job stays among the started ones until its time there is over (one
and a half minutes since rq 1.16 or so; its whole time limit, ten hours for a sync, where no live worker tidies up) and
another worker of the same queue moves it to the failed ones. Until then Label Studio's row says "in progress", and
whoever waits for it waits.

What to do: see why the worker died (`kubectl describe pod WORKER | grep -A3 "Last State"`) and start one. Snapshots and
counters may be put back into the queue without harm. The other repair removes everything else from the started jobs;
then start it again in Label Studio; a storage that still says "in progress" is marked failed by
`storage.stale_ping`.

Source: members of `rq:wip:<queue>` (`<job>:<execution>` since rq 2), the job's `worker_name`, and `current_job` of the
workers that are alive.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from ...deployment.queues import JobState, WorkerState
from .. import Context, Finding, Severity, check
from ..job_functions import harmless_again, missing_work, why_not_again
from ..queue_changes import JobChange
from ..spans import span
from ..workers import queues

READ_JOBS = 500


@check(
    title="Every started job has a worker",
    severity=Severity.ERROR,
    impact="The work is not done, and its row says it is in progress",
    cause="The worker was killed while it ran the job.",
)
def abandoned(ctx: Context, older_than_minutes: float = 3) -> Iterator[Finding]:
    """One finding per queue. Rows: job, function, worker, started at, why nobody runs it, may it run again, what is
    missing."""
    for queue in queues(ctx):
        if not queue.started:
            continue
        suspects = _left(ctx, queue.name, older_than_minutes)
        # Jobs end between two looks; what is still there at the second is left behind.
        left = (
            {job_id: row for job_id, row in suspects.items() if job_id in _left(ctx, queue.name, older_than_minutes)}
            if suspects
            else {}
        )
        if left:
            yield _finding(ctx, queue.name, list(left.values()))


def _finding(ctx: Context, queue: str, rows: list[dict[str, Any]]) -> Finding:
    times = [row["started_at"] for row in rows if row["started_at"]]
    oldest = f", the oldest since {span(ctx.now - min(times))}" if times else ""
    jobs = "1 started job" if len(rows) == 1 else f"{len(rows):,} started jobs"
    again = [row["second_run"] == "harmless" for row in rows]
    return Finding(
        subject=f"queue:{queue}", name=queue,
        summary=f"{jobs} of {queue} {'has' if len(rows) == 1 else 'have'} no worker any more{oldest}",
        evidence=ctx.evidence(f"rq:wip:{queue}; the hashes of its jobs; HMGET rq:worker:<name>", rows),
        fixes=(*(("requeue",) if any(again) else ()), *(("take_off",) if not all(again) else ())),
    )  # fmt: skip


def _left(ctx: Context, queue: str, older_than_minutes: float) -> dict[str, dict[str, Any]]:
    """Rows of the jobs nobody runs. Workers are read after the jobs, so that a worker that just took one is seen."""
    _, jobs = ctx.redis.started(queue, READ_JOBS)
    registered = {worker.name: worker for worker in ctx.redis.workers(ctx.now)}
    rows = {}
    for job in jobs:
        began = job.started_at or job.enqueued_at
        if job.gone or job.status != "started" or not began:
            continue
        why = _nobody(job, registered)
        if why and ctx.now - began > timedelta(minutes=older_than_minutes):
            rows[job.id] = {
                "job": job.id, "function": job.function, "worker": job.worker_name, "started_at": job.started_at,
                "why": why, "second_run": "harmless" if harmless_again(job.function) else f"no: {why_not_again(job.function)}",
                "missing": missing_work(job.function),
            }  # fmt: skip
    return rows


def _nobody(job: JobState, registered: dict[str, WorkerState]) -> str | None:
    """Why no worker runs this job, or None when one does, or may: rq 3 does not tell what a busy worker works on."""
    living = [worker for worker in registered.values() if worker.alive]
    if any(worker.current_job == job.id for worker in living):
        return None
    if not job.worker_name:
        # rq before 1.9 does not write the worker; then every live one must be known to do something else.
        return None if any(_may_run(worker) for worker in living) else "no live worker names it as its job"
    worker = registered.get(job.worker_name)
    if worker is None:
        return f"its worker {job.worker_name} is not registered any more"
    if not worker.alive:
        return f"its worker {job.worker_name} is dead: {worker.why_dead}"
    return None if _may_run(worker) else f"its worker {job.worker_name} works on {worker.current_job or 'nothing'}"


def _may_run(worker: WorkerState) -> bool:
    return worker.state == "busy" and not worker.current_job


def _jobs(finding: Finding, *, harmless: bool) -> Iterator[tuple[str, str, str]]:
    queue = finding.subject.removeprefix("queue:")
    for row in finding.evidence:
        if harmless_again(row["function"]) == harmless:
            yield row["job"], queue, row["function"] or ""


@abandoned.fix(title="Put the jobs that may run twice back into their queue")
def requeue(ctx: Context, finding: Finding) -> Iterator[JobChange]:
    """One requeue per abandoned job whose second run does no harm; a job that has moved on since is left alone."""
    for job_id, queue, function in _jobs(finding, harmless=True):
        yield JobChange("requeue", job_id, queue, "started", function)


@abandoned.fix(title="Remove the other jobs from the started ones")
def take_off(ctx: Context, finding: Finding) -> Iterator[JobChange]:
    """Deletes the abandoned jobs that must not run twice; Label Studio, which looks for them by their id, then sees that
    they are gone and says so in the storage. Undo brings them back. Then start the work anew in Label Studio.
    """
    for job_id, queue, function in _jobs(finding, harmless=False):
        yield JobChange("delete", job_id, queue, "started", function)
