"""Jobs wait for another job that will never end well.

A job may be told to run after another one. rq lets it go when that one finishes. When that one failed, was canceled, or is
not in Redis any more, the job waits for ever, without an error anywhere. The open-source edition makes no such jobs;
extensions and the enterprise edition may.

What to do: mend and requeue the job it waits for, if that is still among the failed ones: then both run. Otherwise cancel
the waiting one and start the work anew.

Source: rq's sorted set `rq:deferred:<queue>` and the fields `dependency_ids` (`dependency_id` before rq 1.9) of its jobs.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from ...deployment.queues import JobState
from .. import Context, Finding, Severity, check
from ..job_functions import missing_work
from ..queue_changes import JobChange
from ..workers import queues

READ_JOBS = 500
#: rq ends or releases within moments; later than that nobody will.
HOPELESS = {"failed": "has failed", "stopped": "was stopped", "canceled": "was canceled"}


@check(
    title="No job waits for another that will not end",
    severity=Severity.WARNING,
    impact="The work never runs, and nothing says so",
    cause="The job it waits for failed, was canceled, or is gone.",
)
def deferred_forever(ctx: Context, older_than_minutes: float = 15) -> Iterator[Finding]:
    """One finding per queue. Rows: job, function, waiting since, the job it waits for, what became of that."""
    for queue in queues(ctx):
        if not queue.deferred:
            continue
        listed = ctx.redis.page(queue.name, "deferred", 0, READ_JOBS)
        rows = list(_stuck(ctx, [job for job in listed.jobs if not job.gone], older_than_minutes))
        if not rows:
            continue
        jobs = "1 job waits for another" if len(rows) == 1 else f"{len(rows):,} jobs wait for others"
        read = f"; {len(listed.jobs):,} of {listed.total:,} were read" if listed.total > len(listed.jobs) else ""
        yield Finding(
            subject=f"queue:{queue.name}", name=queue.name,
            summary=f"{jobs} on {queue.name} in vain: it {rows[0]['became']}{read}",
            evidence=ctx.evidence(f"rq:deferred:{queue.name} and the hashes of its jobs", rows),
        )  # fmt: skip


def _stuck(ctx: Context, jobs: list[JobState], older_than_minutes: float) -> Iterator[dict[str, Any]]:
    named = list(dict.fromkeys(other for job in jobs for other in job.depends_on))
    others = dict(zip(named, ctx.redis.jobs(named), strict=True))
    limit = ctx.now - timedelta(minutes=older_than_minutes)
    for job in jobs:
        since = job.created_at
        if since is None or since > limit:
            continue
        for other in job.depends_on:
            became = "is gone" if others[other].gone else HOPELESS.get(others[other].status or "")
            if became:
                yield {"job": job.id, "function": job.function, "since": since, "waits_for": other,
                       "its_function": others[other].function, "became": became,
                       "missing": missing_work(job.function)}  # fmt: skip
                break


@deferred_forever.fix(title="Cancel the jobs that wait in vain")
def cancel(ctx: Context, finding: Finding) -> Iterator[JobChange]:
    """One cancel per waiting job. Requeue the job it waits for instead, where that can still be mended."""
    queue = finding.subject.removeprefix("queue:")
    for row in finding.evidence:
        yield JobChange("cancel", row["job"], queue, "deferred", row["function"] or "")
