"""Brings target storages up to date after a change is committed: a request never waits for a bucket.

As webhooks: what cannot be written costs its own time limit and one line of the log; the next sync of the storage
writes it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from threading import BoundedSemaphore

from sqlalchemy.exc import SQLAlchemyError

from .deployment.buckets import BucketError, Reach, open_bucket
from .errors import ConsoleError
from .labeling.storages import targets
from .labeling.storages.after import Saved, Unlinked, targets_of
from .service import Console

log = logging.getLogger(__name__)
#: Changes that wait at most; beyond it the newest are left to the next sync.
WAITING = 1000
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="targets")
_room = BoundedSemaphore(WAITING)


def bring(console: Console, work: Sequence[Saved | Unlinked]) -> None:
    """Write and delete objects: inside the request where jobs run inline, else on threads beside it."""
    for one in work:
        if console.settings.jobs_mode == "inline":
            _do(console, one)
        elif _room.acquire(blocking=False):
            _threads.submit(_do, console, one).add_done_callback(_done)
        else:
            log.warning("target storages are behind: %d changes wait already; a sync brings this one", WAITING)


def _done(done: Future[None]) -> None:
    _room.release()
    if (error := done.exception()) is not None:
        log.error("a target storage could not be brought up to date", exc_info=error)


def _do(console: Console, work: Saved | Unlinked) -> None:
    try:
        if isinstance(work, Unlinked):
            _delete(console, work)
            return
        with console.deployment.read() as session:
            found = targets_of(session, console.deployment.schema, work.project_id)
        for storage in found:
            for failed in targets.write_some(console.deployment, storage, work.ids):
                log.warning(
                    "%s did not get annotation %s: %s", storage.reference, failed["annotation"], failed["reason"]
                )
    except (ConsoleError, SQLAlchemyError) as error:
        log.warning("target storages of a change are left to the next sync: %s", error)


def _delete(console: Console, work: Unlinked) -> None:
    if console.deployment.settings.targets_hold_tasks:
        return  # the object holds the other annotations of the task, too
    storage = work.storage
    with closing(open_bucket(storage.kind.provider, storage.row, Reach.of(console.settings))) as bucket:
        for number in work.ids:
            try:
                bucket.delete(targets.key_of(storage, str(number)))
            except BucketError as error:
                log.warning("%s keeps the object of annotation %s: %s", storage.reference, number, error)
