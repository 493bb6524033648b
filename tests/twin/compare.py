"""Whether two answers, or two rows, say the same: equal to the letter, but for what nobody could make equal.

Times of this test run, UUIDs, tokens and hashes differ between any two servers. They are accepted where both sides
have one of the same form; and what stood for the other's once has to stand for it everywhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

ABSENT = "(absent)"
VOLATILE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d(?::?\d\d)?)?)"
    r"|(?P<minute>\d{4}-\d\d-\d\d-\d\d-\d\d)"
    r"|(?P<jwt>eyJ[\w-]+\.eyJ[\w-]+(?:\.[\w-]+)?)"
    r"|(?P<password>pbkdf2_sha256\$\d+\$\w+\$[\w+/=]+)"
    r"|(?P<uuid>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
    r"|(?P<hash>(?<![0-9a-zA-Z])(?:[0-9a-zA-Z]{40}|[0-9a-f]{32})(?![0-9a-zA-Z]))"
    r"|(?P<prefix>(?<=[/-])[0-9a-f]{8}(?=[-.]))"
)
AGO = re.compile(r"\d+(\xa0\w+?)s?(?=,|$)")
#: Numbers that mean nothing beyond the process that made them: seconds it measured, and Python's own hash of a text.
OWN_NUMBERS = frozenset({"duration", "label_config_hash"})
#: Texts that Label Studio joins from a set, so that their order differs from process to process.
SETS = frozenset({"annotations_ids", "predictions_model_versions"})
#: Lists that Label Studio reads without an order: PostgreSQL hands them over as the rows happen to lie.
UNORDERED = frozenset({"annotations", "predictions", "drafts"})
#: Counts that Label Studio lets grow (`summary-drift` in docs/api-differences.md): ours may be lower, never higher.
DRIFTING = frozenset({"all_data_columns", "created_labels_drafts"})


class Matcher:
    """Compares the values of one sequence of requests; remembers which value stood for which."""

    def __init__(self, since: datetime | None = None) -> None:
        """Times before `since` were in the database already and have to be equal."""
        self.since = (since or datetime.now(UTC)) - timedelta(seconds=2)
        self._ours: dict[str, str] = {}
        self._theirs: dict[str, str] = {}

    def differences(self, theirs: Any, ours: Any, *, ignore: Iterable[str] = (), at: str = "") -> Iterator[str]:
        """One line per place where Label Studio's value and ours differ; `ignore` holds keys, or patterns of places.

        A place reads `results.0.title`; the pattern `results.*.title` names it in all items, the key `title` everywhere.
        """
        ignore = tuple(ignore)
        if at and _ignored(at, ignore):
            return
        if isinstance(theirs, dict) and isinstance(ours, dict):
            for key in [*theirs, *(key for key in ours if key not in theirs)]:
                yield from self.differences(
                    theirs.get(key, ABSENT), ours.get(key, ABSENT), ignore=ignore, at=f"{at}.{key}".lstrip(".")
                )
        elif isinstance(theirs, list) and isinstance(ours, list):
            if at.rpartition(".")[2] in UNORDERED:
                theirs, ours = (sorted(items, key=_id) for items in (theirs, ours))
            if len(theirs) != len(ours):
                yield f"{at or 'list'}: {len(theirs)} items in Label Studio, {len(ours)} in the console"
            for number, (left, right) in enumerate(zip(theirs, ours, strict=False)):
                yield from self.differences(left, right, ignore=ignore, at=f"{at}.{number}".lstrip("."))
        elif not DRIFTING.isdisjoint(at.split(".")[:-1]) and _drifted(theirs, ours):
            return
        elif not self.same(theirs, ours, key=at.rpartition(".")[2]):
            yield f"{at or 'body'}: {shown(theirs)} in Label Studio, {shown(ours)} in the console"

    def same(self, theirs: Any, ours: Any, *, key: str = "") -> bool:
        """Whether two plain values are the same; a number and its text are not, nor are 1, 1.0 and true."""
        if type(theirs) is not type(ours):
            return False
        if key in OWN_NUMBERS and isinstance(theirs, (int, float)):
            return True
        if isinstance(theirs, datetime):
            return self._same_time(theirs, ours)
        if isinstance(theirs, str):
            if key == "created_ago":
                return AGO.sub(r"N\1", theirs) == AGO.sub(r"N\1", ours)
            if key in SETS:
                return sorted(theirs.split(",")) == sorted(ours.split(","))
            return self.same_text(theirs, ours)
        return bool(theirs == ours)

    def same_text(self, theirs: str, ours: str) -> bool:
        """Whether two texts are equal but for times, UUIDs, tokens and hashes in the same places."""
        left, right = list(VOLATILE.finditer(theirs)), list(VOLATILE.finditer(ours))
        if len(left) != len(right) or VOLATILE.sub("\0", theirs) != VOLATILE.sub("\0", ours):
            return False
        return all(
            self._same_piece(str(a.lastgroup), a.group(), str(b.lastgroup), b.group())
            for a, b in zip(left, right, strict=True)
        )

    def _same_piece(self, kind: str, theirs: str, other_kind: str, ours: str) -> bool:
        if kind != other_kind:
            return False
        if kind == "time":
            if theirs == ours:
                return True
            same_form = re.sub(r"\d", "0", theirs) == re.sub(r"\d", "0", ours)
            return same_form and self._same_time(_time(theirs), _time(ours))
        if kind == "minute":
            return True
        return self._ours.setdefault(theirs, ours) == ours and self._theirs.setdefault(ours, theirs) == theirs

    def _same_time(self, theirs: datetime, ours: datetime) -> bool:
        return theirs == ours or (_aware(theirs) >= self.since and _aware(ours) >= self.since)


def shown(value: Any) -> str:
    """A value for a message, cut when it is long."""
    text = value if value is ABSENT else repr(value)
    return text if len(text) <= 300 else f"{text[:300]}… ({len(text)} characters)"


def _id(item: Any) -> str:
    return str(item.get("id")) if isinstance(item, dict) else str(item)


def _drifted(theirs: Any, ours: Any) -> bool:
    if ours is ABSENT:
        return isinstance(theirs, (int, dict))
    return isinstance(theirs, int) and isinstance(ours, int) and ours <= theirs


def _ignored(at: str, ignore: tuple[str, ...]) -> bool:
    key = at.rpartition(".")[2]
    return any(pattern == key or fnmatchcase(at, pattern) for pattern in ignore)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace(" ", "T"))


def _aware(time: datetime) -> datetime:
    """Without a zone it is UTC: so Django keeps times in SQLite."""
    return time if time.tzinfo else time.replace(tzinfo=UTC)
