"""A job waits, or has failed, for a row that somebody deleted.

A project, a storage or a snapshot was deleted after its work had been handed to a job. Such a job can only fail, or end
without doing anything, when its turn comes: it holds a place in the queue, fills the list of failed jobs with errors
that nobody can mend ("matching query does not exist"), and hides those that matter.

Looked for are jobs of syncs, snapshots, conversions, imports and reimports: their arguments name the row. Whether it is
there is asked twice, before and after the queues were read, and a job has to be older than a few minutes, because a row
may be written in a transaction that ends after the job was put into the queue.

When not one of several jobs has its row, the attached Redis is taken for that of another deployment, and nothing is said.

What to do: delete the jobs. Nothing of the deployment's data is touched by that.

Source: the first arguments of `import_sync_background`, `export_background`, `async_convert`, `async_import_background`
and their like; the tables of Label Studio's io_storages, data_export and projects apps.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from ...deployment.queues import Filter, JobState
from ...deployment.storages import KINDS as STORAGES
from .. import Context, Finding, Severity, Unknown, check
from ..job_functions import FUNCTIONS, known
from ..lost_jobs import ROWS, SMALL_LIST
from ..queue_changes import JobChange
from ..waiting_rows import KINDS
from ..workers import queues

#: Newest jobs of one function that are looked at in a long list or registry.
READ_JOBS = 2000
CHUNK = 500
#: So many jobs, and not one with its row: they are another deployment's.
SUSPICIOUS = 5


@check(
    title="Every job has the row it works for",
    severity=Severity.WARNING,
    impact="The job can only fail: it holds up others and hides the errors that matter",
    cause="The project, storage or snapshot was deleted while its job waited.",
)
def job_without_row(ctx: Context, older_than_minutes: float = 10) -> Iterator[Finding | Unknown]:
    """One finding per queue. Rows: job, function, state, the row that is gone, since when the job is there."""
    asked = 0
    found: dict[str, list[tuple[str, JobState]]] = {}
    for queue in queues(ctx):
        for state, number in (("queued", queue.waiting), ("scheduled", queue.scheduled), ("failed", queue.failed)):
            jobs = _jobs(ctx, queue.name, state, timedelta(minutes=older_than_minutes)) if number else []
            asked += len(jobs)
            found.setdefault(queue.name, []).extend((state, job) for job in _gone(ctx, jobs))
    lost = sum(len(jobs) for jobs in found.values())
    if lost == asked >= SUSPICIOUS:
        yield Unknown(
            f"Not one of {asked:,} jobs has its row in this database: the Redis that is attached seems to be that of "
            "another Label Studio. Compare LSCONSOLE_REDIS_URL and LSCONSOLE_DATABASE_URL."
        )
        return
    yield from (_finding(ctx, name, jobs) for name, jobs in found.items() if jobs)


def _finding(ctx: Context, queue: str, found: list[tuple[str, JobState]]) -> Finding:
    rows = [
        {"job": job.id, "function": job.function, "state": state, "row": " ".join(job.about.row or ()),
         "since": job.enqueued_at or job.created_at}
        for state, job in found
    ]  # fmt: skip
    counts = {state: sum(1 for other, _ in found if other == state) for state, _ in found}
    words = {
        "queued": ("waits", "wait"),
        "scheduled": ("is scheduled", "are scheduled"),
        "failed": ("failed", "failed"),
    }
    parts = [f"{number:,} {words[state][number != 1]}" for state, number in counts.items()]
    jobs = "job of" if len(found) == 1 else "jobs of"
    return Finding(
        subject=f"queue:{queue}", name=queue, severity=None if counts.keys() - {"failed"} else Severity.INFO,
        summary=f"{len(found):,} {jobs} {queue} {'is' if len(found) == 1 else 'are'} for rows that are deleted: {', '.join(parts)}",
        evidence=ctx.evidence(f"rq:queue:{queue}, rq:scheduled:{queue}, rq:failed:{queue}; the tables of the rows", rows),
    )  # fmt: skip


@job_without_row.fix(title="Delete the jobs")
def delete_jobs(ctx: Context, finding: Finding) -> Iterator[JobChange]:
    """One deletion per job that still stands where it stood and whose row is still gone."""
    queue = finding.subject.removeprefix("queue:")
    wanted = {row["job"]: row["state"] for row in finding.evidence}
    jobs = [job for job in ctx.redis.jobs(list(wanted)) if not job.gone]
    for job in _without_row(ctx, jobs):
        yield JobChange("delete", job.id, queue, wanted[job.id], job.function or "")


def _jobs(ctx: Context, queue: str, state: str, age: timedelta) -> list[JobState]:
    first = ctx.redis.page(queue, state, 0, SMALL_LIST)
    jobs = list(first.jobs)
    if first.total > len(jobs):
        names = [name for name, entry in FUNCTIONS.items() if entry.about in {"storage", *ROWS}]
        found = [ctx.redis.matching_ids(queue, state, Filter(function=name), READ_JOBS)[1] for name in names]
        jobs = ctx.redis.jobs(sorted({job_id for ids in found for job_id in ids}))
    old = [job for job in jobs if (since := job.enqueued_at or job.created_at) and ctx.now - since > age]
    return [job for job in old if _place(ctx, job)]


def _gone(ctx: Context, jobs: list[JobState]) -> list[JobState]:
    """Asked twice: a row may become visible a moment after its job."""
    once = _without_row(ctx, jobs)
    return _without_row(ctx, once) if once else []


def _without_row(ctx: Context, jobs: list[JobState]) -> list[JobState]:
    """Those whose row is in no table, and whose table is here to be asked."""
    wanted: dict[str, set[int]] = {}
    for job in jobs:
        if place := _place(ctx, job):
            wanted.setdefault(place[0], set()).add(place[1])
    there = {name: _there(ctx, name, ids) for name, ids in wanted.items()}
    return [job for job in jobs if (place := _place(ctx, job)) and place[1] not in there[place[0]]]


def _place(ctx: Context, job: JobState) -> tuple[str, int] | None:
    """The table and key of the row a job is about; None when it is none of these."""
    entry = known(job.function)
    if job.about.row is None or entry is None:
        return None
    about, reference = job.about.row
    if about == "storage":
        prefix, _, number = reference.partition(":")
        name = STORAGES[prefix].table_name if prefix in STORAGES else ""
    else:
        name, number = (KINDS[about].table if about in ROWS else ""), reference
    return (name, int(number)) if ctx.schema.has_table(name) and number.isdecimal() and int(number) < 2**31 else None


def _there(ctx: Context, name: str, ids: set[int]) -> set[Any]:
    table = ctx.schema.table(name)
    kind = next((kind for kind in STORAGES.values() if kind.table_name == name), None)
    key = table.c[kind.key_column if kind else "id"]
    found: set[Any] = set()
    ordered = sorted(ids)
    with ctx.transaction() as session:
        for start in range(0, len(ordered), CHUNK):
            found |= set(session.scalars(select(key).where(key.in_(ordered[start : start + CHUNK]))))
    return found
