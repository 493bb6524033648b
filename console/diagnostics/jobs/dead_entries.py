"""Lists of jobs name jobs whose data is gone.

A job is a hash of its own; queues and registries hold its id alone. When the hash goes and the id stays, the job cannot be
run, shown or requeued. Redis threw it away for lack of memory (`jobs.redis_memory`), or somebody deleted it by hand. It
counts as waiting or failed for ever, and a row of Label Studio that belongs to it waits too.

Ids of failed jobs whose time is over are not meant: the next worker that tidies up removes them.

What to do: find out who takes hashes away, first. The repair removes the ids; nothing else is lost by that. Then see
which syncs, exports and imports wait for a job that is gone, and start them again.

Source: members of `rq:queue:<name>`, `rq:failed:…`, `rq:deferred:…`, `rq:scheduled:…`, `rq:wip:…` without a hash
`rq:job:<id>`; the score of a failed one is the time until which rq means to keep it.
"""

from collections.abc import Iterator
from typing import Any

from ...deployment.queues import JobState, QueueState
from .. import Context, Finding, Severity, check
from ..queue_changes import JobChange
from ..workers import queues

#: Entries of each list that are looked at: its oldest and its newest.
READ_JOBS = 100
STATES = ("queued", "started", "failed", "deferred", "scheduled")


@check(
    title="Every listed job has its data",
    severity=Severity.WARNING,
    impact="Jobs count as waiting or failed that nobody can run, and their work is lost",
    cause="Redis threw their data away, or somebody deleted it.",
)
def dead_entries(ctx: Context) -> Iterator[Finding]:
    """One finding per queue. Rows: list, job, until when rq meant to keep it."""
    for queue in queues(ctx):
        rows = [row for state in STATES if _count(queue, state) for row in _dead(ctx, queue.name, state)]
        if not rows:
            continue
        waiting = sum(row["list"] in ("queued", "started", "deferred", "scheduled") for row in rows)
        entries = (
            "1 entry names a job that is gone" if len(rows) == 1 else f"{len(rows):,} entries name jobs that are gone"
        )
        yield Finding(
            subject=f"queue:{queue.name}", name=queue.name, severity=Severity.ERROR if waiting else Severity.WARNING,
            summary=f"{entries} on {queue.name}, {waiting:,} of them were still to be done",
            evidence=ctx.evidence(f"the lists of {queue.name}, and EXISTS rq:job:<id>", rows),
        )  # fmt: skip


def _count(queue: QueueState, state: str) -> int:
    counts = {"queued": queue.waiting, "started": queue.started, "failed": queue.failed, "deferred": queue.deferred,
              "scheduled": queue.scheduled}  # fmt: skip
    return counts[state]


def _dead(ctx: Context, queue: str, state: str) -> Iterator[dict[str, Any]]:
    found = {job.id: job for job in _ends(ctx, queue, state) if _is_dead(ctx, job, state)}
    if found:  # a job may end between the two reads of one look: what is true twice stays
        listed = {job.id for job in _ends(ctx, queue, state) if _is_dead(ctx, job, state)}
        for job in found.values():
            if job.id in listed:
                yield {"list": state, "job": job.id, "kept_until": job.until}


def _ends(ctx: Context, queue: str, state: str) -> Iterator[JobState]:
    for newest_first in (False, True):
        yield from ctx.redis.page(queue, state, 0, READ_JOBS, newest_first).jobs


def _is_dead(ctx: Context, job: JobState, state: str) -> bool:
    if not job.gone or job.problems:
        return False
    expires = state in ("failed", "started")  # the others have no such time, or it means something else
    return not (expires and job.until is not None and job.until < ctx.now)


@dead_entries.fix(title="Remove the entries of jobs that are gone")
def drop(ctx: Context, finding: Finding) -> Iterator[JobChange]:
    """One removal per id; undo puts it back. A job that has its data again is left alone."""
    queue = finding.subject.removeprefix("queue:")
    for row in finding.evidence:
        yield JobChange("delete", row["job"], queue, row["list"])
