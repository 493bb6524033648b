"""The state of a sync as its storage row tells it, to people and to Label Studio: status, counts, `meta`.

initialized -> queued -> in progress -> completed | completed with errors | failed. Every step is a short transaction of
its own. While a sync runs, its `Pulse` says every few seconds that it lives: Label Studio calls a sync dead after
five of those without a word, whatever one object takes.

Source: Label Studio's `io_storages/base_models.py StorageInfo`; releases without these columns have nothing to tell.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from ...deployment import Deployment
from ...deployment.storages import Storage, StorageKind
from ...errors import ConsoleError, NotFound, Refused
from ..db import Caller, Db

log = logging.getLogger(__name__)

INITIALIZED, QUEUED, IN_PROGRESS = "initialized", "queued", "in_progress"
COMPLETED, WITH_ERRORS, FAILED = "completed", "completed_with_errors", "failed"
#: Label Studio takes a sync for dead after so many pings that did not come.
MISSED_PINGS = 5


@dataclass
class Row:
    """The state of one storage, which only the sync that holds it changes. `meta` is what stands in the column."""

    deployment: Deployment
    kind: StorageKind
    id: int
    meta: dict[str, Any] = field(default_factory=dict)

    def set(self, **values: Any) -> None:
        """Write columns of the row. Raises NotFound when the storage was deleted meanwhile."""
        with self.deployment.write() as session:
            db = Db(session, self.deployment.schema, Caller(0, "", None))
            table = db.table(self.kind.table_name)
            here = table.c[self.kind.key_column] == self.id
            if any(name in table.c for name in values):
                found = db.update(self.kind.table_name, here, values) > 0
            else:
                found = db.first(select(table.c[self.kind.key_column]).where(here)) is not None
        if not found:
            raise NotFound(f"Storage {self.kind.prefix}:{self.id} was deleted meanwhile.")


def queue(
    deployment: Deployment, storage: Storage, *, job_id: str, is_dead: Callable[[str], bool] = lambda job: False
) -> Row:
    """Take a storage for a sync. Raises Refused while another one has it, NotFound when it is gone.

    `is_dead` tells of the job named in the row whether it was one of ours and ended without an end. A sync that missed
    its pings is one that Label Studio would call failed, and is taken over too.
    """
    kind, ping = storage.kind, deployment.settings.storage_ping_seconds
    with deployment.write() as session:
        db = Db(session, deployment.schema, Caller(0, "", None))
        table = db.table(kind.table_name)
        here = table.c[kind.key_column] == storage.id
        columns = db.columns(kind.table_name, "status", "meta", "last_sync_job")
        statement = select(table.c[kind.key_column], *columns).where(here)
        found = db.first(statement.with_for_update() if db.postgresql else statement)
        if found is None:
            raise NotFound(f"There is no storage {storage.reference}.")
        row = dict(found._mapping)
        meta = row.get("meta") if isinstance(row.get("meta"), dict) else {}
        _need_idle(storage, row, meta or {}, ping, is_dead)
        attempts = (meta or {}).get("attempts", 0)
        fresh = {"attempts": (attempts if isinstance(attempts, int) else 0) + 1, "time_queued": str(db.now)}
        values = {"status": QUEUED, "meta": fresh, "last_sync": None, "last_sync_count": None, "last_sync_job": job_id}
        db.update(kind.table_name, here, values)
    return Row(deployment, kind, storage.id, fresh)


def _need_idle(
    storage: Storage, row: Mapping[str, Any], meta: Mapping[str, Any], ping: float, is_dead: Callable[[str], bool]
) -> None:
    status, job = row.get("status"), row.get("last_sync_job")
    if status not in {QUEUED, IN_PROGRESS} or (job and is_dead(str(job))):
        return
    if status == IN_PROGRESS and _silent_seconds(meta) > MISSED_PINGS * ping:
        return
    since = meta.get("time_in_progress" if status == IN_PROGRESS else "time_queued") or "an unknown time"
    raise Refused(
        f"A sync of {storage.reference} is {str(status).replace('_', ' ')} since {str(since)[:19]}. Wait for its end; should "
        "nobody be at work on it any more, run the check storage.queued_forever and mark it failed."
    )


def _silent_seconds(meta: Mapping[str, Any]) -> float:
    try:
        last = datetime.fromisoformat(str(meta.get("time_last_ping")))
    except ValueError:
        return 0.0
    return (datetime.now(UTC) - (last if last.tzinfo else last.replace(tzinfo=UTC))).total_seconds()


class Pulse(AbstractContextManager["Pulse"]):
    """A sync under way: moves the row to `in_progress` and keeps it alive until the block ends.

    `created` and `extra` (what `meta` tells beside) are written with every ping. `complete` and `fail` end it; a block
    that ends with neither leaves the row in progress, as a process that was killed does.
    """

    def __init__(self, row: Row, every_seconds: float) -> None:
        self._row, self._every = row, max(every_seconds, 0.05)
        self.created = 0
        self.extra: dict[str, Any] = {"tasks_existed": 0}
        self.gone = False
        self._ended = threading.Event()
        self._started = datetime.now(UTC)
        self._thread = threading.Thread(target=self._beat, name=f"sync of {row.kind.prefix}:{row.id}", daemon=True)

    def __enter__(self) -> Pulse:
        self._row.meta |= {"time_in_progress": str(self._started), "time_last_ping": str(self._started)}
        self._row.set(status=IN_PROGRESS, meta=self._row.meta)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def complete(self, problems: list[str], count: int) -> str:
        """The row ends as completed, or with errors where `count` tasks were left out; which of both."""
        self._stop()
        now = datetime.now(UTC)
        status = WITH_ERRORS if count else COMPLETED
        self._row.meta |= {"time_completed": str(now), "duration": (now - self._started).total_seconds()}
        if count:
            self._row.meta["tasks_failed_validation"] = count
        self._row.meta |= self.extra
        told = {"traceback": "\n".join(problems)} if count else {}
        self._row.set(status=status, last_sync=now, last_sync_count=self.created, meta=self._row.meta, **told)
        return status

    def fail(self, told: str) -> None:
        """The row ends as failed, with what went wrong. Label Studio's `duration` of a failure is always 0."""
        self._stop()
        self._row.meta |= {"time_failure": str(datetime.now(UTC)), "duration": 0.0}
        self._row.set(status=FAILED, traceback=told, meta=self._row.meta)

    def _stop(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _beat(self) -> None:
        while not self._ended.wait(self._every):
            now = datetime.now(UTC)
            self._row.meta |= {
                "time_last_ping": str(now),
                "duration": (now - self._started).total_seconds(),
                **self.extra,
            }
            try:
                # The status too: Label Studio knows nothing of our jobs and calls one failed when somebody looks.
                self._row.set(status=IN_PROGRESS, last_sync_count=self.created, meta=self._row.meta)
            except NotFound:
                self.gone = True
                return
            except (ConsoleError, SQLAlchemyError) as error:
                log.warning(
                    "sync of %s:%s could not say that it is alive: %s", self._row.kind.prefix, self._row.id, error
                )
