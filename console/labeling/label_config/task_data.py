"""Does task data have what the configuration shows? With Label Studio's messages, for imports and single tasks.

Source: Label Studio's `tasks/validation.py TaskValidator.check_data`.
"""

from __future__ import annotations

from typing import Any

from .parsing import ParsedConfig

UNDEFINED = "$undefined$"
"""The key under which text files and blobs arrive; the first object tag's key takes its place."""

_TEXT_OR_LIST = (str, list)
_TABLE = (dict, list, str)
_TYPES: dict[str, tuple[type, ...]] = {
    "Text": (str, int, float, list),
    "Header": (str, int, float),
    "HyperText": (str,),
    "Image": _TEXT_OR_LIST,
    "Paragraphs": (list, str),
    "Chat": (list, str),
    "Table": _TABLE,
    "TimeSeries": _TABLE,
    "TimeSeriesChannel": _TABLE,
    "List": (list, str),
    "Ranker": (list, str),
    "Taxonomy": (str, list, type(None)),
    "Choices": _TEXT_OR_LIST,
    "Labels": _TEXT_OR_LIST,
    "BrushLabels": _TEXT_OR_LIST,
    "EllipseLabels": _TEXT_OR_LIST,
    "HyperTextLabels": _TEXT_OR_LIST,
    "KeyPointLabels": _TEXT_OR_LIST,
    "ParagraphLabels": _TEXT_OR_LIST,
    "PolygonLabels": _TEXT_OR_LIST,
    "RectangleLabels": _TEXT_OR_LIST,
    "TimeSeriesLabels": _TEXT_OR_LIST,
}
_MISSING = object()


def name_undefined(parsed: ParsedConfig, data: Any) -> None:
    """Put the value of `$undefined$` under the first object tag's key, in place; it then comes last."""
    if isinstance(data, dict) and UNDEFINED in data and (key := parsed.first_object_key):
        data[key] = data.pop(UNDEFINED)


def problem(parsed: ParsedConfig, data: Any) -> str | None:
    """The first thing wrong with task data, in Label Studio's words, or None. `$undefined$` is named first, in place."""
    if data is None:
        return "Task is empty (None)"
    name_undefined(parsed, data)
    for key, tag in parsed.data_types.items():
        path, bracket, _ = key.partition("[")
        value = _at(data, path)
        if value is _MISSING:
            return f'"{path}" key is expected in task data'
        expected = (list,) if bracket else _TYPES.get(tag, (str,))
        if not isinstance(value, expected):
            return (
                f"data['{path}']={value} is of type '{type(value).__name__}', but the object tag {tag} expects the "
                f"following types: {[one.__name__ for one in expected]}"
            )
    return None


def problem_with_root(parsed: ParsedConfig, data: Any, is_root: bool) -> str | None:
    """As `problem`, telling which part of an item was taken for the data: the item itself (`is_root`) or its `data`."""
    found = problem(parsed, data)
    if found is None:
        return None
    taken = "item as is = task root with values] " if is_root else 'item["data"] = task root with values]'
    return f"{found} [assume: {taken}"


def _at(data: Any, path: str) -> Any:
    """The value at `a.b.c`, through objects only."""
    value = data
    for step in path.split("."):
        if not isinstance(value, dict) or step not in value:
            return _MISSING
        value = value[step]
    return value
