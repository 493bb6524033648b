"""Bare lists that may be long: sent as their items arrive, so that memory stays flat."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import orjson
from flask import Response, g


def listed(portions: Iterator[list[dict[str, Any]]]) -> Response:
    """A JSON list. The request's read transaction is this answer's from here on, and ends with it.

    What goes wrong with the first portion is raised; later the connection breaks off, as the status is sent by then.
    """
    first = next(portions, [])
    stack, _ = g.pop("api_reading")
    response = Response(_lines(itertools.chain([first], portions), stack.close), mimetype="application/json")
    response.call_on_close(stack.close)
    return response


def _lines(portions: Iterator[list[dict[str, Any]]], done: Callable[[], None]) -> Iterator[bytes]:
    try:
        yield b"["
        separator = b""
        for portion in portions:
            for item in portion:
                yield separator + orjson.dumps(item, option=orjson.OPT_UTC_Z)
                separator = b","
        yield b"]"
    finally:
        done()
