"""Which job will end a row that waits, and whether it still can: alive, lost, or not to be told.

A storage keeps the id of its job. Snapshots, conversions, imports and reimports do not: their job carries the row's id
as its first argument, so it is looked for among all jobs that wait or run. A row is lost only when every place where its
job could be was read. Where Label Studio has no Redis the work is done inside a request, and age alone decides.

Source: `run_file_exporting` of Label Studio's data_export app, `async_convert`, `async_import`, `async_reimport` (each
hands the row's id to its job), `sync` of its storages; rq's `Job.description`, which spells the call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from sqlalchemy import literal, select

from ..deployment.queues import JobState, WorkerState
from ..deployment.storages import KINDS
from ..errors import Unknown
from .check import Context
from .job_functions import known
from .workers import queues, workers

#: Job states in which rq still means to run it, or runs it.
ALIVE = frozenset({"queued", "started", "scheduled", "deferred"})
#: Jobs read of one list or registry; with more of them an absent job proves nothing.
READ_JOBS = 10_000
#: Failed jobs looked through for the reason of a lost one.
READ_FAILED = 1000
#: No job and no request takes longer than this: the time limit of an export.
LONGEST = timedelta(hours=3)
#: A started job past its time limit by this much is not running any more.
GRACE = timedelta(minutes=10)
_ROW = re.compile(r"[\w.<>]+\((\d{1,18})[,)]")
_STORAGE = re.compile(r"[\w.<>]+\(<class '(?:[\w]+\.)*(\w+)'>, (\d{1,18})[,)]")


@dataclass(frozen=True)
class Answer:
    """Whether something may still end the row; `told` is the end of the sentence "It waits, and …"."""

    alive: bool
    told: str
    job: JobState | None = None


def row_of(job: JobState) -> tuple[str, int] | None:
    """The row a job is about, as (export | conversion | import | reimport | storage table, id); None when not told."""
    about = (entry.about if (entry := known(job.function)) else "") or ""
    if about == "storage":
        found = _STORAGE.match(job.description or "")
        return (f"io_storages_{found[1].lower()}", int(found[2])) if found else None
    found = _ROW.match(job.description or "") if about in {"export", "conversion", "import", "reimport"} else None
    return (about, int(found[1])) if found else None


class Judge:
    """Judges the rows of one check's run; the queues are read once, when the first row asks."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def by_id(self, job_id: str) -> Answer:
        """About a row that keeps the id of its job. Raises Unknown when Redis does not answer."""
        redis = self._ctx.deployment.redis
        if redis is None:
            return Answer(False, "no Redis is attached that could hold its job")
        job = redis.job(job_id)
        if job is None:
            return Answer(False, "its job is not in Redis any more")
        if (job.status or "") not in ALIVE:
            return Answer(False, f"its job has ended in Redis ({job.status or 'no status'})", job)
        return self._of(job)

    def by_row(self, about: str, row_id: int, since: datetime | None, patience: timedelta) -> Answer:
        """About a row that does not. `patience`: it is given this long before the absence of a job means anything.

        Raises Unknown when a job may exist that cannot be seen from here.
        """
        if (about, row_id) in self._ours:
            return Answer(True, "the console itself is making it")
        if self._ctx.deployment.redis is None:
            return self._by_age(since, patience)
        job = self._living.get((about, row_id))
        if job is not None:
            return self._of(job)
        if since and self._ctx.now - since < patience:
            return Answer(True, "it has not been under way for long")
        if self._unread:
            raise Unknown(f"{self._unread}, so its job may be among them.")
        if about in self._untold:
            raise Unknown(f"Jobs of this kind are in Redis whose arguments cannot be read ({self._untold[about]}).")
        failed = self._failed.get((about, row_id))
        if failed is not None:
            return Answer(False, f"its job failed: {failed.exception_line or 'without a word'}", failed)
        return Answer(False, "no job of it is in Redis")

    def _of(self, job: JobState) -> Answer:
        if job.status != "started":
            return Answer(True, f"its job is {job.status} on {job.origin or 'a queue'}", job)
        worker = self._worker(job)
        if worker is not None and not worker.alive:
            return Answer(False, f"the worker {worker.name} that ran its job is gone: {worker.why_dead}", job)
        if worker is None and job.worker_name:
            return Answer(False, f"the worker {job.worker_name} that ran its job is not registered any more", job)
        if worker is None and self._is_overdue(job):
            return Answer(False, f"its job began {job.started_at:%Y-%m-%d %H:%M} UTC and no worker has it", job)
        return Answer(True, f"its job runs{f' on {worker.name}' if worker else ''}", job)

    def _worker(self, job: JobState) -> WorkerState | None:
        if job.worker_name:
            return self._workers.get(job.worker_name)
        return next((worker for worker in self._workers.values() if worker.current_job == job.id), None)

    def _is_overdue(self, job: JobState) -> bool:
        if job.started_at is None or not job.timeout_seconds or job.timeout_seconds < 0:
            return False
        return self._ctx.now - job.started_at > timedelta(seconds=job.timeout_seconds) + GRACE

    def _by_age(self, since: datetime | None, patience: timedelta) -> Answer:
        sign = sign_of_redis(self._ctx)
        if sign:
            raise Unknown(
                f"No Redis is attached, and Label Studio has one ({sign}). Name it in LSCONSOLE_REDIS_URL, so that its "
                "jobs can be looked at."
            )
        if since is None:
            raise Unknown("Its row holds no time.")
        if self._ctx.now - since > max(LONGEST, patience):
            return Answer(False, "the request that made it has ended: there is no Redis that could hold a job")
        return Answer(True, "its request may still be at work: there is no Redis that could hold a job")

    @cached_property
    def _ours(self) -> set[tuple[str, int]]:
        return self._ctx.deployment.own_work()

    @cached_property
    def _workers(self) -> dict[str, WorkerState]:
        return {worker.name: worker for worker in workers(self._ctx)}

    @cached_property
    def _jobs(self) -> tuple[list[JobState], str]:
        """All jobs that wait or run, and what kept us from reading all of them."""
        found: list[JobState] = []
        unread = ""
        redis = self._ctx.redis
        for queue in queues(self._ctx):
            # In the order a job takes, so that one that moves while we read is met at its next place.
            places = (("deferred", queue.deferred), ("scheduled", queue.scheduled), ("queued", queue.waiting),
                      ("started", max(queue.started, queue.waiting, queue.scheduled)))  # fmt: skip
            reads = {"scheduled": redis.scheduled, "queued": redis.waiting, "started": redis.started}
            for place, expected in places:
                if not expected:
                    continue
                if place not in reads:
                    unread = f"{queue.name} has {expected:,} deferred jobs that were not read"
                    continue
                total, jobs = reads[place](queue.name, READ_JOBS)
                found += jobs
                if total > len(jobs):
                    unread = f"{queue.name} has {total:,} {place} jobs, and {len(jobs):,} were read"
        return found, unread

    @property
    def _unread(self) -> str:
        return self._jobs[1]

    @cached_property
    def _living(self) -> dict[tuple[str, int], JobState]:
        return _by_row(self._jobs[0])

    @cached_property
    def _untold(self) -> dict[str, str]:
        """Kinds of rows that have a job whose row cannot be told, with the id of one such job."""
        unreadable = [job for job in self._jobs[0] if not job.gone and row_of(job) is None]
        found = {entry.about: job.id for job in unreadable if (entry := known(job.function)) and entry.about}
        nameless = next((job.id for job in unreadable if job.function is None), None)
        return dict.fromkeys(("export", "conversion", "import", "reimport"), nameless) | found if nameless else found

    @cached_property
    def _failed(self) -> dict[tuple[str, int], JobState]:
        redis = self._ctx.redis
        return _by_row(
            job for queue in queues(self._ctx) if queue.failed for job in redis.failed(queue.name, READ_FAILED)[1]
        )


def _by_row(jobs: Iterable[JobState]) -> dict[tuple[str, int], JobState]:
    found: dict[tuple[str, int], JobState] = {}
    for job in jobs:
        row = row_of(job)
        if row is not None:
            found.setdefault(row, job)
    return found


def sign_of_redis(ctx: Context) -> str:
    """What in the database shows that Label Studio hands its work to a Redis; empty when nothing does."""
    with ctx.transaction() as session:
        for kind in KINDS.values():
            columns = ctx.schema.columns.get(kind.table_name, {})
            if "last_sync_job" not in columns:
                continue
            table = ctx.schema.table(kind.table_name)
            named = table.c.last_sync_job.is_not(None) & (table.c.last_sync_job != "")
            if session.scalar(select(literal(1)).select_from(table).where(named).limit(1)):
                return "a storage keeps the id of its job"
        for name, what in (("projects_projectimport", "import"), ("projects_projectreimport", "reimport")):
            if ctx.schema.has_table(name) and session.scalar(
                select(literal(1)).select_from(ctx.schema.table(name)).limit(1)
            ):
                return f"there are rows of {what}s, which only an edition with workers leaves"
    return ""
