"""Jobs wait in a queue for longer than they should.

There are too few workers, one project floods the queue, or a long job holds the only worker: a sync may run for ten
hours. The rows tell which functions and projects wait. Where no worker listens to the queue at all,
`jobs.queue_starved` says so.

How long it takes is told from what ended in the last minutes; what comes in from the age of the oldest job, since a
queue is served in order. Both change with the hour; the page of the queues draws them over time.

What to do: see what the workers are busy with, then add workers (`python label_studio/manage.py rqworker low`, or more
replicas of the worker deployment). Workers that were told to pause (`rq suspend`) go on after `rq resume`.

Source: `enqueued_at` of the first jobs in `rq:queue:<name>` (a job put at the front may be younger than the next, so the
first ten are asked), and the ends that the registries of finished and failed jobs still tell.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from ...deployment.queues import JobState, QueueState
from .. import Context, Finding, Severity, Unknown, check
from ..job_functions import missing_work
from ..queue_rates import per_minute, rates, told
from ..spans import span
from ..workers import queues

#: Waiting jobs that are read to tell the functions apart.
READ_JOBS = 1000


@check(
    title="No queue has a backlog",
    severity=Severity.WARNING,
    impact="Background work comes late",
    cause="More is put into this queue than its workers take out.",
)
def backlog(
    ctx: Context, older_than_minutes: float = 5, error_after_minutes: float = 60, window_minutes: float = 10
) -> Iterator[Finding | Unknown]:
    """One finding per queue. Rows: function, jobs waiting, since when the oldest waits, of which projects, what is
    missing."""
    suspended = ctx.redis.suspended()
    for queue in queues(ctx):
        if not queue.waiting:
            continue
        oldest = queue.oldest_enqueued_at
        if oldest is None:
            yield Unknown(
                f"Queue {queue.name}: {queue.waiting:,} jobs wait, and none of the first ten says since when."
            )
        elif ctx.now - oldest > timedelta(minutes=older_than_minutes):
            late = ctx.now - oldest > timedelta(minutes=error_after_minutes)
            severity = Severity.ERROR if late else Severity.WARNING
            yield _finding(ctx, queue, severity, suspended, window_minutes)


def _finding(
    ctx: Context, queue: QueueState, severity: Severity, suspended: bool, window_minutes: float
) -> Finding:  # fmt: skip
    total, jobs = ctx.redis.waiting(queue.name, READ_JOBS)
    jobs_wait = "job waits" if queue.waiting == 1 else "jobs wait"
    oldest = f"the oldest for {span(ctx.now - queue.oldest_enqueued_at)}" if queue.oldest_enqueued_at else ""
    cut = f" (functions of the next {len(jobs):,} read)" if total > len(jobs) else ""
    seen = rates(ctx, queue, window_minutes)
    if suspended:
        cause = "All workers were told to take no new job (`rq suspend`); `rq resume` lets them go on."
    elif not queue.workers_alive:
        cause = "No live worker listens to this queue."
    else:
        listen = "worker listens" if queue.workers_alive == 1 else "workers listen"
        cause = f"{queue.workers_alive} live {listen} to it; about {per_minute(seen.coming)} come in."
    moves = f"; {told(queue, seen)}" if queue.workers_alive and not suspended else ""
    return Finding(
        subject=f"queue:{queue.name}", name=queue.name, severity=severity, cause=cause,
        summary=f"{queue.waiting:,} {jobs_wait} on {queue.name}, {oldest}{moves}{cut}",
        evidence=ctx.evidence(f"rq:queue:{queue.name} and the hashes of its jobs", _by_function(jobs)),
    )  # fmt: skip


def _by_function(jobs: list[JobState]) -> list[dict[str, Any]]:
    groups: dict[str, dict[str, Any]] = {}
    projects: dict[str, Counter[int]] = {}
    for job in jobs:
        name = "gone: its data has expired" if job.gone else job.function or "cannot be told"
        row = groups.setdefault(
            name,
            {"function": name, "jobs": 0, "oldest": None, "example": job.id, "projects": "",
             "missing": missing_work(job.function)},
        )  # fmt: skip
        since = job.enqueued_at or job.created_at
        row["jobs"] += 1
        if since and (row["oldest"] is None or since < row["oldest"]):
            row["oldest"] = since
        if job.about.project_id is not None:
            projects.setdefault(name, Counter())[job.about.project_id] += 1
    for name, counted in projects.items():
        groups[name]["projects"] = ", ".join(f"{project} ({jobs:,})" for project, jobs in counted.most_common(3))
    return sorted(groups.values(), key=lambda row: -row["jobs"])
