"""Long work: starting it, its progress, stopping it. What each kind does stands in `job_kinds`.

A job runs on our own RQ queue, on a thread of the serving process, or inside the request; the same functions all the
same. Arguments and results are plain data. A job may run twice without harm. Label Studio's queues are never used.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from typing import Any

from sqlalchemy import func, select, update

from .diagnostics import registry
from .errors import ConsoleError, NotFound, Refused
from .masking import mask_text
from .service import Console
from .state import Store, new_id
from .state.models import JobRow
from .state.store import is_alive, this_process

log = logging.getLogger(__name__)

#: Progress is written at most this often.
SAVE_EVERY_SECONDS = 0.4
THREADS = 2
#: A job of another machine whose progress is silent for this long is taken for dead.
SILENT_AFTER = timedelta(minutes=10)
#: A job is written down before it is put on the queue.
WAITING_AT_LEAST = timedelta(minutes=1)
#: A job that has nothing to tell says this often that it lives.
ALIVE_EVERY_SECONDS = 60.0
#: Jobs that this very process is running.
_performing: Counter[str] = Counter()


class Cancelled(ConsoleError):
    """The job was asked to stop; what it had finished stays."""


class Progress:
    """Saves done, total and label to the store, and hears whether the job shall stop."""

    def __init__(self, store: Store, job_id: str) -> None:
        self._store, self._job_id = store, job_id
        self._saved_at, self._looked_at, self._cancel = 0.0, 0.0, False

    def __call__(self, done: int, total: int, label: str) -> None:
        now = time.monotonic()
        if now - self._saved_at < SAVE_EVERY_SECONDS and done < total:
            return
        self._saved_at = now
        with self._store.session() as session:
            row = session.get_one(JobRow, self._job_id)
            row.done, row.total, row.label, row.heartbeat_at = done, total, label, datetime.now(UTC)
            self._cancel, self._looked_at = row.cancel_requested, now

    def cancelled(self) -> bool:
        """Whether a stop was asked for; looks at most every 0.4 s."""
        now = time.monotonic()
        if not self._cancel and now - self._looked_at >= SAVE_EVERY_SECONDS:
            self._looked_at = now
            with self._store.read() as session:
                self._cancel = bool(session.scalar(select(JobRow.cancel_requested).where(JobRow.id == self._job_id)))
        if now - self._saved_at >= ALIVE_EVERY_SECONDS:
            self._saved_at = now
            with self._store.session() as session:
                session.execute(update(JobRow).where(JobRow.id == self._job_id).values(heartbeat_at=datetime.now(UTC)))
        return self._cancel


# --- starting, watching, stopping


def start(console: Console, kind: str, title: str, arguments: dict[str, Any], *, by: str) -> JobRow:
    """Start a job where the settings say. Raises Refused when the queue's Redis does not answer."""
    mode = console.settings.jobs_mode
    row = JobRow(id=new_id(), kind=kind, title=title, arguments=arguments, status="queued", by=by,
                 created_at=datetime.now(UTC), result=None, owner=None if mode == "rq" else this_process())  # fmt: skip
    with console.store.session() as session:
        session.add(row)
    if mode == "inline":
        perform(console, row.id)
    elif mode == "threads":
        _threads(console, kind).put(row.id)
    else:
        _enqueue(console, row.id)
    return row


def start_checks(console: Console, code: str = "", *, by: str) -> tuple[JobRow, bool]:
    """Start a run of all checks, or of one; the same run, and False, when it is under way already."""
    names = [registry.get(code).code] if code else []
    under_way = next((job for job in running(console.store, "checks") if _same_run(job, names)), None)
    if under_way:
        return under_way, False
    title = f"Run {code}" if code else "Run all checks"
    return start(console, "checks", title, {"names": names}, by=by), True


def _same_run(job: JobRow, names: list[str]) -> bool:
    return (job.arguments.get("names") or []) == names and not job.arguments.get("scope")


def full_run(store: Store) -> JobRow | None:
    """The run of all checks that is under way, or None."""
    return next((job for job in running(store, "checks") if _same_run(job, [])), None)


def wait(store: Store, job_id: str, seconds: float) -> JobRow:
    """The job once it has ended, or as it stands after so many seconds: quick work is answered at once."""
    give_up = time.monotonic() + seconds
    while (row := get(store, job_id)).status in {"queued", "running"} and time.monotonic() < give_up:
        time.sleep(0.05)
    return row


def finished(store: Store, *, offset: int, limit: int) -> tuple[list[JobRow], int]:
    """Jobs that ended, newest first, and how many there are."""
    ended = JobRow.status.not_in(["queued", "running"])
    with store.read() as session:
        total = session.scalar(select(func.count()).select_from(JobRow).where(ended)) or 0
        rows = session.scalars(
            select(JobRow).where(ended).order_by(JobRow.created_at.desc(), JobRow.id).offset(offset).limit(limit)
        )
        return list(rows), total


def last(store: Store, kind: str) -> JobRow | None:
    """The job of this kind that ended last, or None."""
    ended = select(JobRow).where(JobRow.kind == kind, JobRow.status.not_in(["queued", "running"]))
    with store.read() as session:
        return session.scalars(ended.order_by(JobRow.created_at.desc()).limit(1)).first()


def perform(console: Console, job_id: str) -> None:
    """Run one job to its end; never raises for what the job does. A job already taken is left alone."""
    _performing[job_id] += 1
    try:
        _perform(console, job_id)
    finally:
        _performing[job_id] -= 1
        if not _performing[job_id]:
            del _performing[job_id]


def _perform(console: Console, job_id: str) -> None:
    store = console.store
    with store.session() as session:
        taken = session.execute(
            update(JobRow).where(JobRow.id == job_id, JobRow.status == "queued", JobRow.cancel_requested.is_(False))
            .values(status="running", started_at=datetime.now(UTC), heartbeat_at=datetime.now(UTC), owner=this_process())
        )  # fmt: skip
        if taken.rowcount != 1:  # type: ignore[attr-defined]
            return
        job = session.get_one(JobRow, job_id)
    try:
        from .job_kinds import KINDS

        result = KINDS[job.kind](console, job, Progress(store, job_id))
        _end(store, job_id, "done", result=result)
    except Cancelled as error:
        _end(store, job_id, "cancelled", error=str(error))
    except ConsoleError as error:
        _end(store, job_id, "failed", error=str(error))
    except Exception as error:
        log.exception("job %s (%s) failed", job_id, job.kind)
        _end(
            store, job_id, "failed", error=f"The job stopped with an error of its own: {type(error).__name__}: {error}"
        )


def _end(store: Store, job_id: str, status: str, *, error: str = "", result: dict[str, Any] | None = None) -> None:
    with store.session() as session:
        row = session.get_one(JobRow, job_id)
        row.status, row.error, row.finished_at = status, mask_text(error), datetime.now(UTC)
        row.owner = None
        if result is not None:
            row.result = result
        if status == "done":
            row.done = row.total


def cancel(store: Store, job_id: str) -> None:
    """Ask a job to stop: at once when it waits, at its next step when it runs."""
    get(store, job_id)
    with store.session() as session:
        session.execute(
            update(JobRow)
            .where(JobRow.id == job_id, JobRow.status.in_(["queued", "running"]))
            .values(cancel_requested=True)
        )
        session.execute(
            update(JobRow).where(JobRow.id == job_id, JobRow.status == "queued")
            .values(status="cancelled", finished_at=datetime.now(UTC), error="Stopped before it began.")
        )  # fmt: skip


def get(store: Store, job_id: str) -> JobRow:
    """One job as it stands; one whose process died is settled first. Raises NotFound."""
    with store.read() as session:
        row = session.get(JobRow, job_id)
    if row is None:
        raise NotFound(f"There is no job {job_id}.")
    return _settled(store, row) if _is_lost(row) else row


def running(store: Store, kind: str | None = None) -> list[JobRow]:
    """Jobs queued or running, oldest first; those whose process died are settled instead."""
    with store.read() as session:
        statement = select(JobRow).where(JobRow.status.in_(["queued", "running"])).order_by(JobRow.created_at)
        rows = list(session.scalars(statement.where(JobRow.kind == kind) if kind else statement))
    for row in rows:
        if _is_lost(row):
            _settled(store, row)
    return [row for row in rows if not _is_lost(row)]


def settle(store: Store) -> None:
    """Mark jobs whose process died as failed, so that nothing waits for them."""
    running(store)


def settle_waiting(console: Console) -> None:
    """End jobs that wait on our RQ queue and are not there any more: nothing would ever take them."""
    before = datetime.now(UTC) - WAITING_AT_LEAST
    with console.store.read() as session:
        waiting = list(session.scalars(
            select(JobRow.id).where(JobRow.status == "queued", JobRow.owner.is_(None), JobRow.created_at < before)
        ))  # fmt: skip
    if not waiting:
        return
    from . import work_queue

    try:
        gone = work_queue.lost(console.settings.queue_url, waiting)
    except Refused as error:
        log.warning("whether waiting jobs are still there is not known: %s", error)
        return
    with console.store.session() as session:
        session.execute(
            update(JobRow).where(JobRow.id.in_(gone), JobRow.status == "queued")
            .values(status="failed", finished_at=datetime.now(UTC), error="It vanished from the queue. Start it again.")
        )  # fmt: skip


def settle_rows(console: Console) -> None:
    """Mark export snapshots and syncs as failed whose job died: Label Studio would show them as running for ever."""
    from .labeling import snapshots_jobs
    from .labeling.storages import sync_jobs

    try:
        snapshots_jobs.settle(console.deployment, console.store)
        sync_jobs.settle(console.deployment, lambda job_id: has_ended(console.store, job_id))
    except ConsoleError as error:
        log.warning("snapshots and syncs of dead jobs stay as they are: %s", error)


def has_ended(store: Store, job_id: str) -> bool:
    """Whether a job of ours is over, its process perhaps dead; False for what was never ours."""
    try:
        return get(store, job_id).status not in {"queued", "running"}
    except NotFound:
        return False


def _is_lost(row: JobRow) -> bool:
    """Whether the process that runs a job, or was to run it on a thread, is gone; or its end could not be kept."""
    if row.status not in {"queued", "running"} or row.owner is None:
        return False
    if row.owner == this_process():
        return row.status == "running" and row.id not in _performing
    alive = is_alive(row.owner)
    if alive is None and row.heartbeat_at is not None:
        return datetime.now(UTC) - row.heartbeat_at > SILENT_AFTER
    return alive is False


def _settled(store: Store, lost: JobRow) -> JobRow:
    told = "The process that ran it ended. Start it again; what it had finished stays."
    with store.session() as session:
        session.execute(
            update(JobRow).where(JobRow.id == lost.id, JobRow.status == lost.status, JobRow.owner == lost.owner)
            .values(status="failed", error=told, finished_at=datetime.now(UTC), owner=None)
        )  # fmt: skip
        return session.get_one(JobRow, lost.id)


def rate(row: JobRow, now: datetime | None = None) -> tuple[float | None, float | None]:
    """(steps per second, seconds left) of a running job; None while they cannot be told."""
    if row.started_at is None or row.done <= 0:
        return None, None
    spent = ((row.finished_at or now or datetime.now(UTC)) - row.started_at).total_seconds()
    if spent <= 0:
        return None, None
    speed = row.done / spent
    left = max(0, row.total - row.done) / speed if row.status == "running" and row.total else None
    return speed, left


#: Kinds of work that have threads of their own, so that what they wait for holds up nothing else: buckets without an
#: end, a VACUUM of an hour.
_LINES = {
    "sync": "buckets", "sync portion": "buckets", "dry run": "buckets", "matrix": "buckets", "maintenance": "maintenance",
    "scheduled": "maintenance",
}  # fmt: skip
_pools: dict[tuple[int, str], SimpleQueue[str]] = {}
_pools_lock = threading.Lock()


def _threads(console: Console, kind: str) -> SimpleQueue[str]:
    """The waiting line of this console's threads; they are daemons, so they never keep the process alive."""
    key = (id(console), _LINES.get(kind, ""))
    with _pools_lock:
        line = _pools.get(key)
        if line is None:
            line = _pools[key] = SimpleQueue()
            for number in range(THREADS):
                threading.Thread(target=_work, args=(console, line), name=f"job-{number}", daemon=True).start()
        return line


def _work(console: Console, line: SimpleQueue[str]) -> None:
    while True:
        job_id = line.get()
        try:
            perform(console, job_id)
        except Exception:
            log.exception("job %s could not be run", job_id)


def _enqueue(console: Console, job_id: str) -> None:
    from . import work_queue

    try:
        work_queue.put(console.settings.queue_url, job_id)
    except Refused as error:
        _end(console.store, job_id, "failed", error=str(error))
        raise
