"""The walk through a bucket as Label Studio's sync walks it: page by page, the filter, then which objects are new.

Nothing is kept but counts: a bucket of a million objects passes through in the memory of a few pages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ...deployment.buckets import Bucket, ObjectInfo
from ...deployment.storage_rules import ScanRules
from ...patterns import PatternInvalid, compile_problem, match_all
from .links import KnownLinks

#: Pages are put together up to so many objects, so that a filter which needs a process of its own costs little.
_OBJECTS_AT_ONCE = 4_000
#: A filter may take this long for one part of the listing.
PATTERN_SECONDS = 10.0


@dataclass
class Batch:
    """Some objects in the order of the listing, each in one of three lists. `linked_tasks` are the tasks of the linked."""

    new: list[ObjectInfo] = field(default_factory=list)
    linked: list[ObjectInfo] = field(default_factory=list)
    filtered: list[ObjectInfo] = field(default_factory=list)
    linked_tasks: int = 0
    folders: list[str] = field(default_factory=list)
    broken_off: bool = False

    @property
    def objects(self) -> list[ObjectInfo]:
        """All that were listed, filtered ones last."""
        return [*self.new, *self.linked, *self.filtered]


def walk(
    bucket: Bucket, rules: ScanRules, known: KnownLinks | None, *, seconds: float | None = None
) -> Iterator[Batch]:
    """The objects of a storage; `seconds` is what the filter may take for one part of the listing.

    Raises BucketError, PatternInvalid before anything is listed, PatternTimeout.
    """
    if rules.pattern is not None and (problem := compile_problem(rules.pattern)):
        shown = rules.pattern if len(rules.pattern) <= 200 else rules.pattern[:200] + "…"
        raise PatternInvalid(f"{shown!r} is not a valid regular expression: {problem}")
    for objects, folders, broken_off in _together(bucket, rules):
        batch = Batch(folders=folders, broken_off=broken_off)
        kept = _filtered(list({one.key: one for one in objects}.values()), rules, batch, seconds)
        numbers = known.tasks([one.key for one in kept]) if known is not None else [0] * len(kept)
        for one, number in zip(kept, numbers, strict=True):
            (batch.linked if number else batch.new).append(one)
        batch.linked_tasks = sum(numbers)
        yield batch


def _together(bucket: Bucket, rules: ScanRules) -> Iterator[tuple[list[ObjectInfo], list[str], bool]]:
    objects: list[ObjectInfo] = []
    folders: list[str] = []
    broken_off = False
    for page in bucket.pages(rules.prefix, rules.recursive):
        objects += page.objects
        folders += page.folders
        broken_off = broken_off or page.broken_off
        if len(objects) >= _OBJECTS_AT_ONCE:
            yield objects, folders, broken_off
            objects, folders = [], []
    if objects or folders or broken_off:
        yield objects, folders, broken_off


def _filtered(objects: list[ObjectInfo], rules: ScanRules, batch: Batch, seconds: float | None) -> list[ObjectInfo]:
    if rules.pattern is None or not objects:
        return objects
    matches = match_all(rules.pattern, [rules.subject(one.key) for one in objects], seconds or PATTERN_SECONDS)
    batch.filtered = [one for one, matched in zip(objects, matches, strict=True) if not matched]
    return [one for one, matched in zip(objects, matches, strict=True) if matched]
