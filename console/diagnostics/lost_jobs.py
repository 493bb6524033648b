"""Which job will end a row that waits, and whether it still can: alive, lost, or not to be told.

A storage keeps the id of its job. Snapshots, conversions, imports and reimports do not: their job carries the row's id
as its first argument, so it is looked for among all jobs that wait or run. A row is lost only when every place where its
job could be was read. Where Label Studio has no Redis the work is done inside a request, and age alone decides.

Source: `run_file_exporting` of Label Studio's data_export app, `async_convert`, `async_import`, `async_reimport` (each
hands the row's id to its job), `sync` of its storages; rq's `Job.description`, which spells the call.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from sqlalchemy import literal, select

from ..deployment.queues import Filter, JobState, WorkerState
from ..deployment.storages import KINDS
from ..errors import Unknown
from .check import Context
from .job_functions import FUNCTIONS, known
from .workers import queues, workers

#: Job states in which rq still means to run it, or runs it.
ALIVE = frozenset({"queued", "started", "scheduled", "deferred"})
#: A list or registry with more jobs is searched instead of read.
SMALL_LIST = 500
#: Jobs of one function read out of such a list; with more of them an absent job proves nothing.
READ_JOBS = 5000
#: Failed jobs looked through for the reason of a lost one.
READ_FAILED = 1000
#: No job and no request takes longer than this: the time limit of an export.
LONGEST = timedelta(hours=3)
#: A started job past its time limit by this much is not running any more.
GRACE = timedelta(minutes=10)
#: Rows that hold no id of their job.
ROWS = ("export", "conversion", "import", "reimport")
#: Jobs whose arguments are fetched because their description does not tell the row.
MOST_FETCHED = 200


@dataclass(frozen=True)
class Answer:
    """Whether something may still end the row; `told` is the end of the sentence "It waits, and …"."""

    alive: bool
    told: str
    job: JobState | None = None


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
        job = self._living.get((about, str(row_id)))
        if job is not None:
            return self._of(job)
        if since and self._ctx.now - since < patience:
            return Answer(True, "it has not been under way for long")
        if self._unread:
            raise Unknown(f"{self._unread}, so its job may be among them.")
        if about in self._untold:
            raise Unknown(f"Jobs of this kind are in Redis whose arguments cannot be read ({self._untold[about]}).")
        failed = self._failed.get((about, str(row_id)))
        if failed is not None:
            return Answer(False, f"its job failed: {failed.exception_line or 'without a word'}", failed)
        return Answer(False, "no job of it is in Redis")

    def failure(self, about: str, row_id: int) -> str:
        """What rq keeps of the failed job of a row; empty when there is none, or no Redis."""
        job = self._failed.get((about, str(row_id))) if self._ctx.deployment.redis else None
        return (job.exception or "") if job else ""

    def ahead(self, job: JobState) -> int | None:
        """How many jobs its queue gives out before this one; None when it does not stand in the queue."""
        detail = self._ctx.redis.detail(job.id)
        return detail.position - 1 if detail and detail.position else None

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
        """Jobs that wait or run, of large lists only those about rows, and what kept us from reading all of them."""
        found: list[JobState] = []
        unread = ""
        for queue in queues(self._ctx):
            # In the order a job takes, so that one that moves while we read is met at its next place.
            for state in ("deferred", "scheduled", "queued", "started"):
                first = self._ctx.redis.page(queue.name, state, 0, SMALL_LIST)
                if first.total <= len(first.jobs):
                    found += first.jobs
                    continue
                jobs, left = self._searched(queue.name, state, first.total)
                found, unread = found + jobs, unread or left
        return found, unread

    def _searched(self, queue: str, state: str, total: int) -> tuple[list[JobState], str]:
        """Jobs about rows in a list too long to be read job by job."""
        jobs: list[JobState] = []
        for name in (name for name, entry in FUNCTIONS.items() if entry.about in ROWS):
            matched, ids = self._ctx.redis.matching_ids(queue, state, Filter(function=name), READ_JOBS)
            if matched > len(ids):
                return jobs, f"{queue} has {matched:,} {state} jobs of {name}, and {len(ids):,} were read"
            jobs += self._ctx.redis.jobs(ids)
        groups = self._ctx.redis.groups(queue, state, budget_seconds=None).groups
        nameless = sum(group.jobs for group in groups if group.function is None and not group.gone)
        return jobs, f"{queue} has {nameless:,} {state} jobs that cannot be read, among {total:,}" if nameless else ""

    @property
    def _unread(self) -> str:
        return self._jobs[1]

    @cached_property
    def _living(self) -> dict[tuple[str, str], JobState]:
        return _by_row([*self._jobs[0], *self._fetched])

    @cached_property
    def _untold(self) -> dict[str, str]:
        """Kinds of rows that have a job whose row cannot be told, with the id of one such job."""
        found: dict[str, str] = {}
        for job in self._dumb:
            entry = known(job.function)
            about = [entry.about] if entry else [] if job.function else ROWS
            found |= dict.fromkeys(about, job.id)
        read = {job.id for job in self._fetched}
        return {about: job_id for about, job_id in found.items() if job_id not in read}

    @cached_property
    def _dumb(self) -> list[JobState]:
        """Jobs that may be about a row, and whose description does not tell which."""
        without = [job for job in self._jobs[0] if not job.gone and job.about.row is None]
        return [
            job for job in without if job.function is None or ((entry := known(job.function)) and entry.about in ROWS)
        ]

    @cached_property
    def _fetched(self) -> list[JobState]:
        """Of these, the ones whose arguments tell it."""
        details = [self._ctx.redis.detail(job.id) for job in self._dumb[:MOST_FETCHED]]
        return [replace(detail.job, about=detail.about) for detail in details if detail and detail.about.row]

    @cached_property
    def _failed(self) -> dict[tuple[str, str], JobState]:
        failed = [self._ctx.redis.failed(queue.name, READ_FAILED) for queue in queues(self._ctx) if queue.failed]
        return _by_row(job for _, jobs in failed for job in jobs)


def _by_row(jobs: Iterable[JobState]) -> dict[tuple[str, str], JobState]:
    found: dict[tuple[str, str], JobState] = {}
    for job in jobs:
        if job.about.row is not None:
            found.setdefault(job.about.row, job)
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
