"""Source syncs: new objects of a bucket become tasks of the storage's project, as Label Studio's own sync makes them.

The walk lists and filters, threads read objects ahead of the one whose turn it is, and parts of some thousand tasks are
stored one after the other, in the order of the walk. At the first object that is no task the sync ends as failed, and
what came before it stays. All tasks of an object are stored together, or none: where Label Studio stops in the middle of
a list, the rest of that list is never read again, since the object counts as synced.

Source: Label Studio's `io_storages/base_models.py ImportStorage._scan_and_create_links`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from ...deployment import Deployment
from ...deployment.buckets import Bucket, BucketError, ObjectInfo, Reach, open_bucket
from ...deployment.storage_rules import UNDEFINED, ScanRules, scan_rules
from ...deployment.storages import Storage
from ...deployment.storages import storage as find_storage
from ...errors import ConsoleError, NotFound, Refused
from ...patterns import PatternInvalid, PatternTimeout
from ..db import Caller, Db
from ..imports.checks import Json, Wrong
from . import parts, status
from .ahead import in_order
from .links import KnownLinks
from .new_tasks import Form, NewTask, Rejected
from .objects import walk
from .reading import SMALL_BYTES, Broken, elements, need_tasks

Progress = Callable[[int, int, str], None]
Tell = Callable[[Caller, Sequence[Any]], None]

READERS = 8
#: Objects read ahead of the one whose turn it is.
_AHEAD = 64
_PART_TASKS = 5_000
_PART_BYTES = 8 * 2**20
#: What was read waits at most this long for a full part.
_PART_SECONDS = 2.0
#: Problems of single tasks that are kept to be told; all of them are counted.
_MOST_PROBLEMS = 1_000


class SyncFailed(Refused):
    """A sync ended as failed; the row of the storage tells why, and so does this. What it made before stays."""

    tasks = 0


class Interrupted(SyncFailed):
    """Somebody asked to stop; what was made stays."""


@dataclass
class Outcome:
    """What a sync did. `existed` counts the tasks of objects that were synced before."""

    storage: str
    project: int
    status: str = ""
    listed: int = 0
    objects: int = 0
    tasks: int = 0
    annotations: int = 0
    predictions: int = 0
    dropped: int = 0
    existed: int = 0
    problems: list[str] = field(default_factory=list)
    problem_count: int = 0
    seconds: float = 0.0

    def document(self) -> dict[str, Any]:
        """Plain data, as a job keeps it."""
        return dict(vars(self)) | {"problems": self.problems[:20]}


@dataclass
class Sync:
    """One sync under way; see `run`."""

    deployment: Deployment
    storage: Storage
    rules: ScanRules
    bucket: Bucket
    caller: Caller
    project: parts.Target
    form: Form
    progress: Progress
    stopped: Callable[[], bool]
    tell: Tell
    pulse: status.Pulse
    outcome: Outcome
    newest_link: int = 0

    def make(self) -> None:
        """List, read and store. Raises whatever ends a sync as failed."""
        with self.deployment.read() as session:
            known = KnownLinks(Db(session, self.deployment.schema, self.caller), self.storage)
        self.newest_link = known.newest_id
        waiting: list[parts.Source] = []
        tasks = size = 0
        since = time.monotonic()
        for source in self._until_broken(self._sources(self._new_objects(known)), waiting):
            if source.size > SMALL_BYTES:  # stored while it is read, in a part of its own
                self._store(waiting)
                self._store([source])
            else:
                waiting.append(source)
                tasks += len(source.tasks)  # type: ignore[arg-type]
                size += source.size
                if tasks < _PART_TASKS and size < _PART_BYTES and time.monotonic() - since < _PART_SECONDS:
                    continue
                self._store(waiting)
            waiting.clear()
            tasks, size, since = 0, 0, time.monotonic()
        self._store(waiting)
        parts.finish(self.deployment, self.caller, self.project)

    def _until_broken(self, sources: Iterator[parts.Source], waiting: list[parts.Source]) -> Iterator[parts.Source]:
        """The sources; before an error in reading goes on its way, what came before is stored."""
        while True:
            try:
                source = next(sources)
            except StopIteration:
                return
            except BaseException:
                self._store(waiting)
                raise
            yield source

    def _new_objects(self, known: KnownLinks) -> Iterator[ObjectInfo]:
        for batch in walk(self.bucket, self.rules, known):
            self.outcome.listed += len(batch.new) + len(batch.linked) + len(batch.filtered)
            self.outcome.existed += batch.linked_tasks
            self._say()
            yield from batch.new

    def _sources(self, objects: Iterable[ObjectInfo]) -> Iterator[parts.Source]:
        """Objects with their tasks in the order of the walk. Raises Broken and BucketError when their turn comes."""
        if self.rules.as_files:
            for info in objects:
                yield self._file(info)
            return
        for _, source in in_order(self._read, objects, threads=READERS, ahead=_AHEAD):
            yield source

    def _file(self, info: ObjectInfo) -> parts.Source:
        settings = self.deployment.settings
        try:
            address = self.rules.address(
                info.key, local_root=str(settings.local_files_root), host=settings.label_studio_url or ""
            )
            task = self.form.of_file(str(address), UNDEFINED)
            self.form.json.plain(info.key)
        except (ValueError, Wrong) as error:
            raise Broken("a key that no database stores", f"{info.key!r}: {error}") from None
        return parts.Source(info.key, [task])

    def _read(self, info: ObjectInfo) -> parts.Source:
        need_tasks(info.key, self.rules)
        try:
            self.form.json.plain(info.key)
        except Wrong as wrong:
            raise Broken("a key that no database stores", f"{info.key!r}: {wrong}") from None
        source = parts.Source(info.key, [], size=info.size)
        tasks = tasks_in(self.bucket, info, self.rules, self.form, source.problems)
        source.tasks = tasks if info.size > SMALL_BYTES else list(tasks)
        return source

    def _store(self, part: list[parts.Source]) -> None:
        if not part:
            return
        try:
            self._write(part)
        except parts.Taken as taken:
            before = [source.key for source in part].index(taken.key)
            if before:
                self._write(part[:before])
            raise taken.broken from None
        if self.pulse.gone:
            raise NotFound(f"{self.storage.reference} was deleted meanwhile.")
        if self.stopped():
            raise Interrupted(f"Stopped after {self.outcome.tasks:,} tasks; they stay.")

    def _write(self, part: Sequence[parts.Source]) -> None:
        written = parts.write(self.deployment, self.caller, self.storage, self.project, part, self.newest_link)
        self.newest_link = max(self.newest_link, written.newest_link)
        done = self.outcome
        done.objects += len(part) - written.linked
        done.tasks += written.tasks
        done.annotations += written.annotations
        done.predictions += written.predictions
        done.dropped += written.dropped
        for source in part:
            done.problem_count += len(source.problems)
            done.problems += source.problems[: _MOST_PROBLEMS - len(done.problems)]
        self._say()
        self.tell(self.caller, written.announcements)

    def _say(self) -> None:
        done = self.outcome
        self.pulse.created, self.pulse.extra = done.tasks, {"tasks_existed": done.existed}
        self.progress(done.listed, 0, f"{done.listed:,} objects listed, {done.tasks:,} tasks made")


def run(
    deployment: Deployment, reference: str, *, by: str = "", caller: Caller | None = None,
    progress: Progress = lambda done, total, label: None, stopped: Callable[[], bool] = lambda: False,
    job_id: str = "", is_dead: Callable[[str], bool] = lambda job: False,
    tell: Tell = lambda caller, announcements: None, bucket: Bucket | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Sync a source storage; what was done, as plain data.

    `caller` (or the account with the e-mail `by`) is whose name annotations bear; `job_id` is left in the row, so that
    `is_dead` can say of it later that the job ended without an end. `tell` hears of what webhooks are told after each
    commit. Raises Refused while another sync has the storage or it may not be synced, BucketError when its bucket
    cannot be reached (then nothing is written), SyncFailed and Interrupted with the row ended as failed.
    """
    started = time.monotonic()
    with deployment.read() as session:
        storage = find_storage(session, deployment.schema, reference)
        db = Db(session, deployment.schema, caller or Caller(0, by, None))
        project = parts.target(db, storage)
        caller = named(db, caller, by, project.organization_id)
    if storage.kind.is_target:
        raise Refused(f"{reference} is a target storage; it takes annotations and brings no tasks.")
    if storage.get("synchronizable", True) is False:
        raise Refused(f"{reference} is not synchronizable: the row says so.")
    rules = scan_rules(storage, deployment.schema)
    with closing(bucket or open_bucket(rules.provider, storage.row, Reach.of(deployment.settings))) as reached:
        reached.validate(storage.get("prefix"), False)
        row = status.queue(deployment, storage, job_id=job_id, is_dead=is_dead)
        form = Form(Json(deployment.kind == "postgresql"), project.controls)
        outcome = Outcome(reference, project.project_id)
        with status.Pulse(row, deployment.settings.storage_ping_seconds) as pulse:
            sync = Sync(
                deployment, storage, rules, reached, caller, project, form, progress, stopped, tell, pulse, outcome
            )
            _to_its_end(sync)
    outcome.seconds = round(time.monotonic() - started, 3)
    return outcome.document()


def tasks_in(bucket: Bucket, info: ObjectInfo, rules: ScanRules, form: Form, problems: list[str]) -> Iterator[NewTask]:
    """The tasks of an object; those that are left out are told in `problems`. Raises Broken, BucketError."""
    for row_index, value in elements(bucket, info, rules):
        try:
            yield form.of_value(value, info.key, row_index)
        except Rejected as rejected:
            detail = f"[ErrorDetail(string={str(rejected)!r}, code='invalid')]"
            problems.append(f"Validation error for task from {info.key}: {detail}")


def named(db: Db, caller: Caller | None, by: str, organization_id: int) -> Caller:
    """Whose name a sync bears: the caller, else the account with this e-mail, else nobody's; in the organization of
    the project, whose webhooks are told."""
    if caller is not None:
        return Caller(caller.id, caller.email, organization_id)
    users = db.table("htx_user")
    found = db.value(users.select().with_only_columns(users.c.id).where(users.c.email == by)) if by else None
    return Caller(found or 0, by, organization_id)


def _to_its_end(sync: Sync) -> None:
    """Make the tasks and write into the row how it ended."""
    try:
        sync.make()
    except Broken as broken:
        _fail(sync, f"{broken.kind}: {broken.told}", broken.told)
    except (BucketError, PatternInvalid, PatternTimeout, Interrupted) as error:
        _fail(sync, f"{type(error).__name__}: {error}", str(error), error if isinstance(error, Interrupted) else None)
    except NotFound:
        raise  # there is no row left to write into
    except ConsoleError as error:
        _fail(sync, f"{type(error).__name__}: {error}", str(error))
    except Exception as error:
        sync.pulse.fail(f"{type(error).__name__}: the sync stopped with an error of its own.")
        raise
    else:
        sync.outcome.status = sync.pulse.complete(sync.outcome.problems, sync.outcome.problem_count)


def _fail(sync: Sync, told: str, reason: str, error: SyncFailed | None = None) -> None:
    sync.pulse.fail(told)
    sync.outcome.status = status.FAILED
    made = f"{sync.outcome.tasks:,} tasks were made before and stay." if sync.outcome.tasks else "No task was made."
    ended = error or SyncFailed(f"{reason.rstrip()} {made}")
    ended.tasks = sync.outcome.tasks
    raise ended
