"""Jobs of a queue ended with an exception and stay in its failed registry.

Label Studio does not try them again. What a job was to do tells what is missing now: a sync that stopped half-way, a
snapshot that was never written, a webhook that was not sent. rq keeps a failed job for 30 days by default.

What to do: read the exception, mend its cause, then start the work again from Label Studio's pages (Sync, Export,
Import). Snapshots, counters and annotations written to a target may be run twice without harm, and the repair puts
those back into their queue. Not so a sync: requeued, it finds that its storage is not `queued` any more and fails once
more. Deletions and webhooks are not to be repeated blindly.

Source: rq's sorted set `rq:failed:<queue>`, and the traceback of each job: in its hash before rq 1.12, in the stream
`rq:results:<job>` since. Which functions may run twice: `console/diagnostics/job_functions.py`.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from ...deployment.queues import JobState
from .. import Context, Finding, Severity, check
from ..job_failures import NUMBERS, READ_JOBS, Ending, ended_at, ending_of, failed_jobs, function_of, reason_of
from ..job_functions import harmless_again, why_not_again
from ..queue_changes import JobChange


@check(
    title="No job has failed",
    severity=Severity.WARNING,
    impact="Work that somebody asked for was not done, and is not tried again",
    cause="The jobs raised an exception; the rows tell which, by function.",
)
def failed(ctx: Context) -> Iterator[Finding]:
    """One finding per queue. Rows: function, last line of the exception, jobs, new in 24 h, newest, whether a second
    run does harm, an example."""
    for found in failed_jobs(ctx):
        rows = _grouped(ctx, found.jobs)
        recent = sum(row["new_24_h"] for row in rows)
        number = f"{found.total:,} {'job' if found.total == 1 else 'jobs'} of {found.queue} failed"
        yield Finding(
            subject=f"queue:{found.queue}", name=found.queue,
            summary=f"{number}, {recent:,} in the last 24 h{found.read}",
            evidence=ctx.evidence(f"rq:failed:{found.queue} and the hashes of its jobs", rows),
            fixes=("requeue",) if any(_may_run_again(job) for job in found.jobs) else (),
        )  # fmt: skip


def _grouped(ctx: Context, jobs: list[JobState]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for job in jobs:
        function, exception = function_of(job), reason_of(job)
        row = groups.setdefault(
            (function, NUMBERS.sub("N", exception)),
            {"function": function, "exception": exception, "jobs": 0, "new_24_h": 0, "newest": None,
             "second_run": _second_run(job), "example": job.id},
        )  # fmt: skip
        ended = ended_at(job)
        row["jobs"] += 1
        row["new_24_h"] += bool(ended and ctx.now - ended < timedelta(hours=24))
        if ended and (row["newest"] is None or ended > row["newest"]):
            row["newest"], row["example"] = ended, job.id
    return sorted(groups.values(), key=lambda row: -row["jobs"])


def _second_run(job: JobState) -> str:
    if job.gone:
        return "not possible"
    return "harmless" if harmless_again(job.function) else f"no: {why_not_again(job.function)}"


def _may_run_again(job: JobState) -> bool:
    """Not those a worker cannot read or was killed by: they would only fail again."""
    return not job.gone and harmless_again(job.function) and ending_of(job) not in (Ending.UNREADABLE, Ending.KILLED)


@failed.fix(title="Put the jobs that may run twice back into their queue")
def requeue(ctx: Context, finding: Finding) -> Iterator[JobChange]:
    """One requeue per job whose second run does no harm; syncs, imports, deletions and webhooks stay where they are.

    Mend the cause first. The jobs are looked up anew, among the newest that failed.
    """
    queue = finding.subject.removeprefix("queue:")
    _, jobs = ctx.redis.failed(queue, READ_JOBS)
    for job in jobs:
        if _may_run_again(job):
            yield JobChange("requeue", job.id, queue, "failed", job.function or "")
