"""Is an item of an import a task? With Label Studio's words for what is wrong, and its view of what is data.

Source: Label Studio's `tasks/validation.py TaskValidator.validate`. Where Label Studio lets a value through and then
fails on it (an annotation that is no object, a truth value that is none), it is named here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import orjson

from ..label_config import ParsedConfig, problem_with_root

_TRUE, _FALSE = ("t", "True", "1"), ("f", "False", "0")
_NULL_CHARACTER = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_LARGEST_ID = 2**63 - 1
#: An item is quoted in a refusal up to this length.
QUOTED_CHARACTERS = 10_000


class Wrong(Exception):
    """What is wrong with an item, fit for the client."""


def task_of(config: ParsedConfig, item: Any) -> dict[str, Any]:
    """The task that an item is: itself when it has `data`, else a task with the item as its data. Raises Wrong."""
    if not isinstance(item, dict):
        raise Wrong('Task root must be dict with "data", "meta", "annotations", "predictions" fields')
    if "data" not in item:
        _need_no_problem(problem_with_root(config, item, is_root=True))
        return {"data": item}
    data = item["data"]
    if not isinstance(data, dict | list):
        raise Wrong("Task[data] must be dict or list")
    _need_no_problem(problem_with_root(config, data, is_root=False))
    if isinstance(data, list):
        raise Wrong("Task[data] must be dict")
    for annotation in _list(item, "annotations"):
        if not isinstance(annotation, dict):
            raise Wrong("Each item in annotations must be dict")
        if "result" not in annotation:
            raise Wrong('Annotation must have "result" fields')
        if not isinstance(annotation["result"], list):
            raise Wrong('"result" field in annotation must be list')
    for prediction in _list(item, "predictions"):
        if isinstance(prediction, dict) and "result" not in prediction:
            raise Wrong('Prediction must have "result" fields')
    if not isinstance(item.get("meta", {}), dict | list):
        raise Wrong("Task[meta] must be dict or list")
    return item


def quoted(item: Any) -> str:
    """An item as Label Studio quotes it after its mistake; a long one is cut."""
    try:
        text = str(item)
    except (RecursionError, ValueError):  # nested too deeply, or a number of thousands of digits
        return "…"
    return text if len(text) <= QUOTED_CHARACTERS else text[:QUOTED_CHARACTERS] + "…"


def truth(name: str, value: Any) -> bool:
    """A truth value as Django takes one. Raises Wrong."""
    if isinstance(value, bool | int | float) and value in (True, False):
        return bool(value)
    if isinstance(value, str) and value in _TRUE + _FALSE:
        return value in _TRUE
    raise Wrong(f"{name} must be true or false")


def number(name: str, value: Any) -> float | None:
    """A finite number, also one given as text, or None. Raises Wrong."""
    if value is None:
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        raise Wrong(f"{name} must be a number") from None
    if not math.isfinite(found):
        raise Wrong(f"{name} must be a number")
    return found


def whole_number(name: str, value: Any) -> int | None:
    """A whole number of 64 bits, also one given as text, or None. Raises Wrong."""
    if value is None:
        return None
    try:
        found = int(value)
    except (TypeError, ValueError, OverflowError):
        raise Wrong(f"{name} must be a whole number") from None
    if not -_LARGEST_ID <= found <= _LARGEST_ID:
        raise Wrong(f"{name} must be a whole number of at most 64 bits")
    return found


class Json:
    """Values as the JSON text that the attached database stores."""

    def __init__(self, postgresql: bool) -> None:
        self._postgresql = postgresql

    def text(self, value: Any) -> bytes:
        """JSON text: compact for PostgreSQL, for SQLite as Django writes it. Raises Wrong for what cannot be stored."""
        if not self._postgresql:
            return _slowly(value)
        try:
            text = orjson.dumps(value)
        except orjson.JSONEncodeError:  # whole numbers beyond 64 bits, half surrogates, deep nesting
            text = _slowly(value)
            _need_whole_characters(value)
        if b"\\u0000" in text and _NULL_CHARACTER.search(text):
            raise Wrong("Null characters are not allowed")
        return text

    def plain(self, value: Any) -> str | None:
        """A text column's value. Raises Wrong."""
        if value is None:
            return None
        text = value if isinstance(value, str) else str(value)
        if "\0" in text and self._postgresql:
            raise Wrong("Null characters are not allowed")
        _need_whole_characters(text)
        return text


def _slowly(value: Any) -> bytes:
    try:
        return json.dumps(value).encode()
    except RecursionError:
        raise Wrong("The value is nested too deeply") from None


def _need_whole_characters(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Wrong("Half a surrogate pair is no text") from None


def _need_no_problem(problem: str | None) -> None:
    if problem is not None:
        raise Wrong(problem)


def _list(item: Mapping[str, Any], name: str) -> list[Any]:
    found = item.get(name, [])
    if not isinstance(found, list):
        raise Wrong(f"Task[{name}] must be list")
    return found
