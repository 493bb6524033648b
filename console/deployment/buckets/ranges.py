"""HTTP's `Range` header for providers that know bytes and no HTTP: local files, Redis."""

from __future__ import annotations

import re

from .errors import BucketProblem

_ONE = re.compile(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


def span_of(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte (both included) that a header asks for, of an object of `size` bytes.

    None means the whole object: no header, several ranges, or one that makes no sense, as HTTP wants it. Raises
    BucketProblem with the code `InvalidRange` for a range behind the end.
    """
    found = _ONE.fullmatch(header or "")
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        start, end = max(size - int(last), 0), size - 1
        behind = int(last) == 0 or size == 0
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
        if last and int(last) < start:
            return None
        behind = start >= size
    if behind:
        raise BucketProblem(f"The range lies behind the end: there are {size:,} bytes.", "InvalidRange")
    return start, end
