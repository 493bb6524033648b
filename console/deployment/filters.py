"""Filters near a given one: what somebody may have meant whose filter matches nothing, tried on the real keys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..patterns import PatternInvalid, PatternTimeout, glob_meaning, match_all
from .keys import SPELLINGS

_LITERAL = re.compile(r"(?:[^\\.*+?()\[\]{}|^$]|\\[^A-Za-z0-9])*")


def meant_by(pattern: str, prefix: str, *, by_name: bool) -> str | None:
    """The regular expression behind a wildcard, placed where this storage matches it; None when it is no wildcard.

    Cloud storages match from the start of the whole key, local files (`by_name`) match the file name alone.
    """
    if by_name:
        pattern = pattern.strip().rpartition("/")[2] if "/" in pattern else pattern
        return glob_meaning(pattern)
    meaning = glob_meaning(pattern)
    if meaning is None or not prefix or meaning == pattern.strip():
        return meaning
    literal = re.sub(r"\\(.)", r"\1", _LITERAL.match(meaning)[0])  # type: ignore[index]
    folder = prefix.rstrip("/") + "/"
    reaches = literal.startswith(folder) or (literal != "" and folder.startswith(literal))
    takes_any = re.match(r"\(*\.\*", meaning) is not None
    return meaning if reaches or takes_any else f".*{meaning}"


def nearest(pattern: str, prefix: str, keys: Sequence[str], seconds: float = 2.0) -> tuple[str, list[bool], str] | None:
    """The first variant of a filter that matches any key: (filter, which keys, what it changes), or None.

    `seconds` is for one variant; the first that takes longer ends the search.
    """
    for candidate, change in variants(pattern, prefix):
        try:
            matches = match_all(candidate, keys, seconds)
        except PatternInvalid:
            continue
        except PatternTimeout:
            return None  # the others are as slow
        if any(matches):
            return candidate, matches, change
    return None


def variants(pattern: str, prefix: str) -> Iterator[tuple[str, str]]:
    """Filters near a given one with what each changes, the nearest first; all differ from it."""
    meant = meant_by(pattern, prefix, by_name=False)
    bare = pattern.strip()
    either = _either_spelling(bare)
    every = [
        (meant, "it is a wildcard, and this is the regular expression it stands for"),
        (bare, "it has blanks around it"),
        (_anywhere(bare), "it is matched from the start of the whole key, folders included"),
        (_any_case(bare), "the keys are written in another letter case"),
        (_any_case(_anywhere(bare)), "it is matched from the start of the whole key, and letter case counts"),
        (either, "the extension is spelled the other way"),
        (_anywhere(either), "it is matched from the start of the key, and the extension is spelled the other way"),
        (_any_case(_anywhere(either)), "folders, letter case and the spelling of the extension all differ"),
    ]
    tried = {pattern}
    for candidate, change in every:
        if candidate and candidate not in tried:
            tried.add(candidate)
            yield candidate, change


def _anywhere(pattern: str) -> str:
    flags, rest = _flags(pattern)
    rest = rest.removeprefix("^")
    if rest.startswith(".*"):
        return flags + rest
    return f"{flags}.*(?:{rest})" if "|" in rest else f"{flags}.*{rest}"


def _any_case(pattern: str) -> str:
    flags, rest = _flags(pattern)
    if "i" in flags:
        return pattern
    return f"(?i{flags[2:]}{rest}" if flags else f"(?i){rest}"


def _flags(pattern: str) -> tuple[str, str]:
    """Flags may stand at the start only."""
    found = re.match(r"\(\?[aiLmsux]+\)", pattern)
    return (found[0], pattern[found.end() :]) if found else ("", pattern)


def _either_spelling(pattern: str) -> str:
    for short, long, both in SPELLINGS:
        pattern = both.join(re.split(rf"(?<![A-Za-z])(?:{long}|{short})(?![A-Za-z?])", pattern))
    return pattern
