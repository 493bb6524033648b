"""Reasons of a check that could not judge many storages, which the runner joins as `s3:1: reason. s3:2: reason.`"""

from __future__ import annotations

import re

#: Storages that are named before the rest is counted.
NAMED = 3
_NEXT = re.compile(r"(?<=\.) (?=[a-z0-9-]+:\d+: )")
_ABOUT = re.compile(r"([a-z0-9-]+:\d+): (.*)", re.DOTALL)


def parts(text: str) -> list[tuple[str, str]]:
    """(reference of a storage or "", reason) of each part of the text."""
    return [(match[1], match[2]) if (match := _ABOUT.fullmatch(part)) else ("", part) for part in _NEXT.split(text)]


def grouped(text: str) -> str:
    """The text with each reason said once: `26 storages (s3:2, s3:3, s3:4 and 23 more): reason.`"""
    about: dict[str, list[str]] = {}
    for reference, reason in parts(text):
        about.setdefault(reason, []).append(reference)
    return " ".join(_said(reason, references) for reason, references in about.items())


def _said(reason: str, references: list[str]) -> str:
    if len(references) == 1 or not all(references):
        return f"{references[0]}: {reason}" if references[0] else reason
    rest = len(references) - NAMED
    named = ", ".join(references[:NAMED]) + (f" and {rest:,} more" if rest > 0 else "")
    return f"{len(references):,} storages ({named}): {reason}"
