"""Page numbers and filter texts of the lists that are ours."""

from __future__ import annotations

from typing import Any

from flask import request, url_for

#: Longest text a filter looks for; a longer one is cut.
TEXT_CHARS = 200
#: Nobody turns more pages than these; the filter is quicker.
LAST_PAGE = 10_000


def wanted_text(name: str, most: int = TEXT_CHARS) -> str:
    """A text from the address, without what no database takes."""
    return request.args.get(name, "").replace("\x00", "").strip()[:most]


def page_number() -> int:
    """`?page=`, from 1; anything else is the first page."""
    given = request.args.get("page", "")
    return min(max(int(given), 1), LAST_PAGE) if given.isascii() and given.isdigit() and len(given) < 9 else 1


def pager(endpoint: str, page: int, size: int, shown: int, total: int, **arguments: Any) -> dict[str, Any]:
    """What `macros/tables.html` draws below a list of `total` rows, of which this page shows `shown`."""
    kept = {name: value for name, value in arguments.items() if value not in ("", None)}
    first = (page - 1) * size + 1 if shown else 0
    last = first + shown - 1 if shown else 0
    return {
        "first": first, "last": last, "total": total,
        "previous_url": url_for(endpoint, page=page - 1, **kept) if page > 1 else None,
        "next_url": url_for(endpoint, page=page + 1, **kept) if last and last < total else None,
    }  # fmt: skip
