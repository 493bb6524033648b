"""Work on storages that takes long: syncs, dry runs. What `jobs` runs, joined to audit log, webhooks and workers.

Where jobs run on a queue, a large sync is spread over its workers: each portion of new objects is a job of its own. The
job that spreads them does portions too, so that one worker is enough, and a portion whose worker died is done again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import delete

from . import jobs, storage_writes, webhooks
from .errors import ConsoleError
from .jobs import Cancelled, Progress
from .labeling.db import Caller
from .labeling.storages import sync, sync_jobs
from .service import Console
from .state.models import JobRow

PORTION = "sync portion"
#: Portions that wait or are under way at a time.
_WAITING = 8
_LOOK_SECONDS = 0.1
#: A portion is begun this often, when its workers die.
_ATTEMPTS = 4


def sync_storage(console: Console, job: JobRow, progress: Progress) -> dict[str, Any]:
    """Sync a source or a target storage. What it made stays, however it ends."""
    workers = Workers(console, job, progress) if console.settings.jobs_mode == "rq" else None
    try:
        return sync_jobs.synced(
            console.deployment, console.store, job, progress=progress, stopped=progress.cancelled, tell=_tell(console),
            has_ended=lambda job_id: jobs.has_ended(console.store, job_id), spread=workers,
        )  # fmt: skip
    except sync.Interrupted as error:
        raise Cancelled(str(error)) from None


def sync_portion(console: Console, job: JobRow, progress: Progress) -> dict[str, Any]:
    """A worker's share of a sync."""
    return sync.portion(
        console.deployment, job.arguments["storage"], job.arguments["work"], by=job.by, progress=progress,
        stopped=progress.cancelled, tell=_tell(console),
    )  # fmt: skip


def look(console: Console, job: JobRow, progress: Progress) -> dict[str, Any]:
    """What a sync of a storage would do; the whole answer is kept as a report of the storage."""
    told = sync_jobs.dry_ran(console.deployment, console.store, job, progress=progress, stopped=progress.cancelled)
    if told["stopped"]:
        raise Cancelled(f"Stopped after {told['listed']:,} objects; what was seen is kept.")
    return told


KINDS: dict[str, Callable[[Console, JobRow, Progress], dict[str, Any]]] = {
    "sync": sync_storage, PORTION: sync_portion, "dry run": look,
}  # fmt: skip


class Workers:
    """Has portions of a sync done by the workers of our queue; see `sync.Spread`."""

    def __init__(self, console: Console, parent: JobRow, progress: Progress) -> None:
        self._console, self._parent, self._progress = console, parent, progress
        self._waiting: dict[str, tuple[sync.Portion, int]] = {}

    def __call__(self, portions: Iterable[sync.Portion]) -> Iterator[Mapping[str, Any]]:
        coming = iter(portions)
        more = True
        try:
            while more or self._waiting:
                while more and len(self._waiting) < _WAITING:
                    work = next(coming, None)
                    more = work is not None
                    if work is not None:
                        self._give(work, 1)
                for answer in self._ended():
                    more = more and not answer.get("broken")
                    yield answer
                if self._progress.cancelled():
                    more = False
                    self._stop()
                elif not self._do_one():
                    time.sleep(_LOOK_SECONDS)
        finally:
            self._stop()

    def _give(self, work: sync.Portion, attempt: int) -> None:
        reference = self._parent.arguments["storage"]
        title = f"{len(work['objects']):,} objects of a sync of {reference}"
        arguments = {"storage": reference, "work": work, "parent": self._parent.id}
        row = jobs.start(self._console, PORTION, title, arguments, by=self._parent.by)
        self._waiting[row.id] = (work, attempt)

    def _ended(self) -> Iterator[Mapping[str, Any]]:
        """Answers of portions that are done; those that a dead worker left are given out again."""
        for job_id, (work, attempt) in list(self._waiting.items()):
            row = jobs.get(self._console.store, job_id)
            if row.status in {"queued", "running"}:
                continue
            del self._waiting[job_id]
            self._forget(job_id)
            if row.status == "done":
                yield row.result or {}
            elif row.status == "failed" and attempt < _ATTEMPTS:
                self._give(work, attempt + 1)
            elif row.status == "failed":
                raise ConsoleError(f"A part of the sync failed {attempt} times: {row.error}")

    def _do_one(self) -> bool:
        """Do a portion that no worker has taken yet; whether there was one."""
        for job_id in self._waiting:
            if jobs.get(self._console.store, job_id).status == "queued":
                jobs.perform(self._console, job_id)
                return True
        return False

    def _stop(self) -> None:
        """Cancel what waits and wait for what runs, so that nothing goes on behind the end of the sync."""
        for job_id in self._waiting:
            jobs.cancel(self._console.store, job_id)
        for job_id in list(self._waiting):
            while not jobs.has_ended(self._console.store, job_id):
                time.sleep(_LOOK_SECONDS)
            self._forget(job_id)
            del self._waiting[job_id]

    def _forget(self, job_id: str) -> None:
        """A portion is told by its sync alone; lists of jobs stay short."""
        with self._console.store.session() as session:
            session.execute(delete(JobRow).where(JobRow.id == job_id))


def _tell(console: Console) -> sync.Tell:
    def tell(caller: Caller, announcements: Sequence[Any], work: Sequence[Any]) -> None:
        webhooks.tell(console, caller, announcements)
        storage_writes.bring(console, work)

    return tell
