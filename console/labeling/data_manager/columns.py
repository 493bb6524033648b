"""Columns of the Data Manager as SQL: columns of `task`, keys of its data, and what is reckoned from other tables.

Source: the `annotate_*` functions of Label Studio's `data_manager.managers` and `preprocess_field_name`. Label Studio
joins and groups; a scalar subquery per task gives the same value without multiplying rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    Double,
    Integer,
    Text,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from ...deployment.models import UtcDateTime
from ..db import Db
from .query import bare_name

UNDEFINED = "$undefined$"
#: In the order in which a task's storage key is looked for.
IMPORT_LINKS = tuple(
    f"io_storages_{kind}importstoragelink" for kind in ("s3", "gcs", "azureblob", "localfiles", "redis")
)
_PLAIN = {
    "integer": ("id", "inner_id", "total_annotations", "cancelled_annotations", "total_predictions", "overlap",
                "comment_count", "unresolved_comment_count", "file_upload_id", "updated_by_id", "project_id"),
    "flag": ("is_labeled", "allow_skip"),
    "moment": ("created_at", "updated_at", "last_comment_updated_at"),
    "number": ("precomputed_agreement",),
}  # fmt: skip
KIND_OF = {name: kind for kind, names in _PLAIN.items() for name in names}
RELATIONS = {"updated_by": "updated_by_id", "project": "project_id"}
_NULLABLE = {"inner_id", "file_upload_id", "updated_by_id", "project_id", "last_comment_updated_at",
             "precomputed_agreement", "allow_skip"}  # fmt: skip
TYPE_OF: dict[str, Any] = {
    "integer": BigInteger(), "number": Double(), "flag": Boolean(), "moment": UtcDateTime(), "text": Text(),
}  # fmt: skip
#: What PostgreSQL reads as a double without an error, never out of range.
NUMERIC_PATTERN = r"^\s*[-+]?(\d{1,150}(\.\d{0,150})?|\.\d{1,150})([eE][-+]?\d{1,2})?\s*$"


@dataclass(frozen=True)
class Scope:
    """A project as far as its columns go. `data_types` maps data keys of the labeling config to their types;
    `protected`: the files of its tasks need the login that it keeps."""

    db: Db
    project_id: int
    data_types: Mapping[str, Any] = field(default_factory=dict)
    common_data_columns: Sequence[str] = ()
    model_version: str | None = None
    label_config: str | None = None
    protected: bool = False

    @property
    def tasks(self) -> Any:
        return self.db.table("task")


@dataclass(frozen=True)
class Column:
    """One column as SQL. `kind`: integer, number, flag, moment, text, list or json.

    `forgiving` columns are those that Label Studio counts as different from every value while they are NULL;
    `text` is the expression that `contains` and `regex` look into.
    """

    name: str
    kind: str
    expression: Any
    forgiving: bool = False
    text: Any = None
    path: tuple[str, ...] = ()

    @property
    def as_text(self) -> Any:
        return cast(self.expression, Text) if self.text is None else self.text


def listed(db: Db, ids: Sequence[int]) -> Any:
    """A SELECT of these ids, however many, with one bound value."""
    text = literal(orjson.dumps(list(ids)).decode(), Text)
    if db.postgresql:
        return select(cast(func.jsonb_array_elements_text(cast(text, JSONB)).column_valued("listed"), BigInteger))
    return select(func.json_each(text).table_valued("value").c.value)


def find(scope: Scope, name: str) -> Column | None:
    """The column of this name (prefixes and sign are ignored), or None when tasks have no such column."""
    bare, _ = bare_name(name)
    if bare.startswith("data."):
        return data_column(scope, bare)
    bare = RELATIONS.get(bare, bare)
    if bare in KIND_OF:
        if not scope.db.has("task", bare):
            return None
        return Column(bare, KIND_OF[bare], scope.tasks.c[bare], forgiving=bare in _NULLABLE)
    return reckoned(scope, bare) if bare in _RECKONED else None


def data_column(scope: Scope, name: str, *, nested: bool = True) -> Column:
    """A key of the task's data. `data.a__b` reaches into `a` unless `nested` is off (as Label Studio orders tasks)."""
    key = data_key(scope, name)
    path = tuple(key.split("__")) if nested else (key,)
    tasks = scope.tasks
    if not scope.db.postgresql:
        document, where = type_coerce(tasks.c.data, Text), sqlite_path(path)
        kind = func.json_type(document, where)
        value = case((kind.in_(("null", "false", "true")), kind), else_=func.json_extract(document, where))
        return Column(name, "json", value, text=value, path=path)
    if len(path) == 1:
        value = tasks.c.data.op("->", return_type=JSONB())(literal(path[0], Text))
        text = tasks.c.data.op("->>", return_type=Text())(literal(path[0], Text))
    else:
        steps = literal(list(path), ARRAY(Text))
        value = tasks.c.data.op("#>", return_type=JSONB())(steps)
        text = tasks.c.data.op("#>>", return_type=Text())(steps)
    return Column(name, "json", value, text=text, path=path)


def data_key(scope: Scope, name: str) -> str:
    """The key of task data that a column name `data.…` means."""
    real = name.replace("data.", "")
    types = list(scope.data_types)
    lone = types == [real] or (not types and real == "data")
    return UNDEFINED if lone and UNDEFINED in scope.common_data_columns else real


def as_number(scope: Scope, column: Column) -> Any:
    """A data column as a double. On PostgreSQL text that is no number is NULL, where Label Studio's cast fails."""
    if not scope.db.postgresql:
        return cast(column.expression, Double)
    return case((column.as_text.op("~")(literal(NUMERIC_PATTERN, Text)), cast(column.as_text, Double)))


def is_missing(scope: Scope, column: Column) -> Any:
    """Whether a data column's key is not there; a JSON null is there."""
    if scope.db.postgresql:
        return column.expression.is_(None)
    return func.json_type(type_coerce(scope.tasks.c.data, Text), sqlite_path(column.path)).is_(None)


def sqlite_path(path: Sequence[str]) -> str:
    first, *rest = path
    steps = (f"[{int(step)}]" if re.fullmatch(r"-?[0-9]{1,9}", step) else f".{json.dumps(step)}" for step in rest)
    return f"$.{json.dumps(first)}" + "".join(steps)


# --- what is reckoned from other tables


def reckoned(scope: Scope, name: str) -> Column:
    """One of the columns that Label Studio adds to tasks: `completed_at`, `annotators`, …"""
    return _RECKONED[name](scope)


def of_task(scope: Scope, table: str, *columns: Any) -> Any:
    """A correlated SELECT over the rows of another table that belong to the task."""
    other, tasks = scope.db.table(table), scope.tasks
    return select(*columns).select_from(other).where(other.c.task_id == tasks.c.id).correlate(tasks)


def _completed_at(scope: Scope) -> Column:
    annotations = scope.db.table("task_completion")
    newest = of_task(scope, "task_completion", annotations.c.created_at).order_by(annotations.c.id.desc()).limit(1)
    return Column("completed_at", "moment", case((scope.tasks.c.is_labeled, newest.scalar_subquery())))


def predictions_of_score(scope: Scope, predictions: Any) -> Any:
    """Which predictions count for the score: those of the project's model version, all while it has none."""
    return literal(True) if scope.model_version is None else predictions.c.model_version == scope.model_version


def _predictions_score(scope: Scope) -> Column:
    predictions = scope.db.table("prediction")
    mean = of_task(scope, "prediction", func.avg(predictions.c.score))
    if scope.model_version is not None:
        mean = mean.where(predictions_of_score(scope, predictions))
    return Column("predictions_score", "number", mean.scalar_subquery())


def _avg_lead_time(scope: Scope) -> Column:
    mean = of_task(scope, "task_completion", func.avg(scope.db.table("task_completion").c.lead_time))
    return Column("avg_lead_time", "number", mean.scalar_subquery())


def _draft_exists(scope: Scope) -> Column:
    return Column("draft_exists", "flag", of_task(scope, "tasks_annotationdraft", literal_column("1")).exists())


def _file_upload(scope: Scope) -> Column:
    uploads, tasks = scope.db.table("data_import_fileupload"), scope.tasks
    file = select(uploads.c.file).where(uploads.c.id == tasks.c.file_upload_id).correlate(tasks).scalar_subquery()
    return Column("file_upload", "text", file)


def _storage_filename(scope: Scope) -> Column:
    keys = []
    for name in IMPORT_LINKS:
        if scope.db.has(name):
            key = of_task(scope, name, scope.db.table(name).c.key).limit(1).scalar_subquery()
            keys.append(func.coalesce(key, literal_column("''")))
    joined: Any = keys[0]
    for key in keys[1:]:
        joined = joined.op("||")(literal_column("';'")).op("||")(key)
    return Column("storage_filename", "text", type_coerce(joined, Text))


def _gathered(scope: Scope, name: str, table: str, column: str, *, distinct: bool, empty: bool = True) -> Column:
    """Values of a task's annotations or predictions: an array on PostgreSQL, text on SQLite, as Label Studio has it."""
    value = scope.db.table(table).c[column]
    if not scope.db.postgresql:
        text = of_task(scope, table, func.group_concat(type_coerce(value, Text))).scalar_subquery()
        whole = func.coalesce(text, literal_column("''")) if empty else text
        return Column(name, "text", type_coerce(whole, Text))
    array = of_task(scope, table, func.array_agg(value.distinct() if distinct else value)).scalar_subquery()
    cast_to = {"result": JSONB, "model_version": Text}.get(column, Integer)
    whole = func.coalesce(array, cast(literal_column("'{}'"), ARRAY(cast_to)))
    return Column(name, "list", whole)


_RECKONED = {
    "completed_at": _completed_at,
    "predictions_score": _predictions_score,
    "avg_lead_time": _avg_lead_time,
    "draft_exists": _draft_exists,
    "file_upload": _file_upload,
    "storage_filename": _storage_filename,
    "annotators": lambda scope: _gathered(scope, "annotators", "task_completion", "completed_by_id", distinct=True),
    "annotations_results": lambda scope: _gathered(
        scope, "annotations_results", "task_completion", "result", distinct=True
    ),
    "predictions_results": lambda scope: _gathered(scope, "predictions_results", "prediction", "result", distinct=True),
    "annotations_ids": lambda scope: _gathered(
        scope, "annotations_ids", "task_completion", "id", distinct=False, empty=False
    ),
    "predictions_model_versions": lambda scope: _gathered(
        scope, "predictions_model_versions", "prediction", "model_version", distinct=False, empty=False
    ),
}
