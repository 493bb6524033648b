"""Source syncs: new objects of a bucket become tasks of the storage's project, as Label Studio's own sync makes them.

A large sync can be spread over workers: each takes a portion of the new objects, and the sync sums up. A portion that is
done twice makes nothing twice.

Source: Label Studio's `io_storages/base_models.py ImportStorage._scan_and_create_links`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from itertools import chain, islice
from typing import Any

from ...deployment import Deployment
from ...deployment.buckets import Bucket, BucketError, BucketProblem, ObjectInfo, Reach, open_bucket
from ...deployment.storage_rules import scan_rules
from ...deployment.storages import storage as find_storage
from ...errors import ConsoleError, NotFound, Refused
from ..db import Caller, Db
from ..imports.checks import Json
from . import parts, status
from .links import KnownLinks
from .making import Interrupted, Made, Maker, SyncFailed, Tell
from .new_tasks import Form
from .objects import walk
from .reading import Broken

__all__ = ["Interrupted", "Portion", "Progress", "Spread", "SyncFailed", "Tell", "portion", "run"]

Progress = Callable[[int, int, str], None]
#: New objects in one portion of a sync that is spread over workers.
PORTION_OBJECTS = 500
PORTION_FILES = 20_000
#: As long as Label Studio lets a sync run.
LONGEST_SECONDS = 36_000.0
BROKEN_OFF = "The provider says that there are more objects and does not list them."

Portion = dict[str, Any]
"""Plain data: `objects` as pairs of key and size, `newest_link`, `user_id`."""
Spread = Callable[[Iterable[Portion]], Iterator[Mapping[str, Any]]]
"""Has portions done by workers; what `portion` answers of each, in the order in which they end."""


@dataclass
class Outcome:
    """What a sync did. `existed` counts the tasks of objects that were synced before."""

    storage: str
    project: int
    status: str = ""
    listed: int = 0
    existed: int = 0
    made: Made = field(default_factory=Made)
    seconds: float = 0.0

    def document(self) -> dict[str, Any]:
        """Plain data, as a job keeps it."""
        told = dict(vars(self)) | asdict(self.made)
        del told["made"]
        return told | {"problems": self.made.problems[:20]}


@dataclass
class Sync:
    """One sync under way; see `run`."""

    maker: Maker
    pulse: status.Pulse
    progress: Progress
    spread: Spread | None
    outcome: Outcome
    started: float = field(default_factory=time.monotonic)

    def make(self) -> None:
        """List, read and store. Raises whatever ends a sync as failed."""
        maker = self.maker
        with maker.deployment.read() as session:
            known = KnownLinks(Db(session, maker.deployment.schema, maker.caller), maker.storage)
        maker.newest_link, maker.made, maker.said = known.newest_id, self.outcome.made, self.say
        objects = self._new_objects(known)
        if self.spread is None:
            maker.make(objects)
        else:
            self._spread(objects, self.spread)
        parts.finish(maker.deployment, maker.caller, maker.project)

    def _new_objects(self, known: KnownLinks) -> Iterator[ObjectInfo]:
        for batch in walk(self.maker.bucket, self.maker.rules, known):
            self.outcome.listed += len(batch.new) + len(batch.linked) + len(batch.filtered)
            self.outcome.existed += batch.linked_tasks
            self.say()
            yield from batch.new
            if batch.broken_off:
                raise BucketProblem(BROKEN_OFF)

    def _spread(self, objects: Iterator[ObjectInfo], spread: Spread) -> None:
        """Have workers make the tasks; what fits into one portion is made here."""
        size = PORTION_FILES if self.maker.rules.as_files else PORTION_OBJECTS
        first = list(islice(objects, size + 1))
        if len(first) <= size:
            self.maker.make(first)
            return
        rest = chain(first, objects)
        portions = iter(lambda: list(islice(rest, size)), [])
        broken: Mapping[str, Any] | None = None
        for answer in spread(self._portion(some) for some in portions):
            self.outcome.made.add(Made(**answer["made"]))
            broken = broken or answer.get("broken")
            self.say()
        if broken:
            raise Broken(broken["reason"], broken["told"], broken["kind"])
        if self.maker.stopped():
            raise Interrupted(f"Stopped after {self.outcome.made.tasks:,} tasks; they stay.")

    def _portion(self, objects: list[ObjectInfo]) -> Portion:
        pairs = [[info.key, info.size] for info in objects]
        return {"objects": pairs, "newest_link": self.maker.newest_link, "user_id": self.maker.caller.id}

    def say(self) -> None:
        """Tell progress and row how far it is. Raises NotFound when the row is gone."""
        done = self.outcome
        self.pulse.created, self.pulse.extra = done.made.tasks, {"tasks_existed": done.existed}
        self.progress(done.listed, 0, f"{done.listed:,} objects listed, {done.made.tasks:,} tasks made")
        if self.pulse.gone:
            raise NotFound(f"{done.storage} was deleted meanwhile.")
        if time.monotonic() - self.started > LONGEST_SECONDS:
            hours = LONGEST_SECONDS / 3600
            raise Interrupted(f"It took longer than {hours:g} hours. Sync again: it goes on where it ended.")


def run(
    deployment: Deployment, reference: str, *, by: str = "", caller: Caller | None = None,
    progress: Progress = lambda done, total, label: None, stopped: Callable[[], bool] = lambda: False,
    job_id: str = "", is_dead: Callable[[str], bool] = lambda job: False,
    tell: Tell = lambda caller, announcements, work: None, spread: Spread | None = None, bucket: Bucket | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Sync a source storage; what was done, as plain data.

    `caller` (or the account with the e-mail `by`) is whose name annotations bear; `job_id` is left in the row, so that
    `is_dead` can say of it later that the job ended without an end. Raises Refused while another sync has the storage or
    it may not be synced, BucketError when its bucket cannot be reached (then nothing is written), SyncFailed and
    Interrupted with the row ended as failed.
    """
    started = time.monotonic()
    maker = _maker(deployment, reference, by, caller, stopped, tell, bucket)
    storage = maker.storage
    with closing(maker.bucket):
        if storage.get("synchronizable", True) is False:
            raise Refused(f"{reference} is not synchronizable. Set `synchronizable` in its row to sync it.")
        maker.bucket.validate(storage.get("prefix"), False)
        row = status.queue(deployment, storage, job_id=job_id, is_dead=is_dead)
        outcome = Outcome(reference, maker.project.project_id)
        with status.Pulse(row, deployment.settings.storage_ping_seconds) as pulse:
            _to_its_end(Sync(maker, pulse, progress, spread, outcome))
    outcome.seconds = round(time.monotonic() - started, 3)
    progress(outcome.listed, outcome.listed, f"{outcome.listed:,} objects listed, {outcome.made.tasks:,} tasks made")
    return outcome.document()


def portion(
    deployment: Deployment, reference: str, work: Mapping[str, Any], *, by: str,
    progress: Progress = lambda done, total, label: None, stopped: Callable[[], bool] = lambda: False,
    tell: Tell = lambda caller, announcements, work: None, bucket: Bucket | None = None,
) -> dict[str, Any]:  # fmt: skip
    """A worker's share of a sync: make the tasks of these objects; `made`, and `broken` where an object is no task."""
    caller = Caller(int(work["user_id"]), by, None)
    maker = _maker(deployment, reference, by, caller, stopped, tell, bucket)
    maker.newest_link = int(work["newest_link"])
    total = len(work["objects"])

    def said() -> None:
        done = maker.made.objects + maker.made.linked
        progress(done, total, f"{done:,} of {total:,} objects read")

    maker.said = said
    broken = None
    with closing(maker.bucket):
        try:
            maker.make(ObjectInfo(key, size) for key, size in work["objects"])
        except Broken as error:
            broken = {"reason": error.reason, "told": error.told, "kind": error.kind}
        except BucketError as error:
            broken = {"reason": type(error).__name__, "told": str(error), "kind": type(error).__name__}
    return {"made": asdict(maker.made), "broken": broken}


def _maker(
    deployment: Deployment, reference: str, by: str, caller: Caller | None, stopped: Callable[[], bool], tell: Tell,
    bucket: Bucket | None,
) -> Maker:  # fmt: skip
    with deployment.read() as session:
        storage = find_storage(session, deployment.schema, reference)
        if storage.kind.is_target:
            raise Refused(f"{reference} is a target storage; it takes annotations and brings no tasks.")
        db = Db(session, deployment.schema, caller or Caller(0, by, None))
        project = parts.target(db, storage)
        caller = _named(db, caller, by, project.organization_id)
    rules = scan_rules(storage, deployment.schema)
    reached = bucket or open_bucket(rules.provider, storage.row, Reach.of(deployment.settings))
    form = Form(Json(deployment.kind == "postgresql"), project.controls)
    return Maker(deployment, storage, rules, reached, caller, project, form, stopped, tell)


def _named(db: Db, caller: Caller | None, by: str, organization_id: int) -> Caller:
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
    except Interrupted as error:
        _fail(sync, f"Interrupted: {error}", str(error), error)
    except NotFound:
        raise  # there is no row left to write into
    except ConsoleError as error:
        _fail(sync, f"{type(error).__name__}: {error}", str(error))
    except Exception as error:
        sync.pulse.fail(f"{type(error).__name__}: the sync stopped with an error of its own.")
        raise
    else:
        made = sync.outcome.made
        sync.outcome.status = sync.pulse.complete(made.problems, made.problem_count)


def _fail(sync: Sync, told: str, reason: str, error: SyncFailed | None = None) -> None:
    sync.pulse.fail(told)
    tasks = sync.outcome.made.tasks
    sync.outcome.status = status.FAILED
    made = f"{tasks:,} tasks were made before and stay." if tasks else "No task was made."
    ended = error or SyncFailed(f"{reason.rstrip()} {made}")
    ended.tasks = tasks
    raise ended
