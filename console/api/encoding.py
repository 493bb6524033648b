"""Answers as JSON bytes, whatever is stored."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import orjson

_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS


def encoded(value: Any) -> bytes:
    """JSON of a value. Aware times become `…Z`; `orjson.Fragment` values pass through as they are.

    What orjson refuses, halves of surrogate pairs and more than 254 levels, the standard library writes, slowly.
    Raises RecursionError for what is nested deeper still.
    """
    try:
        return orjson.dumps(value, option=_OPTIONS)
    except orjson.JSONEncodeError:
        return json.dumps(value, default=_plain).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, orjson.Fragment):
        return json.loads(orjson.dumps(value))
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    raise TypeError(f"{type(value).__name__} is no JSON")
