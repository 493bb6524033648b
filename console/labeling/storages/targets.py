"""Target syncs: every annotation of a project is written to its bucket, one object each, as Label Studio writes it.

Pages of annotations are read in the order of their ids, written by a few threads, and then linked. Writing twice is
harmless, so a sync that was killed is just started again, with `only_new` where the first one ended.

Label Studio passes over whatever cannot be written, counts it as written and ends as completed; here each annotation
that failed is told with its reason, and the sync ends with errors, or as failed when nothing can be written at all.

Source: Label Studio's `io_storages/base_models.py ExportStorage.save_annotations` and `save_annotation` of each provider.
"""

from __future__ import annotations

import posixpath
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, exists, func, select

from ...deployment import Deployment
from ...deployment.buckets import Bucket, BucketError, Reach, open_bucket
from ...deployment.storages import Storage
from ...deployment.storages import storage as find_storage
from ...errors import ConsoleError, NotFound, Refused
from ..db import Caller, Db
from ..exports.documents import within
from . import status
from .sync import Interrupted, SyncFailed
from .target_documents import Writer, Written, writer

Progress = Callable[[int, int, str], None]

WRITERS = 8
#: Objects in memory at once, fewer where they are large.
PAGE = 96
PAGE_BYTES = 16 * 2**20
#: Annotations whose failure is told; all of them are counted.
MOST_TOLD = 1_000


@dataclass
class Outcome:
    """What a sync did, in annotations. `failures` are `{"annotation", "reason"}`, the first thousand of `failed`."""

    storage: str
    project: int
    status: str = ""
    total: int = 0
    written: int = 0
    failed: int = 0
    failures: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    def document(self) -> dict[str, Any]:
        """Plain data, as a job keeps it."""
        return dict(vars(self))

    @property
    def problems(self) -> list[str]:
        """The failures as lines of `traceback`."""
        told = [f"Annotation {one['annotation']} was not written: {one['reason']}" for one in self.failures]
        more = self.failed - len(told)
        return [*told, f"... and {more:,} more annotations"] if more else told


@dataclass
class TargetSync:
    """One sync under way; see `run`."""

    deployment: Deployment
    storage: Storage
    bucket: Bucket
    caller: Caller
    only_new: bool
    progress: Progress
    stopped: Callable[[], bool]
    pulse: status.Pulse
    outcome: Outcome

    def write_all(self) -> None:
        """Write page by page. Raises the first failure when a whole page failed and nothing was written before."""
        with self._reading() as db:
            self.outcome.total = db.value(select(func.count()).select_from(self._wanted(db).subquery())) or 0
            write = self._writer(db)
        with ThreadPoolExecutor(WRITERS, thread_name_prefix="target") as pool:
            for page in self._pages(write):
                errors = list(pool.map(self._put, page))
                done = [
                    number for one, error in zip(page, errors, strict=True) if not error for number in one.annotations
                ]
                self._link(done)
                self._count(page, errors, done)
                if not self.outcome.written and (first := next(filter(None, errors), None)):
                    raise first
                if self.pulse.gone:
                    raise NotFound(f"{self.storage.reference} was deleted meanwhile.")
                if self.stopped():
                    raise Interrupted(f"Stopped after {self.outcome.written:,} of {self.outcome.total:,} annotations.")

    def write_these(self, ids: Sequence[int]) -> None:
        """Write some annotations and link them."""
        table = self.deployment.schema.table("task_completion").c
        for first in range(0, len(ids), PAGE):
            some = ids[first : first + PAGE]
            with self._reading() as db:
                chosen = (
                    db.values(select(table.task_id).where(table.id.in_(some)).distinct()) if self._holds_tasks else some
                )
                page = list(self._writer(db)(db, chosen))
            errors = [self._put(one) for one in page]
            done = [number for one, error in zip(page, errors, strict=True) if not error for number in one.annotations]
            self._link(done)
            self._count(page, errors, done)

    def _pages(self, write: Writer) -> Iterator[list[Written]]:
        last, size = 0, PAGE
        while True:
            with self._reading() as db:
                ids = db.values(self._ids(db, last, size))
                page = list(write(db, ids)) if ids else []
            if not ids:
                return
            last = ids[-1]
            if page:
                yield page
                largest = max(len(one.body) for one in page)
                size = max(1, min(PAGE, PAGE_BYTES // max(largest, 1)))

    def _ids(self, db: Db, after: int, size: int) -> Select[Any]:
        """The next ids to write: of annotations, or of the tasks that have some."""
        wanted = self._wanted(db).subquery()
        column = wanted.c.task_id if self._holds_tasks else wanted.c.id
        return select(column).where(column > after).distinct().order_by(column).limit(size)

    def _wanted(self, db: Db) -> Select[Any]:
        """The annotations of the project; with `only_new` those without a link."""
        table, tasks = db.table("task_completion"), db.table("task")
        statement = select(table.c.id, table.c.task_id)
        if "project_id" in table.c:
            statement = statement.where(table.c.project_id == self.storage.project_id)
        else:
            statement = statement.join(tasks, tasks.c.id == table.c.task_id)
            statement = statement.where(tasks.c.project_id == self.storage.project_id)
        if self.only_new:
            links = db.table(self.storage.kind.link_name).c
            linked = exists().where(links.annotation_id == table.c.id, links.storage_id == self.storage.id)
            statement = statement.where(~linked)
        return statement

    def _put(self, one: Written) -> BucketError | None:
        try:
            self.bucket.put(key_of(self.storage, one.name), one.body)
        except BucketError as error:
            return error
        return None

    def _link(self, ids: Sequence[int]) -> None:
        if ids:
            with self.deployment.write() as session:
                link(Db(session, self.deployment.schema, self.caller), self.storage, ids)

    def _count(self, page: Sequence[Written], errors: Sequence[BucketError | None], done: Sequence[int]) -> None:
        outcome = self.outcome
        outcome.written += len(done)
        for one, error in zip(page, errors, strict=True):
            if error is not None:
                outcome.failed += len(one.annotations)
                told = [{"annotation": number, "reason": str(error)} for number in one.annotations]
                outcome.failures += told[: MOST_TOLD - len(outcome.failures)]
        self.pulse.created, self.pulse.extra = outcome.written, {"total_annotations": outcome.total}
        label = f"{outcome.written:,} annotations written" + (f", {outcome.failed:,} failed" if outcome.failed else "")
        self.progress(outcome.written + outcome.failed, outcome.total, label)

    @property
    def _holds_tasks(self) -> bool:
        return self.deployment.settings.targets_hold_tasks

    def _writer(self, db: Db) -> Writer:
        settings = self.deployment.settings
        return writer(
            db, self.storage.project_id, tasks=settings.targets_hold_tasks,
            extension=".json" if settings.target_tasks_end_in_json else "",
            indented=self.storage.kind.provider == "localfiles",
        )  # fmt: skip

    @contextmanager
    def _reading(self) -> Iterator[Db]:
        with self.deployment.read() as session:
            yield Db(session, self.deployment.schema, self.caller)


def _quiet(done: int, total: int, label: str) -> None:
    return None


def run(
    deployment: Deployment, reference: str, *, only_new: bool = False,
    progress: Progress = _quiet, stopped: Callable[[], bool] = lambda: False,
    job_id: str = "", is_dead: Callable[[str], bool] = lambda job: False, bucket: Bucket | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Write the annotations of a target storage's project to its bucket; what was done, see `Outcome`.

    `only_new` leaves out what is linked. `job_id` and `is_dead` are as of `sync.run`. Raises Refused while another sync
    has the storage or it may not be synced, BucketError when its bucket cannot be reached (then nothing is written),
    SyncFailed and Interrupted with the row ended as failed.
    """
    started = time.monotonic()
    with deployment.read() as session:
        storage = find_storage(session, deployment.schema, reference)
    caller = _nobody(deployment, storage)
    if not storage.kind.is_target:
        raise Refused(f"{reference} is a source storage; it brings tasks and takes no annotations.")
    if storage.get("synchronizable", True) is False:
        raise Refused(f"{reference} is not synchronizable. Set `synchronizable` in its row to sync it.")
    opened = bucket or open_bucket(storage.kind.provider, storage.row, Reach.of(deployment.settings))
    outcome = Outcome(reference, storage.project_id)
    with closing(opened) as reached:
        reached.validate(storage.get("prefix"), True)
        row = status.queue(deployment, storage, job_id=job_id, is_dead=is_dead)
        pulse = status.Pulse(row, deployment.settings.storage_ping_seconds)
        pulse.extra = {}  # of sources it is told how many tasks there were before
        with pulse:
            _to_its_end(TargetSync(deployment, storage, reached, caller, only_new, progress, stopped, pulse, outcome))
    outcome.seconds = round(time.monotonic() - started, 3)
    return outcome.document()


def write_some(deployment: Deployment, storage: Storage, ids: Sequence[int]) -> list[dict[str, Any]]:
    """Write these annotations, or their tasks where targets hold tasks, whatever the state of the storage; what failed,
    as in `Outcome`. Raises BucketError for settings that cannot be right."""
    outcome = Outcome(storage.reference, storage.project_id)
    row = status.Row(deployment, storage.kind, storage.id)
    with closing(open_bucket(storage.kind.provider, storage.row, Reach.of(deployment.settings))) as bucket:
        caller = _nobody(deployment, storage)
        sync = TargetSync(
            deployment, storage, bucket, caller, False, _quiet, lambda: False, status.Pulse(row, 1), outcome
        )
        sync.write_these(ids)
    return outcome.failures


def key_of(storage: Storage, name: str) -> str:
    """Where Label Studio puts an object of a target: slashes as the row has them; Redis knows no prefix."""
    if storage.kind.provider == "redis":
        return name
    if storage.kind.provider == "localfiles":
        return posixpath.join(str(storage.get("path") or ""), name)
    return f"{storage.get('prefix')}/{name}" if storage.get("prefix") else name


def _nobody(deployment: Deployment, storage: Storage) -> Caller:
    """Nobody in particular, who sees the project of a storage."""
    projects = deployment.schema.table("project").c
    with deployment.read() as session:
        organization = select(projects.organization_id).where(projects.id == storage.project_id)
        return Caller(0, "", session.execute(organization).scalar())


def link(db: Db, storage: Storage, ids: Sequence[int]) -> None:
    """Note that annotations were written now. Those deleted meanwhile are passed over."""
    links, annotations = db.table(storage.kind.link_name), db.table("task_completion")
    here = select(annotations.c.id).where(within(db, annotations.c.id, ids))
    kept = set(db.values(here.with_for_update(key_share=True, read=True) if db.postgresql else here))
    known = (links.c.storage_id == storage.id) & within(db, links.c.annotation_id, ids)
    linked = set(db.values(select(links.c.annotation_id).where(known)))
    db.update(storage.kind.link_name, known, {"updated_at": db.now})
    fresh = [
        {"annotation_id": number, "storage_id": storage.id, "object_exists": True, "created_at": db.now,
         "updated_at": db.now} for number in ids if number in kept - linked
    ]  # fmt: skip
    db.insert_many(storage.kind.link_name, fresh)


def _to_its_end(sync: TargetSync) -> None:
    """Write the objects, and into the row how it ended."""
    try:
        sync.write_all()
    except NotFound:
        raise  # there is no row left to write into
    except Interrupted as error:
        sync.pulse.fail(f"Interrupted: {error}")
        raise
    except ConsoleError as error:
        sync.pulse.fail(f"{type(error).__name__}: {error}")
        raise SyncFailed(f"{error} {sync.outcome.written:,} annotations were written.") from error
    except Exception as error:
        sync.pulse.fail(f"{type(error).__name__}: the sync stopped with an error of its own.")
        raise
    problems = sync.outcome.problems
    sync.pulse.extra = {"total_annotations": sync.outcome.total}
    sync.outcome.status = sync.pulse.complete(problems, sync.outcome.failed)
