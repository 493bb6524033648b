"""Storing what was read: one part of a sync is one transaction, and all tasks of an object stand in the same part.

A part locks the project, as imports do, and looks again which of its objects got links meanwhile. So a sync that is
killed anywhere can be run again, and two at once double nothing.

Source: Label Studio's `io_storages/base_models.py ImportStorage.add_task` and the signals of tasks and annotations.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy import func, select, text

from ...deployment import Deployment
from ...deployment.releases import counts_people
from ...deployment.storages import Storage
from ...errors import NotFound
from .. import overlap, predictions, summary, webhooks
from ..bulk import BulkInsert
from ..db import Caller, Db
from . import after
from .links import linked_since
from .new_tasks import ANNOTATION_REFERENCES, PREDICTION_REFERENCES, Made, NewTask
from .reading import Broken

#: A part waits this long for an import or another sync of the project.
PATIENCE_SECONDS = 60
_TASKS_AT_ONCE = 2_000
_ANNOTATION = (
    "result", "result_count", "unique_id", "completed_by", "updated_by", "was_cancelled", "ground_truth", "lead_time",
    "draft_created_at", "import_id", "last_action", "last_created_by", "bulk_created", "parent_prediction",
    "parent_annotation",
)  # fmt: skip
_PREDICTION = ("result", "score", "model_version", "cluster", "neighbors", "mislabeling", "model", "model_run")
_DEFAULTS: Mapping[str, Any] = {
    "was_cancelled": False, "ground_truth": False, "bulk_created": False, "model_version": "", "mislabeling": 0.0,
}  # fmt: skip


@dataclass(frozen=True)
class Target:
    """The project that tasks go into, as it was when the sync began."""

    project_id: int
    organization_id: int
    rules: overlap.Rules
    controls: Mapping[str, Mapping[str, Any]]


@dataclass
class Source:
    """An object with its tasks; `tasks` may be read while they are stored. `problems` tells of those left out."""

    key: str
    tasks: Iterable[NewTask]
    problems: list[str] = field(default_factory=list)
    size: int = 0


@dataclass
class Written:
    """What one part made. `linked` are objects that somebody else had synced meanwhile; nothing was made of them."""

    tasks: int = 0
    annotations: int = 0
    predictions: int = 0
    dropped: int = 0
    linked: int = 0
    newest_link: int = 0
    announcements: list[Any] = field(default_factory=list)
    storage_work: list[Any] = field(default_factory=list)


class Taken(Exception):
    """An annotation of this object has a `unique_id` that another one has; nothing of the part was written."""

    def __init__(self, key: str, unique_id: str) -> None:
        super().__init__(key)
        self.key = key
        told = f'"{key}": there is an annotation with the unique_id {unique_id} already.'
        self.broken = Broken("an annotation whose unique_id is taken", told, "AnnotationDuplicateError")


def target(db: Db, storage: Storage) -> Target:
    """Raises NotFound when the project is gone."""
    projects = db.table("project")
    row = db.first(select(projects.c.organization_id).where(projects.c.id == storage.project_id))
    if row is None:
        raise NotFound(f"The project of {storage.reference} is gone.")
    project_id = int(storage.project_id)
    return Target(project_id, row.organization_id, overlap.rules(db, project_id), predictions.controls(db, project_id))


def write(
    deployment: Deployment, caller: Caller, storage: Storage, project: Target, part: Sequence[Source], newest_link: int
) -> Written:
    """Store a part, all of it or nothing. Raises NotFound for a storage or project that was deleted meanwhile, Taken,
    and whatever reading the objects raises."""
    with deployment.write() as session:
        db = Db(session, deployment.schema, caller)
        _lock(db, storage, project.project_id)
        linked = linked_since(db, storage, newest_link, [source.key for source in part])
        writer = _Writer(db, storage, project)
        for chunk in _chunks(source for source in part if source.key not in linked):
            writer.store(chunk)
        written = writer.finish()
        written.linked = len(linked)
    return written


def finish(deployment: Deployment, caller: Caller, project: Target) -> None:
    """What Label Studio does once at the end: where only a part of the tasks has overlap, choose that part anew."""
    with deployment.write() as session:
        overlap.tasks_changed(Db(session, deployment.schema, caller), project.rules)


def _lock(db: Db, storage: Storage, project_id: int) -> None:
    """Hold the project against others who number its tasks, and both rows against being deleted."""
    projects, table = db.table("project"), db.table(storage.kind.table_name)
    key = table.c[storage.kind.key_column]
    own_project = select(projects.c.id).where(projects.c.id == project_id)
    own_storage = select(key).where(key == storage.id)
    if db.postgresql:
        db.session.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE_SECONDS}s'"))
        own_project = own_project.with_for_update(key_share=True)
        own_storage = own_storage.with_for_update(read=True, key_share=True)
    if db.first(own_project) is None or db.first(own_storage) is None:
        raise NotFound(f"{storage.reference} or its project was deleted meanwhile.")


def _chunks(sources: Iterable[Source]) -> Iterator[list[tuple[str, NewTask]]]:
    pairs = ((source.key, task) for source in sources for task in source.tasks)
    while chunk := list(islice(pairs, _TASKS_AT_ONCE)):
        yield chunk


class _Writer:
    """The rows of one part."""

    def __init__(self, db: Db, storage: Storage, project: Target) -> None:
        self._db, self._storage, self._project = db, storage, project
        self._written, self._ids, self._annotation_ids = Written(), array("q"), array("q")
        self._shapes: Counter[tuple[str, ...]] = Counter()
        self._results: list[Any] = []
        self._next_number = self._first_number()
        stamp = {"project_id": project.project_id, "created_at": db.now, "updated_at": db.now}
        self._tasks = BulkInsert(
            db, "task",
            ("id", "data", "is_labeled", "allow_skip", "inner_id", "total_annotations", "cancelled_annotations",
             "total_predictions", "updated_by_id"),
            stamp | {"meta": {}, "overlap": project.rules.maximum_annotations, "comment_count": 0,
                     "unresolved_comment_count": 0},
        )  # fmt: skip
        self._links = BulkInsert(
            db, storage.kind.link_name, ("task_id", "key", "row_index"),
            {"storage_id": storage.id, "object_exists": True, "created_at": db.now},
        )  # fmt: skip
        self._annotations = BulkInsert(
            db, "task_completion", ("id", *map(_column, _ANNOTATION), "task_id"), stamp | {"prediction": {}}
        )
        self._predictions = BulkInsert(db, "prediction", (*map(_column, _PREDICTION), "task_id"), stamp)

    def store(self, chunk: list[tuple[str, NewTask]]) -> None:
        """Raises Taken."""
        with_work = [(key, task) for key, task in chunk if task.annotations or task.predictions]
        if with_work:
            self._drop_strangers([task for _, task in with_work])
            self._need_free(with_work)
        ids = self._tasks.reserve(len(chunk))
        for task_id, (_, task) in zip(ids, chunk, strict=True):
            self._add_task(task_id, task)
        self._tasks.flush()  # before what refers to them
        number = sum(len(task.annotations) for _, task in chunk)
        annotation_ids = iter(self._annotations.reserve(number) if number else ())
        for task_id, (key, task) in zip(ids, chunk, strict=True):
            self._links.add(task_id, key, task.row_index)
            for made in task.annotations:
                annotation_id = next(annotation_ids)
                self._annotations.add(annotation_id, *_values(made, _ANNOTATION), task_id)
                self._annotation_ids.append(annotation_id)
                self._results.append(made.result)
            for made in task.predictions:
                self._predictions.add(*_values(made, _PREDICTION), task_id)
            self._written.dropped += task.dropped
        self._ids.extend(ids)

    def finish(self) -> Written:
        """Send the rest, then what the project counts of it."""
        for rows in (self._tasks, self._links, self._annotations, self._predictions):
            rows.flush()
        written, project_id = self._written, self._project.project_id
        written.tasks, written.annotations = self._tasks.count, self._annotations.count
        written.predictions = self._predictions.count
        if written.tasks:
            summary.change(self._db, project_id, tasks_added=self._shapes, annotations_added=self._results)
            webhooks.announce(self._db, "TASKS_CREATED", project_id, self._ids)
        if self._annotation_ids:
            after.saved(self._db, project_id, self._annotation_ids)
        links = self._db.table(self._storage.kind.link_name)
        written.newest_link = int(self._db.value(select(func.coalesce(func.max(links.c.id), 0))) or 0)
        written.announcements, written.storage_work = self._db.announcements, self._db.storage_work
        return written

    def _first_number(self) -> int:
        """The next `inner_id`; tasks of old projects without one are passed over."""
        tasks = self._db.table("task")
        if "inner_id" not in tasks.c:
            return 1
        own = (tasks.c.project_id == self._project.project_id, tasks.c.inner_id.is_not(None))
        last = select(tasks.c.inner_id).where(*own).order_by(tasks.c.inner_id.desc()).limit(1)
        return int(self._db.value(last) or 0) + 1

    def _add_task(self, task_id: int, task: NewTask) -> None:
        cancelled = sum(made.columns.get("was_cancelled", False) for made in task.annotations)
        touched = self._db.caller.id or None if task.annotations or task.predictions else None
        for made in task.annotations:
            if touched:
                made.columns["updated_by"] = touched
        self._tasks.add(
            task_id, task.data, self._is_labeled(task), task.allow_skip, self._next_number,
            len(task.annotations) - cancelled, cancelled, len(task.predictions), touched,
        )  # fmt: skip
        self._next_number += 1
        self._shapes[task.names] += 1

    def _is_labeled(self, task: NewTask) -> bool:
        rules = self._project.rules
        counting = [
            made.columns.get("completed_by") for made in task.annotations
            if rules.counts_skipped or (not made.columns.get("was_cancelled") and made.result is not None)
        ]  # fmt: skip
        people = counts_people(self._db.schema.label_studio_version)
        return (len(set(counting)) if people else len(counting)) >= rules.maximum_annotations

    def _drop_strangers(self, tasks: list[NewTask]) -> None:
        """Leave out annotations, or predictions, of a task where one names a row that does not exist."""
        for name, references in (("annotations", ANNOTATION_REFERENCES), ("predictions", PREDICTION_REFERENCES)):
            asked: dict[str, set[int]] = {}
            for task in tasks:
                for table, one in _named(getattr(task, name), references):
                    asked.setdefault(table, set()).add(one)
            known = {table: self._existing(table, ids) for table, ids in asked.items()}
            for task in tasks if asked else ():
                if any(one not in known[table] for table, one in _named(getattr(task, name), references)):
                    task.dropped += len(getattr(task, name))
                    setattr(task, name, [])

    def _existing(self, name: str, ids: set[int]) -> set[int]:
        if not self._db.has(name):
            return set()
        table = self._db.table(name)
        return set(self._db.values(select(table.c.id).where(table.c.id.in_(ids))))

    def _need_free(self, tasks: list[tuple[str, NewTask]]) -> None:
        """Raise Taken when two annotations would have one `unique_id`."""
        table = self._db.table("task_completion")
        if "unique_id" not in table.c:
            return
        by_id: dict[str, str] = {}
        for key, task in tasks:
            for made in task.annotations:
                unique_id = made.columns["unique_id"]
                written = str(unique_id) if self._db.postgresql else unique_id.hex
                if written in by_id:
                    raise Taken(key, str(unique_id))
                by_id[written] = key
        found = self._db.values(select(table.c.unique_id).where(table.c.unique_id.in_(list(by_id)))) if by_id else []
        for one in found:
            written = str(one)
            raise Taken(by_id.get(written) or by_id[written.replace("-", "")], written)


def _column(name: str) -> str:
    """The column of a field: references end in `_id`."""
    return f"{name}_id" if name in ANNOTATION_REFERENCES or name in PREDICTION_REFERENCES else name


def _values(made: Made, names: Sequence[str]) -> list[Any]:
    return [made.columns.get(name, _DEFAULTS.get(name)) for name in names]


def _named(made: Iterable[Made], references: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    for one in made:
        for name, table in references.items():
            if (found := one.columns.get(name)) is not None:
                yield table, found
