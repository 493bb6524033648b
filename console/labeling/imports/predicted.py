"""Fields of task data that are predictions, as `preannotated_from_fields` names them.

Source: Label Studio's `data_import/functions.py reformat_predictions`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..label_config import ParsedConfig

_BARE = frozenset({"rating", "number", "datetime"})


def preannotated(config: ParsedConfig, items: Iterable[Any], fields: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Each item with the named fields of its data as predictions too; whatever else it had is left behind, as Label
    Studio leaves it."""
    for item in items:
        data = item.get("data", item) if isinstance(item, dict) else item
        given = data if isinstance(data, dict) else {}
        predictions = [
            {"result": [_guess(config, field, given[field])], "score": 1.0, "model_version": "preannotated"}
            for field in fields
            if given.get(field) is not None
        ]
        yield {"data": data, "predictions": predictions}


def _guess(config: ParsedConfig, field: str, value: Any) -> dict[str, Any]:
    control = config.controls.get(field)
    kind = control["type"].lower() if control else "choices"
    to_name = control["to_name"][0] if control and control["to_name"] else "text"
    if not isinstance(value, dict):
        key = "text" if kind == "textarea" else kind
        value = {key: value if kind in _BARE or isinstance(value, list) else [value]}
    return {"from_name": field, "to_name": to_name, "type": kind, "value": value}
