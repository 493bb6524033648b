"""Workers cannot read jobs that the application wrote, or do not know the function they name.

A job is a pickle: it holds names of modules and classes of the image that wrote it. Where application and workers run
different images, or jobs from before an upgrade wait in the queue, the names do not fit and the job fails before it does
anything. The exception says `No module named`, `has no attribute`, `Invalid attribute name`, or only
`DeserializationError`.

What to do: run one tag everywhere (`kubectl get pods -o jsonpath='{..image}'`, `docker compose images`), restart web
server and workers, and ask again for what failed: such a job cannot be run any more, so the repair takes it out of the
list of failed jobs.

Source: rq's `DeserializationError`, and the traceback that ends in its own `import_attribute`.
"""

from collections.abc import Iterator
from typing import Any

from ...deployment.queues import JobState
from .. import Context, Finding, Severity, check
from ..job_failures import READ_JOBS, Ending, ended_at, ending_of, failed_jobs, function_of, reason_of, within
from ..job_functions import missing_work
from ..queue_changes import JobChange


@check(
    title="Workers can read every job",
    severity=Severity.ERROR,
    impact="Jobs fail before they begin",
    cause="Application and workers run different versions of Label Studio, or the jobs are from before an upgrade.",
)
def unpickle(ctx: Context, within_days: float = 7) -> Iterator[Finding]:
    """One finding per queue. Rows: function, what could not be read, jobs, the newest, what is missing now."""
    for found in failed_jobs(ctx):
        unread = [job for job in found.jobs if _unreadable(ctx, job, within_days)]
        if not unread:
            continue
        rows = _grouped(unread)
        jobs = "1 job" if len(unread) == 1 else f"{len(unread):,} jobs"
        yield Finding(
            subject=f"queue:{found.queue}", name=found.queue,
            summary=f"{jobs} of {found.queue} could not be read by a worker in the last {within_days:g} days:"
                    f" {rows[0]['exception']}",
            evidence=ctx.evidence(f"rq:failed:{found.queue} and the hashes of its jobs", rows),
        )  # fmt: skip


def _unreadable(ctx: Context, job: JobState, within_days: float) -> bool:
    return ending_of(job) is Ending.UNREADABLE and within(ctx, job, within_days)


def _grouped(jobs: list[JobState]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for job in jobs:
        row = groups.setdefault(
            (function_of(job), reason_of(job)),
            {"function": function_of(job), "exception": reason_of(job), "jobs": 0, "newest": ended_at(job),
             "missing": missing_work(job.function), "example": job.id},
        )  # fmt: skip
        row["jobs"] += 1
    return sorted(groups.values(), key=lambda row: -row["jobs"])


@unpickle.fix(title="Take these jobs off the list of failed jobs")
def discard(ctx: Context, finding: Finding) -> Iterator[JobChange]:
    """Deletes the jobs that no worker can read, however old; undo brings them back. Note first what is to be asked
    for again.
    """
    queue = finding.subject.removeprefix("queue:")
    _, jobs = ctx.redis.failed(queue, READ_JOBS)
    for job in jobs:
        if ending_of(job) is Ending.UNREADABLE:
            yield JobChange("delete", job.id, queue, "failed", job.function or "")
