"""Jobs of a queue ended with an exception and stay in its failed registry.

Label Studio does not try them again. What a job was to do tells what is missing now: a sync that stopped half-way, a
snapshot that was never written, a webhook that was not sent. rq keeps a failed job for 30 days by default.

What to do: read the exception, mend its cause, then start the work again from Label Studio's pages (Sync, Export). A
sync, an export and a recount may be run twice without harm, and `rq requeue --queue low JOB_ID` does that; deletions
and webhooks are not to be repeated blindly.

Source: rq's sorted set `rq:failed:<queue>`, and the traceback of each job: in its hash before rq 1.12, in the stream
`rq:results:<job>` since.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from ...deployment.queues import JobState
from .. import Context, Finding, Severity, check
from ..workers import queues

#: Newest failed jobs that are read.
READ_JOBS = 1000
#: Errors that differ in ids, sizes and times alone are one group.
NUMBERS = re.compile(r"[0-9a-f]{8,}|\d+")


@check(
    title="No job has failed",
    severity=Severity.WARNING,
    impact="Work that somebody asked for was not done, and is not tried again",
    cause="The jobs raised an exception; the rows tell which, by function.",
)
def failed(ctx: Context) -> Iterator[Finding]:
    """One finding per queue. Rows: function, last line of the exception, jobs, new in 24 h, newest, an example."""
    for queue in queues(ctx):
        if not queue.failed:
            continue
        total, jobs = ctx.redis.failed(queue.name, READ_JOBS)
        rows = _grouped(ctx, jobs)
        recent = sum(row["new_24_h"] for row in rows)
        read = f"; the newest {len(jobs):,} were read" if total > len(jobs) else ""
        number = f"{total:,} {'job' if total == 1 else 'jobs'} of {queue.name} failed"
        yield Finding(
            subject=f"queue:{queue.name}", name=queue.name,
            summary=f"{number}, {recent:,} in the last 24 h{read}",
            evidence=ctx.evidence(f"rq:failed:{queue.name} and the hashes of its jobs", rows),
        )  # fmt: skip


def _grouped(ctx: Context, jobs: list[JobState]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for job in jobs:
        function = "a job whose data has expired" if job.gone else job.function or "a job that cannot be told"
        exception = job.exception_line or "none recorded"
        row = groups.setdefault(
            (function, NUMBERS.sub("N", exception)),
            {"function": function, "exception": exception, "jobs": 0, "new_24_h": 0, "newest": None, "example": job.id},
        )
        ended = job.ended_at or job.started_at or job.enqueued_at
        row["jobs"] += 1
        row["new_24_h"] += bool(ended and ctx.now - ended < timedelta(hours=24))
        if ended and (row["newest"] is None or ended > row["newest"]):
            row["newest"], row["example"] = ended, job.id
    return sorted(groups.values(), key=lambda row: -row["jobs"])
