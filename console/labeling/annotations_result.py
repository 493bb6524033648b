"""The `result` of an annotation or draft: a list of regions, each an object. What is counted about it, and what is refused.

Label Studio stores half of an annotation and then fails when a region has not the form its summary expects; here such
a result is refused before anything is written. Source: `tasks/models.py Annotation.save`, `projects/models.py
ProjectSummary._get_annotation_key, _get_labels`.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from ..errors import Invalid
from .db import Db

_NOT_COUNTED = ("relation", "pairwise", None)


def document(db: Db, value: Any) -> Any:
    """A JSON value to store, formatted as Label Studio does on SQLite; None is no value. Raises Invalid."""
    return None if value is None else db.document(stored(db, value) or "")


def stored(db: Db, value: Any) -> str | None:
    """As `document`, the text alone."""
    if value is None:
        return None
    compact = text(value)
    return compact if db.postgresql else json.dumps(value)


def text(value: Any) -> str:
    """A JSON value as text. Raises Invalid for what is no text or nested too deeply."""
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # whole numbers beyond 64 bits, half surrogates, deep nesting
        return _slowly(value)


def shown(value: Any) -> Any:
    """A JSON value that was just stored, ready to be answered."""
    return None if value is None else orjson.Fragment(text(value))


def count(result: Any) -> int:
    """How many different region ids there are; all regions without an id count as one."""
    return len({region.get("id") for region in result}) if isinstance(result, list) else 0


def parsed(text: str | None) -> Any:
    """A stored result as a value; None when there is none or SQLite holds something that is no JSON."""
    try:
        return orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        return None


def problem(result: Any) -> str | None:
    """What is wrong with the regions of a result, or None. A result that is no list has no regions."""
    for number, region in enumerate(result if isinstance(result, list) else ()):
        if not isinstance(region, dict):
            return f"Region {number} must be an object."
        if isinstance(region.get("id"), list | dict):
            return f"Region {number}: its id must be a text."
        if "from_name" in region and (wrong := _wrong(region)):
            return f"Region {number}: {wrong}"
    return None


def _wrong(region: dict[str, Any]) -> str | None:
    kind, to_name = region.get("type"), region.get("to_name")
    if not isinstance(region["from_name"], str):
        return "from_name must be a text."
    if kind is not None and not isinstance(kind, str):
        return "type must be a text."
    texts = isinstance(to_name, str) or (isinstance(to_name, list) and all(isinstance(one, str) for one in to_name))
    if "to_name" in region and kind not in _NOT_COUNTED and not texts:
        return "to_name must be a text or a list of texts."
    if "to_name" in region and kind not in _NOT_COUNTED and not isinstance(region.get("value"), dict):
        return "value must be an object."
    return None


def _slowly(value: Any) -> str:
    try:
        written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        written.encode()
    except RecursionError:
        raise Invalid("The value is nested too deeply.") from None
    except UnicodeEncodeError:
        raise Invalid("Enter valid text.") from None
    return written
