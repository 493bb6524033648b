"""Pages with `count`, `next`, `previous` and `results`, linked as Django REST framework links them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from flask import request

from ..errors import NotFound


def window(total: int, number: int, size: int) -> tuple[int, int]:
    """(limit, offset) of a page. Raises NotFound (`Invalid page.`) past the end; the first page may be empty."""
    if number > 1 and (number - 1) * size >= total:
        raise NotFound("Invalid page.")
    return size, (number - 1) * size


def paged(results: Sequence[Any], *, total: int, number: int, size: int) -> dict[str, Any]:
    """The body of one page; links name this server and keep the other parameters, in alphabetical order."""
    return {
        "count": total,
        "next": _link(number + 1) if number * size < total else None,
        "previous": _link(number - 1) if number > 1 else None,
        "results": results,
    }


def _link(number: int) -> str:
    """The address of another page; the first has no number."""
    arguments = {name: values for name, values in request.args.lists() if name != "page"}
    if number > 1:
        arguments["page"] = [str(number)]
    query = urlencode(sorted(arguments.items()), doseq=True)
    return f"{request.base_url}?{query}" if query else request.base_url
