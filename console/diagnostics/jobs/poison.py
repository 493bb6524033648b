"""The same call fails every time it is tried, or kills the process that runs it.

Two kinds. A call that raises each time: somebody clicks Sync again and again, or a retry asks for it, and it cannot end
well before its cause is mended. And a call whose process is killed from outside (`Work-horse terminated unexpectedly`),
nearly always because it needs more memory than the container has: this one also takes down what runs beside it.

What to do: mend the cause before asking again. For a killed one look at the worker's memory (`kubectl describe pod` says
`OOMKilled`), split the largest file or the largest import, or raise the limit. Copies of the call that still wait can be
canceled, so that they do not kill the next worker.

Source: jobs in `rq:failed:<queue>` with the same function and arguments (field `description`), and rq's text for a
process that was killed.
"""

from collections.abc import Iterator
from typing import Any

from ...deployment.queues import JobState
from .. import Context, Finding, Severity, check
from ..job_failures import Ending, FailedJobs, ended_at, ending_of, failed_jobs, function_of, reason_of, within
from ..job_functions import missing_work
from ..queue_changes import JobChange

#: Waiting jobs that are searched for copies of the call.
READ_WAITING = 500


@check(
    title="No call fails again and again",
    severity=Severity.WARNING,
    impact="Workers spend their time on work that cannot end well",
    cause="The call fails for a reason that trying again does not change.",
)
def poison(ctx: Context, failures: int = 5, kills: int = 2, within_days: float = 7) -> Iterator[Finding]:
    """One finding per queue. Rows: function, call, failures, kills, last exception, the newest, copies that wait."""
    for found in failed_jobs(ctx):
        calls = [row for row in _calls(ctx, found, within_days) if row["failures"] >= failures or row["kills"] >= kills]
        if not calls:
            continue
        copies = _waiting(ctx, found.queue)
        for row in calls:
            row["waiting"] = len(copies.get(row["call"], []))
        yield _finding(ctx, found, calls, within_days, kills)


def _finding(
    ctx: Context, found: FailedJobs, calls: list[dict[str, Any]], within_days: float, kills: int
) -> Finding:  # fmt: skip
    worst = max(calls, key=lambda row: (row["kills"] >= kills, row["failures"]))
    killed = worst["kills"] >= kills
    times = f"killed its process {worst['kills']:,} times" if killed else f"failed {worst['failures']:,} times"
    others = len(calls) - 1
    more = f"; {others:,} more {'call' if others == 1 else 'calls'} on {found.queue}" if others else ""
    waiting = sum(row["waiting"] for row in calls)
    copies = f"; {waiting:,} {'copy waits' if waiting == 1 else 'copies wait'} in the queue" if waiting else ""
    return Finding(
        subject=f"queue:{found.queue}", name=found.queue, severity=Severity.ERROR if killed else Severity.WARNING,
        cause="The process is killed from outside while it runs this call, mostly for its memory." if killed else "",
        summary=f"The same call of {worst['function']} {times} in the last {within_days:g} days{more}{copies}",
        evidence=ctx.evidence(f"rq:failed:{found.queue} and the hashes of its jobs", calls),
        fixes=("cancel_copies",) if waiting else (),
    )  # fmt: skip


def _calls(ctx: Context, found: FailedJobs, within_days: float) -> list[dict[str, Any]]:
    """Failures by function and arguments, the most frequent first. A job that cannot tell its arguments is left out."""
    groups: dict[str, dict[str, Any]] = {}
    for job in found.jobs:
        if not job.description or not within(ctx, job, within_days) or ending_of(job) is Ending.STOPPED:
            continue
        row = groups.setdefault(
            job.description,
            {"function": function_of(job), "call": job.description, "failures": 0, "kills": 0,
             "exception": reason_of(job), "newest": ended_at(job), "missing": missing_work(job.function)},
        )  # fmt: skip
        row["failures"] += 1
        row["kills"] += ending_of(job) is Ending.KILLED
    return sorted(groups.values(), key=lambda row: -row["failures"])


def _waiting(ctx: Context, queue: str) -> dict[str, list[JobState]]:
    copies: dict[str, list[JobState]] = {}
    _, jobs = ctx.redis.waiting(queue, READ_WAITING)
    for job in jobs:
        copies.setdefault(job.description or "", []).append(job)
    return copies


@poison.fix(title="Cancel the copies that wait")
def cancel_copies(ctx: Context, finding: Finding) -> Iterator[JobChange]:
    """One cancel per waiting job with the same function and arguments; the failed ones stay to be read."""
    queue = finding.subject.removeprefix("queue:")
    copies = _waiting(ctx, queue)
    for row in finding.evidence:
        for job in copies.get(row["call"], []):
            yield JobChange("cancel", job.id, queue, "queued", job.function or "")
