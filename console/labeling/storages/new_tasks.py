"""A value from an object as the task that a sync makes of it, with its annotations and predictions.

Beside other keys `data` is the task when it is an object; a value without it is the data itself. Annotations and
predictions have to have the form of Label Studio's API; where one of a task's annotations has not, all of them are left
out and the task is made without, and so with predictions. Label Studio then keeps the number of those left out in the
task's counters; here only what is stored is counted.

Source: Label Studio's `io_storages/base_models.py ImportStorage.add_task` and its serializers of annotations and
predictions.
"""

from __future__ import annotations

import json as json_text
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from ...errors import Invalid
from .. import annotations_result, predictions
from ..imports.checks import Json, Wrong
from .reading import Broken

_TRUE = {"t", "T", "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", "1"}
_FALSE = {"f", "F", "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", "0"}
_ACTIONS = {
    "prediction", "propagated_annotation", "imported", "submitted", "updated", "skipped", "accepted", "rejected",
    "fixed_and_accepted", "deleted_review",
}  # fmt: skip
#: Fields of annotations and predictions that name other rows -> their table.
ANNOTATION_REFERENCES = {
    "completed_by": "htx_user", "updated_by": "htx_user", "last_created_by": "htx_user",
    "parent_prediction": "prediction", "parent_annotation": "task_completion",
}  # fmt: skip
PREDICTION_REFERENCES = {"model": "ml_mlbackend", "model_run": "ml_models_modelrun"}


class Rejected(Exception):
    """A task that Label Studio leaves out with a validation error; the others go on."""


class _Misfit(Exception):
    """A field that has not the form of the API."""


@dataclass(slots=True)
class Made:
    """One annotation or prediction: its columns, JSON as text in bytes; `result` as it was, for what counts it."""

    columns: dict[str, Any]
    result: Any


@dataclass(slots=True)
class NewTask:
    """A task ready to be stored, without its id. `names` are the keys of its data, `dropped` the annotations and
    predictions that have not the form of the API."""

    row_index: int | None
    data: bytes
    names: tuple[str, ...]
    allow_skip: bool | None = True
    annotations: list[Made] = field(default_factory=list)
    predictions: list[Made] = field(default_factory=list)
    dropped: int = 0

    @property
    def size(self) -> int:
        made = [*self.annotations, *self.predictions]
        return len(self.data) + sum(len(one.columns["result"] or b"") for one in made)


@dataclass(frozen=True)
class Form:
    """What the making of tasks has to know of database and project."""

    json: Json
    controls: Mapping[str, Mapping[str, Any]]

    def of_file(self, address: str, name: str) -> NewTask:
        """The task that shows an object: its address under the name that stands for the first object tag."""
        return NewTask(None, self.json.text({name: address}), (name,))

    def of_value(self, value: Any, key: str, row_index: int | None) -> NewTask:
        """Raises Broken where Label Studio's sync stops, Rejected where it leaves the task out."""
        if not isinstance(value, dict):
            raise Broken(
                "a value that is no object", f"{_place(key, row_index)} is {_kind(value)}; a task is an object.",
                "AttributeError",
            )  # fmt: skip
        try:
            return self._of_object(value, row_index)
        except Wrong as wrong:
            raise Broken(str(wrong), f"{_place(key, row_index)} cannot be stored: {wrong}") from None
        except Broken as broken:
            told = f"{_place(key, row_index)}: {broken.told}"
            raise Broken(broken.reason, told, broken.kind) from None

    def _of_object(self, value: dict[str, Any], row_index: int | None) -> NewTask:
        predicted, annotated = value.get("predictions") or [], value.get("annotations") or []
        for name, given in (("predictions", predicted), ("annotations", annotated)):
            if given and "data" not in value:
                told = f'If you use "{name}" field in the task, you must put "data" field in the task too'
                raise Broken(f'"{name}" without "data"', told)
            if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
                raise Broken(f'"{name}" is no list of objects', f'"{name}" has to be a list of objects.', "TypeError")
        data = value["data"] if isinstance(value.get("data"), dict) else value
        task = NewTask(row_index, self.json.text(data), tuple(data), _allow_skip(value.get("allow_skip", True)))
        task.predictions = self._all(predicted, self._prediction, task)
        task.annotations = self._all(annotated, self._annotation, task)
        return task

    def _all(self, given: list[dict[str, Any]], make: Callable[[dict[str, Any]], Made], task: NewTask) -> list[Made]:
        """All of them, or none when one does not fit."""
        try:
            return [make(one) for one in given]
        except _Misfit:
            task.dropped += len(given)
            return []

    def _prediction(self, given: dict[str, Any]) -> Made:
        if given.get("result") is None:
            raise _Misfit
        columns = _fields(given, _PREDICTION)
        try:
            result = predictions.as_regions(self.controls, given["result"])
        except Invalid as refusal:
            raise Rejected(str(refusal.fields["non_field_errors"][0])) from None
        columns["result"] = None if result is None else self.json.text(result)
        if "neighbors" in given:
            columns["neighbors"] = None if given["neighbors"] is None else self.json.text(given["neighbors"])
        if "model_version" in columns:
            columns["model_version"] = self.json.plain(columns["model_version"])
        return Made(columns, result)

    def _annotation(self, given: dict[str, Any]) -> Made:
        columns = _fields(given, _ANNOTATION)
        result = given.get("result")
        if "result" in given:
            if isinstance(result, str):
                try:
                    result = json_text.loads(result)
                except ValueError:
                    told = 'the "result" of an annotation is a text that is no JSON'
                    raise Broken(told, told) from None
            if not isinstance(result, list):
                raise _Misfit
        if problem := annotations_result.problem(result):
            raise Broken("a result whose regions Label Studio cannot count", problem, "AttributeError")
        columns["result"] = None if result is None else self.json.text(result)
        columns["result_count"] = annotations_result.count(result)
        columns.setdefault("unique_id", uuid4())
        return Made(columns, result)


def _fields(given: Mapping[str, Any], known: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    return {name: reader(given[name]) for name, reader in known.items() if name in given}


def _place(key: str, row_index: int | None) -> str:
    return f'"{key}"' if row_index is None else f'"{key}", task {row_index + 1}'


def _kind(value: Any) -> str:
    kinds = {list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return kinds.get(type(value), "a number")


def _allow_skip(value: Any) -> bool | None:
    """As the column takes it. Raises Broken."""
    if value is None or value in ("", [], {}):
        return None
    if isinstance(value, bool | int | float) and value in (True, False):
        return bool(value)
    if isinstance(value, str) and value in ("t", "True", "1", "f", "False", "0"):
        return value in ("t", "True", "1")
    raise Broken('"allow_skip" is no truth value', '"allow_skip" has to be true or false.', "ValidationError")


# --- fields as Django REST framework reads them: the value to store, or _Misfit


def _nullable(reader: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else reader(value)


def _truth(value: Any) -> bool:
    if isinstance(value, bool | int | float) and value in (True, False):
        return bool(value)
    if isinstance(value, str) and value in _TRUE | _FALSE:
        return value in _TRUE
    raise _Misfit


def _number(value: Any) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        raise _Misfit from None
    if not math.isfinite(found):
        raise Broken("a number beyond what a database stores", "a number is not finite", "DataError")
    return found


def _whole(bits: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, float) and not value.is_integer():
            raise _Misfit
        try:
            found = int(value)
        except (TypeError, ValueError, OverflowError):
            raise _Misfit from None
        if not -(2 ** (bits - 1)) <= found < 2 ** (bits - 1):
            raise _Misfit
        return found

    return read


def _reference(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise _Misfit
    return _whole(64)(value)


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _Misfit
    return str(value).strip()


def _unique_id(value: Any) -> UUID:
    text = _text(value)
    if not text:
        raise _Misfit
    try:
        return UUID(text)
    except ValueError:
        raise Broken('"unique_id" is no UUID', f'"unique_id" {text[:60]!r} is no UUID.', "ValidationError") from None


def _moment(value: Any) -> datetime:
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise _Misfit from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _action(value: Any) -> str:
    if not isinstance(value, str) or value not in _ACTIONS:
        raise _Misfit
    return value


_ANNOTATION: Mapping[str, Callable[[Any], Any]] = {
    "was_cancelled": _truth, "ground_truth": _truth, "lead_time": _nullable(_number), "draft_created_at": _nullable(_moment),
    "import_id": _nullable(_whole(64)), "unique_id": _unique_id, "last_action": _nullable(_action),
    "bulk_created": _nullable(_truth), "completed_by": _reference, "updated_by": _nullable(_reference),
    "last_created_by": _nullable(_reference), "parent_prediction": _nullable(_reference),
    "parent_annotation": _nullable(_reference),
}  # fmt: skip
_PREDICTION: Mapping[str, Callable[[Any], Any]] = {
    "score": _nullable(_number), "model_version": _text, "cluster": _nullable(_whole(32)), "mislabeling": _number,
    "model": _nullable(_reference), "model_run": _nullable(_reference),
}  # fmt: skip
