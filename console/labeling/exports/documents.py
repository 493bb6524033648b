"""One exported task as JSON text, for a few hundred tasks at a time and in as many statements as there are tables.

Keys and their order are those of Label Studio 1.23.2; what a release has no column for is left out.

Source: `data_export/serializers.py` (`BaseExportDataSerializer`, `AnnotationSerializer`) with the draft and prediction
serializers of `tasks/serializers.py`. Finite state flags, which add a `state`, are off in the community edition.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any, Literal

from sqlalchemy import ColumnElement, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger

from ...deployment.models import as_utc
from ..ago import ago
from ..db import Db
from ..label_config import UNDEFINED
from .fragments import (
    Part,
    bare,
    document,
    dumps,
    flag,
    loads,
    moment,
    number,
    plain,
    quoted,
    template,
    uuid,
)  # fmt: skip
from .fragments import text as string
from .key_frames import interpolated

Depth = Literal["ids", "full"]

_TASK = (
    Part("data", "data", document, is_json=True),
    Part("meta", "meta", document, is_json=True),
    Part("created_at", "created_at", moment),
    Part("updated_at", "updated_at", moment),
    Part("allow_skip", "allow_skip", flag),
    Part("inner_id", "inner_id", plain),
    Part("total_annotations", "total_annotations", plain),
    Part("cancelled_annotations", "cancelled_annotations", plain),
    Part("total_predictions", "total_predictions", plain),
    Part("comment_count", "comment_count", plain),
    Part("unresolved_comment_count", "unresolved_comment_count", plain),
    Part("last_comment_updated_at", "last_comment_updated_at", moment),
    Part("project", "project_id", plain),
    Part("updated_by", "updated_by_id", plain),
)
_ANNOTATION = (
    Part("id", "id", plain),
    Part("completed_by", "completed_by_id", plain),
    Part("result", "result", document, is_json=True),
    Part("was_cancelled", "was_cancelled", flag),
    Part("ground_truth", "ground_truth", flag),
    Part("created_at", "created_at", moment),
    Part("updated_at", "updated_at", moment),
    Part("draft_created_at", "draft_created_at", moment),
    Part("lead_time", "lead_time", number),
    Part("prediction", "prediction", document, is_json=True),
    Part("result_count", "result_count", plain),
    Part("unique_id", "unique_id", uuid),
    Part("import_id", "import_id", plain),
    Part("last_action", "last_action", string),
    Part("bulk_created", "bulk_created", flag),
    Part("task", "task_id", plain),
    Part("project", "project_id", plain),
    Part("updated_by", "updated_by_id", plain),
    Part("parent_prediction", "parent_prediction_id", plain),
    Part("parent_annotation", "parent_annotation_id", plain),
    Part("last_created_by", "last_created_by_id", plain),
)
_DRAFT = (
    Part("result", "result", document, is_json=True),
    Part("lead_time", "lead_time", number),
    Part("was_postponed", "was_postponed", flag),
    Part("import_id", "import_id", plain),
    Part("created_at", "created_at", moment),
    Part("updated_at", "updated_at", moment),
    Part("task", "task_id", plain),
    Part("annotation", "annotation_id", plain),
)
_PREDICTION_FIRST = (
    Part("id", "id", plain),
    Part("result", "result", document, is_json=True),
    Part("model_version", "model_version", string),
)
_PREDICTION_REST = (
    Part("score", "score", number),
    Part("cluster", "cluster", plain),
    Part("neighbors", "neighbors", document, is_json=True),
    Part("mislabeling", "mislabeling", number),
    Part("created_at", "created_at", moment),
    Part("updated_at", "updated_at", moment),
    Part("model", "model_id", plain),
    Part("model_run", "model_run_id", plain),
    Part("task", "task_id", plain),
    Part("project", "project_id", plain),
)
#: What flat formats read; the rest need not be fetched for them.
_FLAT_TASK = frozenset({"data"})
_FLAT_ANNOTATION = frozenset({"id", "completed_by", "result", "was_cancelled", "created_at", "updated_at", "lead_time"})


@dataclass(frozen=True)
class Depths:
    """How much of each thing beside the task is written out. The defaults are those of the direct export.

    `flat` fetches only what JSON_MIN, CSV and TSV read.
    """

    drafts: Depth = "full"
    predictions: Depth = "ids"
    people: Depth = "ids"
    flat: bool = False


@dataclass(frozen=True)
class Written:
    """One task, and how many annotations it was written with."""

    id: int
    json: str
    annotations: int


@dataclass(frozen=True)
class Choice:
    """Which annotations of a task are written: all, or those of the kinds named. Kinds add up."""

    usual: bool = False
    ground_truth: bool = False
    skipped: bool = False

    def condition(self, table: Any) -> ColumnElement[bool] | None:
        """What a row of `task_completion` has to be, or None when every row is wanted."""
        kinds = []
        if self.usual:
            kinds.append(table.c.was_cancelled.is_(False) & table.c.ground_truth.is_(False))
        if self.ground_truth:
            kinds.append(table.c.ground_truth.is_(True))
        if self.skipped:
            kinds.append(table.c.was_cancelled.is_(True))
        if not kinds:
            return None
        wanted = kinds[0]
        for kind in kinds[1:]:
            wanted |= kind
        return wanted


@dataclass(frozen=True)
class Documents:
    """Writes tasks of one project. `undefined_key` takes the place of `$undefined$` in task data; `key_frames` adds the
    frames between those that a person drew."""

    depths: Depths = field(default_factory=Depths)
    choice: Choice = field(default_factory=Choice)
    undefined_key: str | None = None
    key_frames: bool = False

    def write(self, db: Db, ids: Sequence[int]) -> Iterator[Written]:
        """The tasks with these ids that are still there, in the order of their ids."""
        parts = [part for part in _TASK if not self.depths.flat or part.key in _FLAT_TASK]
        if self.undefined_key:
            parts = [replace(part, write=self._data) if part.key == "data" else part for part in parts]
        tasks, shape = db.table("task"), template(db, "task", parts)
        uploads = db.table("data_import_fileupload") if db.has("task", "file_upload_id") else None
        source: Any = tasks
        columns = [tasks.c.id]
        if uploads is not None and not self.depths.flat:
            source = tasks.outerjoin(uploads, uploads.c.id == tasks.c.file_upload_id)
            columns.append(uploads.c.file)
        rows: Sequence[Any] = db.rows(
            select(*columns, *shape.columns).select_from(source).where(within(db, tasks.c.id, ids)).order_by(tasks.c.id)
        )
        lead = len(columns)
        beside = self._beside(db, ids)
        for row in rows:
            annotations = beside["annotations"].get(row[0], [])
            inner = [f'"annotations":[{",".join(annotations)}]']
            if lead == 2 and row[1]:
                inner.append(f'"file_upload":{quoted(PurePosixPath(row[1]).name)}')
            inner += [
                f'"{name}":[{",".join(beside[name].get(row[0], ()))}]'
                for name in ("drafts", "predictions")
                if name in beside
            ]
            inner.append(shape(row[lead:]))
            if "comment_authors" in beside:
                inner.append(f'"comment_authors":[{",".join(beside["comment_authors"].get(row[0], ()))}]')
            yield Written(row[0], f'{{"id":{row[0]},{",".join(inner)}}}', len(annotations))

    def _beside(self, db: Db, ids: Sequence[int]) -> dict[str, dict[int, list[str]]]:
        found = {"annotations": self._annotations(db, ids)}
        if self.depths.flat:
            return found
        found["drafts"] = self._drafts(db, ids)
        found["predictions"] = self._predictions(db, ids)
        if db.has("task_comment_authors"):
            authors = db.table("task_comment_authors").c
            found["comment_authors"] = _by_task(
                db.rows(
                    select(authors.task_id, authors.user_id)
                    .where(within(db, authors.task_id, ids))
                    .order_by(authors.user_id)
                )
            )
        return found

    def _data(self, stored: Any) -> str:
        """Task data, with `$undefined$` under the key that the labeling configuration reads."""
        written = document(stored)
        if self.undefined_key is None or UNDEFINED not in written:
            return written
        data = loads(written)
        if not isinstance(data, dict) or UNDEFINED not in data:
            return written
        data[self.undefined_key] = data.pop(UNDEFINED)
        return dumps(data)

    def _annotations(self, db: Db, ids: Sequence[int]) -> dict[int, list[str]]:
        table = db.table("task_completion")
        parts = [part for part in _ANNOTATION if not self.depths.flat or part.key in _FLAT_ANNOTATION]
        if self.key_frames:
            parts = [replace(part, write=interpolated) if part.key == "result" else part for part in parts]
        if self.depths.people == "full":
            people = self._people(db, ids)
            in_full = partial(_person, people)
            parts = [replace(part, write=in_full) if part.key == "completed_by" else part for part in parts]
        shape = template(db, "task_completion", parts)
        statement = (
            select(bare(db, table.c.task_id), *shape.columns)
            .where(within(db, table.c.task_id, ids))
            .order_by(table.c.id)
        )
        wanted = self.choice.condition(table)
        if wanted is not None:
            statement = statement.where(wanted)
        found: dict[int, list[str]] = defaultdict(list)
        for row in db.rows(statement):
            found[row[0]].append(f"{{{shape(row[1:])}}}")
        return found

    def _people(self, db: Db, ids: Sequence[int]) -> dict[int, str]:
        """Id of whoever annotated these tasks -> the person as JSON."""
        users, annotations = db.table("htx_user").c, db.table("task_completion").c
        chosen = select(annotations.completed_by_id).where(within(db, annotations.task_id, ids))
        rows: Sequence[Any] = db.rows(
            select(users.id, users.email, users.first_name, users.last_name).where(users.id.in_(chosen))
        )
        return {
            row.id: dumps(
                {"id": row.id, "email": row.email, "first_name": row.first_name, "last_name": row.last_name}
            )
            for row in rows
        }  # fmt: skip

    def _drafts(self, db: Db, ids: Sequence[int]) -> dict[int, list[str]]:
        drafts = db.table("tasks_annotationdraft")
        here = within(db, drafts.c.task_id, ids)
        if self.depths.drafts == "ids":
            return _by_task(db.rows(select(drafts.c.task_id, drafts.c.id).where(here).order_by(drafts.c.id)))
        shape, users = template(db, "tasks_annotationdraft", _DRAFT), db.table("htx_user")
        rows: Sequence[Any] = db.rows(
            select(drafts.c.task_id, drafts.c.id, users.c.id, users.c.email, users.c.first_name, users.c.last_name,
                   bare(db, drafts.c.created_at).label("made"), *shape.columns)
            .select_from(drafts.outerjoin(users, users.c.id == drafts.c.user_id))
            .where(here).order_by(drafts.c.id)
        )  # fmt: skip
        found: dict[int, list[str]] = defaultdict(list)
        for row in rows:
            _, number_of_draft, user_id, email, first, last, made = row[:7]
            head = f'"id":{number_of_draft},"user":{string(email)},"created_username":{quoted(_full_name(user_id, email, first, last))}'
            found[row[0]].append(f'{{{head},"created_ago":{_ago(made, db.now)},{shape(row[7:])}}}')
        return found

    def _predictions(self, db: Db, ids: Sequence[int]) -> dict[int, list[str]]:
        table = db.table("prediction")
        here = within(db, table.c.task_id, ids)
        if self.depths.predictions != "full":
            return _by_task(db.rows(select(table.c.task_id, table.c.id).where(here).order_by(table.c.id)))
        first, rest = template(db, "prediction", _PREDICTION_FIRST), template(db, "prediction", _PREDICTION_REST)
        made = bare(db, table.c.created_at).label("made")
        rows: Sequence[Any] = db.rows(
            select(table.c.task_id, made, *first.columns, *rest.columns).where(here).order_by(table.c.id)
        )
        cut = 2 + len(first.columns)
        found: dict[int, list[str]] = defaultdict(list)
        for row in rows:
            found[row[0]].append(f'{{{first(row[2:cut])},"created_ago":{_ago(row[1], db.now)},{rest(row[cut:])}}}')
        return found


def within(db: Db, column: Any, ids: Sequence[int]) -> ColumnElement[bool]:
    """Whether a column is among ids, in one parameter however many they are."""
    if db.postgresql:
        return column == func.any(bindparam(None, list(ids), type_=ARRAY(BigInteger)))
    each = func.json_each(dumps(list(ids))).table_valued("value")
    return column.in_(select(each.c.value))


def _by_task(rows: Sequence[Any]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for task_id, value in rows:
        found[task_id].append(plain(value))
    return found


def _full_name(user_id: int | None, email: str | None, first: str | None, last: str | None) -> str:
    if user_id is None:
        return ""
    name = f"{first or ''} {last}" if last else first or ""
    return f"{name}{' ' if name else ''}{email}, {user_id}"


def _ago(made: Any, now: Any) -> str:
    moment_made = as_utc(made)
    return '""' if moment_made is None else quoted(ago(moment_made, now))


def _person(people: dict[int, str], user_id: Any) -> str:
    return people.get(user_id, "null")
