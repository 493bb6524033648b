"""Do the regions of a prediction fit the labeling configuration? A prediction that does not would break the page.

Label Studio asks its SDK; these are the SDK's rules about names, types, labels, relations, scores and about what a
region of each kind must have. Source: `label_studio_sdk.label_interface` (`validate_prediction`, `control_tags`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..label_config import ParsedConfig

_BOX, _ROUND = ("x", "y", "width", "height"), ("x", "y", "radiusX", "radiusY")
_SPAN = ("start", "end")
#: Control -> what the value of its regions must have; `labels` of these controls stand under their own name.
_NUMBERS: Mapping[str, tuple[str, ...]] = {
    "rectangle": _BOX, "rectanglelabels": _BOX, "ellipse": _ROUND, "ellipselabels": _ROUND, "ocrlabels": _BOX,
    "keypoint": ("x", "y"), "keypointlabels": ("x", "y"), "number": ("number",), "rating": ("rating",),
}  # fmt: skip
_PRESENT: Mapping[str, tuple[str, ...]] = {
    "labels": _SPAN, "hypertextlabels": _SPAN, "paragraphlabels": _SPAN, "timeserieslabels": _SPAN, "polygon": ("points",),
    "polygonlabels": ("points",), "brush": ("rle",), "brushlabels": ("rle",), "choices": ("choices",),
    "textarea": ("text",), "taxonomy": ("taxonomy",), "datetime": ("datetime",), "videorectangle": ("sequence",),
}  # fmt: skip
_UNDER_OWN_NAME = frozenset({"choices", "taxonomy"})
_DIRECTIONS = ("left", "right", "bi")


def problem(config: ParsedConfig, prediction: Mapping[str, Any]) -> str | None:
    """The first thing that does not fit, or None."""
    result = prediction.get("result")
    if "result" not in prediction:
        return "Missing required field 'result'"
    if not isinstance(result, list):
        return "'result' must be a list"
    return next(_problems(config, prediction.get("score"), result), None)


def _problems(config: ParsedConfig, score: Any, result: list[Any]) -> Iterator[str]:
    if score is not None:
        try:
            if not 0.0 <= float(score) <= 1.0:
                yield f"Score must be between 0.00 and 1.00 inclusive, got {float(score)}"
        except (TypeError, ValueError, OverflowError):
            yield f"Score must be a valid number, got {score}"
    ids = {str(region.get("id")) for region in result if isinstance(region, dict) and "id" in region}
    for index, region in enumerate(result):
        if not isinstance(region, dict):
            yield f"Region must be a dictionary. Got {type(region)}: {region}"
        elif region.get("type") == "relation":
            yield from _of_relation(index, region, ids)
        elif found := _of_region(config, region):
            yield f"Region {index}: {found}"


def _of_region(config: ParsedConfig, region: Mapping[str, Any]) -> str | None:
    for name in ("from_name", "to_name", "type", "value"):
        if name not in region:
            return f"Missing required field '{name}'"
    from_name, to_name, kind, value = (region[name] for name in ("from_name", "to_name", "type", "value"))
    control = config.controls.get(from_name) if isinstance(from_name, str) else None
    if control is None:
        return f"'from_name' '{from_name}' not found in configuration"
    if not isinstance(to_name, str) or to_name not in config.objects:
        return f"'to_name' '{to_name}' not found in configuration"
    expected, actual = control["type"].lower(), str(kind).lower()
    merged = expected == "labels" and actual != expected and actual.endswith("labels")
    if actual != expected and not merged:
        return f"Type '{actual}' does not match expected type '{expected}' for control '{from_name}'"
    if to_name not in control["to_name"]:
        return f"'to_name' '{to_name}' is not valid for control '{from_name}'. Valid options: {control['to_name']}"
    if not _is_value(control, "merged" if merged else expected, value):
        return f"Invalid value for control '{from_name}'. Got: {value}. Valid options: {control['labels']}"
    return None


def _is_value(control: Mapping[str, Any], kind: str, value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    geometry = any(name in value for name in ("x", "points", "rle", "vertices", "sequence"))
    needed = () if kind == "labels" and geometry else _PRESENT.get(kind, ())
    if any(value.get(name) is None for name in needed):
        return False
    if not all(
        _is_number(value.get(name), most=100 if name in _BOX + _ROUND else None) for name in _NUMBERS.get(kind, ())
    ):
        return False
    if not kind.endswith("labels") and kind not in _UNDER_OWN_NAME:
        return True
    labels = value.get(kind)
    if not isinstance(labels, list):
        return False
    known = set(control["labels"])
    if kind == "taxonomy" or not known or control.get("dynamic_labels"):
        return True
    return all(isinstance(label, str) and label in known for label in labels)


def _is_number(value: Any, *, most: int | None) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and (most is None or value <= most)


def _of_relation(index: int, relation: Mapping[str, Any], ids: set[str]) -> Iterator[str]:
    for name in ("direction", "from_id", "to_id"):
        if name not in relation:
            yield f"Relation {index}: Missing required field '{name}'"
    if relation.get("direction") not in _DIRECTIONS:
        yield f"Relation {index}: Direction must be one of {_DIRECTIONS}, got '{relation.get('direction')}'"
    for name in ("from_id", "to_id"):
        if str(relation.get(name)) not in ids:
            yield f"Relation {index}: '{name}' '{relation.get(name)}' not found in regions"
