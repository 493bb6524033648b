"""Jobs were killed because they ran into their time limit.

rq gives every job a limit: 180 seconds on all of Label Studio's queues, unless the job brings its own (a sync ten hours,
a snapshot three, counters of an organization a day). Big imports and conversions bring none, so they are the first to
be cut off. What such a job did until then may be half done.

What to do: a sync's limit is the environment variable `RQ_LONG_JOB_TIMEOUT` (seconds) of web server and workers. The 180
seconds are `DEFAULT_TIMEOUT` in Label Studio's settings (`RQ_QUEUES`). Before raising them, see whether the database is
slow (its page tells), and make the work smaller: fewer files in one import, one format at a time.

Source: rq's `JobTimeoutException`, last line of the traceback; the limit is the field `timeout` of the job.
"""

from collections.abc import Iterator
from typing import Any

from ...deployment.queues import JobState
from .. import Context, Finding, Severity, check
from ..job_failures import Ending, ended_at, ending_of, failed_jobs, function_of, within
from ..job_functions import missing_work


@check(
    title="No job ran into its time limit",
    severity=Severity.WARNING,
    impact="The work was cut off in the middle",
    cause="The work takes longer than the limit its job was given.",
)
def timeout(ctx: Context, within_days: float = 7) -> Iterator[Finding]:
    """One finding per queue. Rows: function, its limit in seconds, jobs cut off, the newest, what is missing."""
    for found in failed_jobs(ctx):
        late = [job for job in found.jobs if ending_of(job) is Ending.TIMEOUT and within(ctx, job, within_days)]
        if not late:
            continue
        rows = _grouped(late)
        worst = rows[0]
        jobs = "1 job ran into its limit" if len(late) == 1 else f"{len(late):,} jobs ran into their limit"
        limit = f" after {worst['limit_seconds']:,} s" if worst["limit_seconds"] else ""
        yield Finding(
            subject=f"queue:{found.queue}", name=found.queue,
            summary=f"{jobs} on {found.queue} in the last {within_days:g} days, most often {worst['function']}{limit}",
            evidence=ctx.evidence(f"rq:failed:{found.queue} and the hashes of its jobs", rows),
        )  # fmt: skip


def _grouped(jobs: list[JobState]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, int | None], dict[str, Any]] = {}
    for job in jobs:
        row = groups.setdefault(
            (function_of(job), job.timeout_seconds),
            {"function": function_of(job), "limit_seconds": job.timeout_seconds, "jobs": 0, "newest": ended_at(job),
             "missing": missing_work(job.function), "example": job.id},
        )  # fmt: skip
        row["jobs"] += 1
    return sorted(groups.values(), key=lambda row: -row["jobs"])
