"""Objects become tasks: threads read ahead of the one whose turn it is, and parts of some thousand tasks are stored one
after the other, in the order of the objects.

At the first object that is no task the work ends, and what came before it stays. All tasks of an object are stored
together, or none: where Label Studio stops in the middle of a list, the rest of that list is never read again, since
the object counts as synced.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...deployment import Deployment
from ...deployment.buckets import Bucket, ObjectInfo
from ...deployment.storage_rules import UNDEFINED, ScanRules
from ...deployment.storages import Storage
from ...errors import Refused
from ..db import Caller
from ..imports.checks import Wrong
from . import parts
from .ahead import in_order
from .new_tasks import Form, NewTask, Rejected
from .reading import SMALL_BYTES, Broken, elements, need_tasks

Tell = Callable[[Caller, Sequence[Any], Sequence[Any]], None]
"""Hears after each commit of what webhooks are told, and what target storages are owed."""

READERS = 8
#: Objects read ahead of the one whose turn it is.
_AHEAD = 64
_PART_TASKS = 5_000
_PART_BYTES = 8 * 2**20
#: What was read waits at most this long for a full part.
_PART_SECONDS = 2.0
#: Problems of single tasks that are kept to be told; all of them are counted.
MOST_PROBLEMS = 1_000


class SyncFailed(Refused):
    """A sync ended as failed; the row of the storage tells why, and so does this. What it made before stays."""

    tasks = 0


class Interrupted(SyncFailed):
    """Somebody asked to stop; what was made stays."""


@dataclass
class Made:
    """What was made of new objects. `linked` had been synced meanwhile; `dropped` are annotations and predictions that
    have not the form of the API; `problems` tell of tasks left out, `problem_count` counts them."""

    objects: int = 0
    linked: int = 0
    tasks: int = 0
    annotations: int = 0
    predictions: int = 0
    dropped: int = 0
    problem_count: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, other: Made) -> None:
        """Sum up."""
        for name in ("objects", "linked", "tasks", "annotations", "predictions", "dropped", "problem_count"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.problems += other.problems[: MOST_PROBLEMS - len(self.problems)]


@dataclass
class Maker:
    """Reads objects of one storage and stores their tasks. `said` is called after each part."""

    deployment: Deployment
    storage: Storage
    rules: ScanRules
    bucket: Bucket
    caller: Caller
    project: parts.Target
    form: Form
    stopped: Callable[[], bool]
    tell: Tell
    newest_link: int = 0
    made: Made = field(default_factory=Made)
    said: Callable[[], None] = lambda: None

    def make(self, objects: Iterable[ObjectInfo]) -> None:
        """Read and store. Raises Broken and BucketError at the object that is to blame, Interrupted, NotFound."""
        waiting: list[parts.Source] = []
        tasks = size = 0
        since = time.monotonic()
        for source in self._until_broken(self._sources(objects), waiting):
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

    def _sources(self, objects: Iterable[ObjectInfo]) -> Iterator[parts.Source]:
        """Objects with their tasks, in their order."""
        if self.rules.as_files:
            for info in objects:
                yield self._file(info)
            return
        for _, source in in_order(self._read, objects, threads=READERS, ahead=_AHEAD):
            yield source

    def _file(self, info: ObjectInfo) -> parts.Source:
        settings = self.deployment.settings
        try:
            self.form.json.plain(info.key)
            address = self.rules.address(
                info.key, local_root=str(settings.local_files_root), host=settings.label_studio_url or ""
            )
            task = self.form.of_file(str(address), UNDEFINED)
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
        if self.stopped():
            raise Interrupted(f"Stopped after {self.made.tasks:,} tasks; they stay.")

    def _write(self, part: Sequence[parts.Source]) -> None:
        written = parts.write(self.deployment, self.caller, self.storage, self.project, part, self.newest_link)
        self.newest_link = max(self.newest_link, written.newest_link)
        problems = [problem for source in part for problem in source.problems]
        made = Made(problem_count=len(problems), problems=problems)
        made.objects, made.linked, made.dropped = len(part) - written.linked, written.linked, written.dropped
        made.tasks, made.annotations, made.predictions = written.tasks, written.annotations, written.predictions
        self.made.add(made)
        self.said()
        self.tell(self.caller, written.announcements, written.storage_work)


def tasks_in(bucket: Bucket, info: ObjectInfo, rules: ScanRules, form: Form, problems: list[str]) -> Iterator[NewTask]:
    """The tasks of an object; those that are left out are told in `problems`. Raises Broken, BucketError."""
    for row_index, value in elements(bucket, info, rules):
        try:
            yield form.of_value(value, info.key, row_index)
        except Rejected as rejected:
            detail = f"[ErrorDetail(string={str(rejected)!r}, code='invalid')]"
            problems.append(f"Validation error for task from {info.key}: {detail}")
