"""Tasks with their annotations and predictions stored as Label Studio's bulk import stores them, in flat memory.

Everything happens in the caller's one transaction. Items are checked one after the other; from the first that is wrong
nothing more is stored, the rest is only looked at for more to tell, and the refusal undoes what was stored before.

Source: Label Studio's `tasks/serializers.py BaseTaskSerializerBulk` and `data_import/api.py ImportAPI.sync_import`.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from sqlalchemy import select

from ...errors import Invalid
from .. import overlap, predictions, summary, webhooks
from ..bulk import BulkInsert
from ..db import Db
from .checks import Json, Wrong, number, quoted, task_of, truth, whole_number
from .project import People, Project, own_uploads

NO_TASKS = "load_tasks: No tasks added"
#: Label Studio's TASKS_MAX_NUMBER.
MOST_TASKS = 1_000_000
#: Label Studio stops after this many items, once one of them was wrong.
_TOLD = 100
_PART_TASKS = 2000
_PART_BYTES = 4 * 2**20


@dataclass
class Stored:
    """What an import did. `renamed` counts tasks whose old `completions` were taken as `annotations`."""

    tasks: int = 0
    annotations: int = 0
    predictions: int = 0
    renamed: int = 0
    task_ids: Sequence[int] = ()


@dataclass(slots=True)
class _Ready:
    """One task, checked and in the form that is stored; without its id."""

    data: bytes
    meta: bytes
    is_labeled: bool
    file_upload_id: int | None
    allow_skip: bool | None
    skipped: int = 0
    annotations: list[tuple[Any, ...]] = field(default_factory=list)
    predictions: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def size(self) -> int:
        size = len(self.data) + len(self.meta)
        if self.annotations or self.predictions:
            size += sum(len(row[0] or b"") for row in (*self.annotations, *self.predictions))
        return size


class TaskWriter:
    """Takes items with `add`, then `finish`.

    `unknown_emails`: annotations by strangers become the importer's. `uploads_known`: the uploaded files that items name
    are this import's own. `may_be_empty`: no item at all is no mistake.
    """

    def __init__(
        self, db: Db, project: Project, *, unknown_emails: bool = False, uploads_known: bool = False,
        may_be_empty: bool = False,
    ) -> None:  # fmt: skip
        self._db, self._project, self._lenient, self._may_be_empty = db, project, unknown_emails, may_be_empty
        self._json = Json(db.postgresql)
        self._stored, self._index = Stored(), 0
        self._ids = array("q")
        self._people: People | None = None
        self._wrong: list[tuple[int, str]] = []
        self._refusal: Invalid | None = None
        self._bad_predictions: list[str] = []
        self._model_version: str | None = None
        self._shapes: Counter[tuple[str, ...]] = Counter()
        self._uploads: set[int] | None = None if uploads_known else set()
        self._part: list[_Ready] = []
        self._part_bytes = 0
        self._next_number = self._first_number()
        stamp = {"project_id": project.id, "created_at": db.now, "updated_at": db.now}
        self._tasks = BulkInsert(
            db, "task",
            ("id", "data", "meta", "is_labeled", "file_upload_id", "allow_skip", "inner_id", "total_annotations",
             "cancelled_annotations", "total_predictions"),
            stamp | {"overlap": project.rules.maximum_annotations, "comment_count": 0, "unresolved_comment_count": 0},
        )  # fmt: skip
        self._annotations = BulkInsert(
            db, "task_completion",
            ("result", "completed_by_id", "ground_truth", "was_cancelled", "lead_time", "import_id", "task_id", "unique_id"),
            stamp | {"prediction": {}, "result_count": 0, "bulk_created": False},
        )  # fmt: skip
        self._predictions = BulkInsert(
            db, "prediction", ("result", "score", "model_version", "task_id"), stamp | {"mislabeling": 0.0}
        )

    def add(self, item: Any) -> None:
        """Check an item and store it, now or with the next ones. Raises Invalid."""
        index, self._index = self._index, self._index + 1
        if index >= MOST_TASKS:
            raise Invalid(f"Maximum task number is {MOST_TASKS}, current task number is more")
        renamed = _take_completions(item)
        try:
            task = task_of(self._project.config, item)
        except Wrong as wrong:
            self._note(index, wrong, item)
            return
        if self._wrong or self._refusal:
            return
        try:
            ready = self._ready(index, task)
        except Wrong as wrong:
            self._note(index, wrong, item)
            return
        if self._refusal or self._bad_predictions:
            return
        self._stored.renamed += renamed
        self._shapes[tuple(task["data"])] += 1
        self._part.append(ready)
        self._part_bytes += ready.size
        if len(self._part) >= _PART_TASKS or self._part_bytes >= _PART_BYTES:
            self._flush()

    def finish(self) -> Stored:
        """Store the rest, then what depends on all of them. Raises Invalid when an item was wrong."""
        if self._wrong:
            raise self._all_that_is_wrong()
        if self._refusal:
            raise self._refusal
        if self._bad_predictions:
            raise Invalid({"predictions": self._bad_predictions})
        if not self._index and not self._may_be_empty:
            raise Invalid(NO_TASKS)
        self._flush()
        for rows in (self._tasks, self._annotations, self._predictions):
            rows.flush()
        if self._uploads:
            own_uploads(self._db, self._project.id, self._uploads)
        self._name_model_version()
        overlap.tasks_changed(self._db, self._project.rules)
        summary.tasks_added(self._db, self._project.id, self._shapes)
        stored = self._stored
        stored.tasks, stored.annotations = self._tasks.count, self._annotations.count
        stored.predictions, stored.task_ids = self._predictions.count, self._ids
        if stored.tasks:
            webhooks.announce(self._db, "TASKS_CREATED", self._project.id, self._ids)
            self._db.record("imported tasks", f"project:{self._project.id}", rows=stored.tasks,
                            annotations=stored.annotations, predictions=stored.predictions)  # fmt: skip
        return stored

    # --- one item

    def _ready(self, index: int, task: dict[str, Any]) -> _Ready:
        text = self._json.text
        annotations = task.get("annotations") or ()
        authors: set[int] = set()
        skipped = 0
        rows = []
        for annotation in annotations:
            author = self._author(annotation.get("completed_by"))
            cancelled = truth("was_cancelled", annotation.get("was_cancelled", False))
            authors.add(author)
            skipped += cancelled
            rows.append((
                text(annotation["result"]), author, truth("ground_truth", annotation.get("ground_truth", True)),
                cancelled, number("lead_time", annotation.get("lead_time")), whole_number("id", annotation.get("id")),
            ))  # fmt: skip
        allow_skip = task.get("allow_skip", True)
        meta = task.get("meta")
        return _Ready(
            data=text(task["data"]),
            meta=text(meta) if meta else b"[]" if isinstance(meta, list) else b"{}",
            is_labeled=len(authors) >= self._project.rules.maximum_annotations,
            file_upload_id=self._upload(task.get("file_upload_id")),
            allow_skip=None if allow_skip is None else truth("allow_skip", allow_skip),
            skipped=skipped,
            annotations=rows,
            predictions=[
                row for place, prediction in enumerate(task.get("predictions") or ())
                if (row := self._prediction(index, place, prediction))
            ],
        )  # fmt: skip

    def _author(self, completed_by: Any) -> int:
        if completed_by is None:
            return self._db.caller.id
        if self._people is None:
            self._people = People(self._db, self._project.organization_id, unknown_become_importer=self._lenient)
        try:
            return self._people.author(completed_by)
        except Wrong as wrong:  # Label Studio tells this without the item, after all items were looked at
            self._refusal = self._refusal or Invalid(str(wrong))
            return 0

    def _prediction(self, index: int, place: int, prediction: Any) -> tuple[Any, ...] | None:
        try:
            if not isinstance(prediction, dict):
                raise Wrong("Prediction must be a dictionary")
            version = prediction.get("model_version", "undefined")
            row = prediction_row(self._json, self._project, prediction, version)
        except Wrong as wrong:
            if len(self._bad_predictions) < _TOLD:
                known = "" if not isinstance(prediction, dict) else "Failed to create prediction - "
                self._bad_predictions.append(f"Task {index}, prediction {place}: {known}{wrong}")
            return None
        self._model_version = row[2]
        return row

    def _upload(self, value: Any) -> int | None:
        if self._uploads is None or value is None:
            return value
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**31:
            raise Wrong("Task[file_upload_id] must be the id of an uploaded file")
        self._uploads.add(value)
        return value

    def _note(self, index: int, wrong: Wrong, item: Any) -> None:
        self._wrong.append((index, f"Error at item {index}: {wrong} :: {quoted(item)}"))
        if index + 1 >= _TOLD:
            raise self._all_that_is_wrong()

    def _all_that_is_wrong(self) -> Invalid:
        """One entry for each item that was looked at, {} for those without a mistake, as Label Studio has it."""
        entries: list[Any] = [{}] * self._index
        for index, message in self._wrong:
            entries[index] = message
        if len(entries) >= _TOLD and self._wrong != [(_TOLD - 1, entries[_TOLD - 1])]:
            entries[_TOLD - 1] = "..."
        return Invalid(entries)

    # --- all of them

    def _first_number(self) -> int | None:
        """The next `inner_id`; None where the project has tasks without one, as Label Studio goes on then."""
        tasks = self._db.table("task")
        if "inner_id" not in tasks.c:
            return None
        last = self._db.first(
            select(tasks.c.inner_id)
            .where(tasks.c.project_id == self._project.id)
            .order_by(tasks.c.inner_id.desc())
            .limit(1)
        )
        if last is None:
            return 1
        return None if last.inner_id is None else last.inner_id + 1

    def _flush(self) -> None:
        part, self._part, self._part_bytes = self._part, [], 0
        ids = self._tasks.reserve(len(part)) if part else ()
        for task_id, task in zip(ids, part, strict=True):
            self._tasks.add(
                task_id, task.data, task.meta, task.is_labeled, task.file_upload_id, task.allow_skip, self._next_number,
                len(task.annotations) - task.skipped, task.skipped, len(task.predictions),
            )  # fmt: skip
            if self._next_number is not None:
                self._next_number += 1
        self._tasks.flush()  # before what refers to them: a batch may be sent at any time
        for task_id, task in zip(ids, part, strict=True):
            for annotation in task.annotations:
                self._annotations.add(*annotation, task_id, uuid4())
            for prediction in task.predictions:
                self._predictions.add(*prediction, task_id)
        self._ids.extend(ids)

    def _name_model_version(self) -> None:
        """The first predictions of a project name the version it shows; saving the project has more effects."""
        if self._project.model_version or self._model_version is None:
            return
        projects = self._db.table("project")
        values = {"model_version": self._model_version, "updated_at": self._db.now}
        self._db.update("project", projects.c.id == self._project.id, values)
        summary.reset_if_idle(self._db, self._project.id)


def prediction_row(json: Json, project: Project, prediction: dict[str, Any], version: Any) -> tuple[Any, ...]:
    """Result, score and model version of a prediction as they are stored. Raises Wrong."""
    try:
        result = predictions.as_regions(project.controls, prediction["result"])
    except Invalid as refusal:
        raise Wrong(refusal.fields["non_field_errors"][0]) from None
    try:
        score = number("score", prediction.get("score"))
    except Wrong:
        if not isinstance(prediction.get("score"), str | float):
            raise
        score = None  # Label Studio stores a prediction whose score is no number without one
    return (None if result is None else json.text(result), score, json.plain(version))


def store(db: Db, project: Project, items: Iterable[Any], **options: Any) -> Stored:
    """Store every item; see TaskWriter for the options."""
    writer = TaskWriter(db, project, **options)
    for item in items:
        writer.add(item)
    return writer.finish()


def counted(items: Iterable[Any]) -> Stored:
    """How many tasks there are, without storing any. Raises Invalid when there is none or too many."""
    number = sum(1 for _ in items)
    if not number:
        raise Invalid(NO_TASKS)
    if number > MOST_TASKS:
        raise Invalid(f"Maximum task number is {MOST_TASKS}, current task number is {number}")
    return Stored(tasks=number)


def _take_completions(item: Any) -> int:
    if isinstance(item, dict) and "data" in item and "completions" in item and "annotations" not in item:
        item["annotations"] = item.pop("completions")
        return 1
    return 0
