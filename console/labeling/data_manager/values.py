"""Values of filters: cast by the type a filter names, then fitted to the column they are compared with.

Source: `cast_value` of Label Studio's `data_manager.managers`, and what Django's fields make of a value that is compared
with them. Where these raise (and Label Studio answers 500) `Invalid` names the filter.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import Any

from .query import Filter, Range

MOMENT_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "not", "off", "0")
_MOST = 2**63 - 1


def truth(item: Filter) -> bool:
    """The value of an `empty` filter. Raises Invalid."""
    return bool(_word(item, item.value))


def user_id(item: Filter) -> int:
    """The value of a filter on people. Raises Invalid."""
    try:
        return _bounded(int(item.value))
    except (ValueError, TypeError, OverflowError):
        raise item.wrong("the value must be the id of a user.") from None


def cast_by_type(item: Filter) -> Any:
    """The value as the filter's `type` wants it. Raises Invalid."""
    if isinstance(item.value, Range):
        return Range(_cast(item, item.value.min), _cast(item, item.value.max))
    if item.type == "Boolean":
        return _word(item, item.value)
    return _cast(item, item.value)


def _cast(item: Filter, value: Any) -> Any:
    try:
        if item.type == "Number":
            return float(value)
        if item.type == "Datetime":
            return datetime.strptime(value, MOMENT_FORMAT).replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError):
        shape = "a number" if item.type == "Number" else "a time as YYYY-MM-DDThh:mm:ss.ffffffZ"
        raise item.wrong(f"the value must be {shape}.") from None
    return value


def _word(item: Filter, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise item.wrong(f'Incorrect bool value "{value}". It should be one of [1, 0, true, false, yes, no]')


def fit(item: Filter, kind: str, value: Any, *, up: bool = False) -> Any:
    """A value as a column of this kind is compared with. `up` rounds a fraction up, else it is cut off. Raises Invalid."""
    try:
        if kind == "integer":
            return _integer(value, up)
        if kind == "number":
            return float(_scalar(value))
        if kind == "flag":
            return _flag(value)
        if kind == "moment":
            return _moment(value)
    except (ValueError, TypeError, OverflowError):
        names = {"integer": "an integer", "number": "a number", "flag": "true or false", "moment": "a time"}
        raise item.wrong(f"the value must be {names[kind]}.") from None
    return str(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, list | Range | datetime):
        raise TypeError(value)
    return value


def _integer(value: Any, up: bool) -> int:
    value = _scalar(value)
    return _bounded(math.ceil(value) if up and isinstance(value, float) else int(value))


def _bounded(number: int) -> int:
    return max(-_MOST, min(number, _MOST))


def _flag(value: Any) -> bool:
    if value in (True, False):
        return bool(value)
    if value in ("t", "True", "1"):
        return True
    if value in ("f", "False", "0"):
        return False
    raise ValueError(value)


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise TypeError(value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = datetime.combine(date.fromisoformat(value), datetime.min.time())
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def as_pattern(value: Any) -> str:
    """A value as LIKE looks for it anywhere in a text."""
    text = str(value.replace(tzinfo=None)) if isinstance(value, datetime) else str(value)
    escaped = text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"
