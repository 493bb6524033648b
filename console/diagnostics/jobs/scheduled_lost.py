"""Jobs that were to run later are due, and nobody puts them into their queue.

A delayed job, and a failed one that is to be tried again after a while, wait in a list of their own. Only a worker that
was started with a scheduler moves them into the queue when their time has come; a plain worker does not look there.
Label Studio delays few jobs: a second try at marking tasks finished, and the retries of an upgrade's indexes.

What to do: start one worker with a scheduler, `python label_studio/manage.py rqworker --with-scheduler default low`. The
repair puts what is due into its queue at once.

Source: the score in `rq:scheduled:<queue>` is the time a job is due; rq's scheduler looks every second.
"""

from collections.abc import Iterator
from datetime import timedelta

from ...deployment.queues import JobState
from .. import Context, Finding, Severity, check
from ..job_functions import missing_work
from ..queue_changes import JobChange
from ..spans import span
from ..workers import queues

READ_JOBS = 500


@check(
    title="No delayed job is overdue",
    severity=Severity.WARNING,
    impact="Delayed work and second tries never run",
    cause="No worker of this queue runs a scheduler.",
)
def scheduled_lost(ctx: Context, late_after_minutes: float = 5) -> Iterator[Finding]:
    """One finding per queue. Rows: job, function, when it was due, what is missing."""
    for queue in queues(ctx):
        due = queue.next_scheduled_at
        if due is None or ctx.now - due <= timedelta(minutes=late_after_minutes):
            continue
        jobs = [job for job in _overdue(ctx, queue.name, late_after_minutes) if not job.gone]
        if not jobs:
            continue  # names of jobs that are gone: see jobs.dead_entries
        rows = [
            {"job": job.id, "function": job.function, "due": job.until, "missing": missing_work(job.function)}
            for job in jobs
        ]
        more = " or more" if len(rows) >= READ_JOBS else ""
        wait = "1 delayed job" if len(rows) == 1 else f"{len(rows):,}{more} delayed jobs"
        is_due = "is due" if len(rows) == 1 else "are due"
        yield Finding(
            subject=f"queue:{queue.name}", name=queue.name,
            summary=f"{wait} of {queue.name} {is_due}, the first for {span(ctx.now - due)}",
            evidence=ctx.evidence(f"rq:scheduled:{queue.name} and the hashes of its jobs", rows),
        )  # fmt: skip


def _overdue(ctx: Context, queue: str, late_after_minutes: float) -> list[JobState]:
    """The next jobs of the list that are late, the first due first."""
    limit = ctx.now - timedelta(minutes=late_after_minutes)
    jobs = ctx.redis.page(queue, "scheduled", 0, READ_JOBS).jobs
    return [job for job in jobs if job.until and job.until < limit]


@scheduled_lost.fix(title="Put what is due into its queue")
def enqueue(ctx: Context, finding: Finding) -> Iterator[JobChange]:
    """One requeue per job that is overdue; this is its first run, or the second one Label Studio asked for itself."""
    queue = finding.subject.removeprefix("queue:")
    for row in finding.evidence:
        yield JobChange("requeue", row["job"], queue, "scheduled", row["function"] or "")
