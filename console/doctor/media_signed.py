"""What a signed address says of itself: until when it works, and whether it was escaped twice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, unquote, urlsplit

SIGNATURES = frozenset({"x-amz-signature", "x-goog-signature", "signature", "sig"})


@dataclass(frozen=True)
class Signed:
    """`made` and `ends` as far as the address tells them; `temporary`: made with a session token, which may end sooner."""

    kind: str
    made: datetime | None
    ends: datetime | None
    temporary: bool = False


def signed(url: str) -> Signed | None:
    """What the query of a signed address tells; None for an address without a signature."""
    query = {name.lower(): value for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True)}
    if not SIGNATURES & set(query):
        return None
    for prefix, kind in (("x-amz-", "S3"), ("x-goog-", "Google")):
        if f"{prefix}signature" in query:
            made = _moment(query.get(f"{prefix}date", ""), "%Y%m%dT%H%M%SZ")
            lasts = query.get(f"{prefix}expires", "")
            seconds = int(lasts) if re.fullmatch(r"[0-9]{1,9}", lasts) else None
            ends = made + timedelta(seconds=seconds) if made and seconds is not None else None
            return Signed(kind, made, ends, f"{prefix}security-token" in query)
    if "sig" in query:
        told = unquote(query.get("se", "")).replace("Z", "+0000")
        ends = next(
            (
                found
                for form in ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z", "%Y-%m-%d")
                if (found := _moment(told, form))
            ),
            None,
        )
        return Signed("Azure", None, ends)
    until = query.get("expires", "")
    return Signed("S3", None, datetime.fromtimestamp(int(until), UTC) if re.fullmatch(r"[0-9]{9,11}", until) else None)


def twice_escaped(text: str) -> str | None:
    """The part of an address that was escaped twice (`%2520`), or None."""
    found = re.search(r"%25[0-9A-Fa-f]{2}", text.partition("?")[0])
    return found[0] if found else None


def _moment(text: str, form: str) -> datetime | None:
    try:
        found = datetime.strptime(text, form)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
