"""Columns that Label Studio adds to a task when a list shows, filters or orders by them: their SQL and their text.

Source: `DataManagerTaskSerializer` and the `annotate_*` functions of Label Studio's `data_manager`. PostgreSQL gathers
distinct values into arrays; SQLite joins text, and repeats it where annotations and predictions are joined together.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Text, cast, func, type_coerce
from sqlalchemy.dialects.postgresql import ARRAY

from ..tasks_json import set_text
from . import columns
from .columns import Scope
from .query import Query

#: Everything that can be shown, in the order in which Label Studio joins the tables it takes.
ALL = ("avg_lead_time", "completed_at", "annotations_results", "predictions_results", "predictions_model_versions",
       "predictions_score", "annotators", "annotations_ids", "file_upload", "draft_exists", "storage_filename")  # fmt: skip
_OF_ANNOTATIONS = {"avg_lead_time", "annotations_results", "annotators", "annotations_ids"}
_OF_PREDICTIONS = {"predictions_results", "predictions_model_versions", "predictions_score"}
_GATHERED = {
    "annotations_results": ("task_completion", "result"),
    "predictions_results": ("prediction", "result"),
    "predictions_model_versions": ("prediction", "model_version"),
    "annotators": ("task_completion", "completed_by_id"),
    "annotations_ids": ("task_completion", "id"),
}
MOST_CHARACTERS = 500


def wanted(query: Query) -> tuple[str, ...]:
    """Columns a query makes visible: those it filters and orders by, and those a tab does not hide."""
    names = set(query.names)
    hidden = query.data.get("hiddenColumns")
    if isinstance(hidden, Mapping) and hidden:
        both = _strings(hidden.get("explore")) & _strings(hidden.get("labeling"))
        names |= {name for name in ALL if f"tasks:{name}" not in both}
    return tuple(name for name in ALL if name in names)


def selected(scope: Scope, names: Sequence[str]) -> list[Any]:
    """SQL columns for these names; `storage_filename` is always selected by whoever lists tasks."""
    found = []
    for name in names:
        if name in _GATHERED:
            found.append(_gathered(scope, *_GATHERED[name]).label(name))
        elif name != "storage_filename":
            found.append(columns.reckoned(scope, name).expression.label(name))
    return found


def values(scope: Scope, names: Sequence[str], row: Mapping[str, Any]) -> dict[str, Any]:
    """What the fields of these names show, from a row with the columns of `selected`."""
    gathered = {name: _gathered_values(row[name]) for name in names if name in _GATHERED}
    if not scope.db.postgresql:
        gathered = _multiplied(names, gathered)
    lists = {name: [value for value in found if value is not None] for name, found in gathered.items()}
    found: dict[str, Any] = {}
    for name in names:
        if name == "annotators":
            found[name] = list(set(lists[name]))
        elif name == "annotations_ids":
            found[name] = set_text(lists[name])
        elif name == "predictions_model_versions":
            found[name] = versions_text(lists[name], scope.db.postgresql)
        elif name in _GATHERED:
            found[name] = results_text(lists[name], scope.db.postgresql)
        elif name == "file_upload":
            found[name] = posixpath.basename(row[name]) if row[name] else None
        elif name == "draft_exists":
            found[name] = bool(row[name])
        elif name != "storage_filename":
            found[name] = row[name]
    return found


def results_text(texts: Sequence[str], postgresql: bool) -> str:
    """Results, given as JSON text, in one line cut to 500 characters before its quotes go."""
    if not postgresql:
        return _unquoted(",".join(texts))
    parts, length = [], 0
    for text in texts:
        parts.append(_compact(text))
        length += len(parts[-1]) + 1
        if length > MOST_CHARACTERS:
            break
    return _unquoted(",".join(parts))


def versions_text(versions: Iterable[str], postgresql: bool) -> str:
    """Distinct model versions, joined as Label Studio does on either database; sorted, where it leaves that to chance."""
    distinct = sorted(set(versions))
    if postgresql:
        return _unquoted(",".join(orjson.dumps(version).decode().replace("/", "\\/") for version in distinct))
    return _unquoted(",".join(distinct))


def _unquoted(text: str) -> str:
    return text[:MOST_CHARACTERS].replace(',"', ', "').replace("],[", "] [").replace('"', "")


def _compact(text: str) -> str:
    """JSON without blanks, slashes escaped and fractions rounded to two digits, as Label Studio writes it."""
    try:
        return orjson.dumps(_rounded(orjson.loads(text))).decode().replace("/", "\\/")
    except orjson.JSONDecodeError:
        return text


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 2)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value


def _strings(value: Any) -> set[str]:
    return {item for item in value if isinstance(item, str)} if isinstance(value, list) else set()


def _gathered(scope: Scope, table: str, column: str) -> Any:
    value = scope.db.table(table).c[column]
    if not scope.db.postgresql:
        plain = type_coerce(value, Text) if column in ("result", "model_version") else value
        return columns.of_task(scope, table, func.json_group_array(plain)).scalar_subquery()
    distinct = column in ("result", "completed_by_id")
    array = columns.of_task(scope, table, func.array_agg(value.distinct() if distinct else value)).scalar_subquery()
    return cast(array, ARRAY(Text)) if column == "result" else array


def _gathered_values(value: Any) -> list[Any]:
    return orjson.loads(value) if isinstance(value, str) else value or []


def _multiplied(names: Sequence[str], lists: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """SQLite's texts with the repetitions of a join of annotations and predictions; the first joined moves slowest."""
    found = dict(lists)
    first = next((name for name in names if name in _OF_ANNOTATIONS | _OF_PREDICTIONS), "")
    sides = (("annotations_results", _OF_ANNOTATIONS, _OF_PREDICTIONS),
             ("predictions_results", _OF_PREDICTIONS, _OF_ANNOTATIONS))  # fmt: skip
    for name, own, other in sides:
        times = max([1, *(len(lists[item]) for item in lists if item in other)])
        if name in found and times > 1:
            slow = first in own
            found[name] = [text for text in found[name] for _ in range(times)] if slow else found[name] * times
    return found
