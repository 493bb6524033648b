"""What is known of the jobs of one registry, held so that 200,000 of them are filtered in a blink.

One column per field and plain values in it: some 400 bytes a job, and nothing for the garbage collector to walk.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from .rq_values import name_text

#: Of all jobs in a group, so many projects are named.
MOST_PROJECTS = 20


@dataclass(frozen=True)
class Filter:
    """All that are given must fit. `function` is part of the name, `text` part of id, description or last error line.

    `error` is a group's `exception`, as `QueueReader.groups` tells it; `function` then is the whole name.
    """

    function: str = ""
    text: str = ""
    error: str | None = None
    project_id: int | None = None
    storage: str = ""

    @property
    def empty(self) -> bool:
        return self == Filter()


class Alike(NamedTuple):
    """What the jobs of a group have in common. `gone`: their hashes are no more, only the names are left."""

    function: str | None
    exception: str | None
    gone: bool


class Row(NamedTuple):
    """What is kept of one job; `error` is one example of the group, masked."""

    alike: Alike
    error: str | None
    searched: str
    project_id: int | None
    storage: str | None
    moment: datetime | None


@dataclass(frozen=True)
class JobGroup:
    """Jobs alike: the same function and the same last line of the traceback, numbers aside."""

    function: str | None
    exception: str | None
    gone: bool
    jobs: int
    recent: int
    oldest_at: datetime | None
    newest_at: datetime | None
    example_id: str
    example_error: str | None
    project_ids: tuple[int, ...]


@dataclass
class KnownJobs:
    """Jobs by slot, one column per field. `slots` tells where a job is; 0 stands for an unknown project or moment."""

    slots: dict[bytes, int] = field(default_factory=dict)
    ids: list[bytes] = field(default_factory=list)
    scores: array[float] = field(default_factory=lambda: array("d"))
    groups: array[int] = field(default_factory=lambda: array("l"))
    searched: list[str] = field(default_factory=list)
    projects: array[int] = field(default_factory=lambda: array("q"))
    storages: list[str | None] = field(default_factory=list)
    moments: array[float] = field(default_factory=lambda: array("d"))
    alike: list[Alike] = field(default_factory=list)
    errors: list[str | None] = field(default_factory=list)  # one example per group
    _numbers: dict[Alike, int] = field(default_factory=dict)

    def missing(self, scores: Mapping[bytes, float], job_ids: Iterable[bytes]) -> list[bytes]:
        """Those of these jobs that are not known as they stand now: one that failed again has another score.

        What was known of them is forgotten.
        """
        if not self.slots:
            return list(job_ids)
        found, slots, known = [], self.slots, self.scores
        for job_id in job_ids:
            slot = slots.get(job_id)
            if slot is None or known[slot] != scores[job_id]:
                slots.pop(job_id, None)
                found.append(job_id)
        return found

    def add(self, job_id: bytes, score: float, row: Row) -> None:
        self.slots[job_id] = len(self.ids)
        self.ids.append(job_id)
        self.scores.append(score)
        self.groups.append(self._number(row.alike, row.error))
        self.searched.append(f"{name_text(job_id)}\n{row.searched}\n{row.error or ''}".lower())
        self.projects.append(row.project_id or 0)
        self.storages.append(row.storage)
        self.moments.append(row.moment.timestamp() if row.moment else 0.0)

    def _number(self, alike: Alike, error: str | None) -> int:
        number = self._numbers.get(alike)
        if number is None:
            number = self._numbers[alike] = len(self.alike)
            self.alike.append(alike)
            self.errors.append(error)
        return number

    def only(self, job_ids: Iterable[bytes]) -> KnownJobs:
        """A copy with those of these jobs that are known, for when many have left."""
        kept = KnownJobs()
        for job_id in job_ids:
            slot = self.slots.get(job_id)
            if slot is None:
                continue
            kept.slots[job_id] = len(kept.ids)
            kept.ids.append(job_id)
            kept.storages.append(self.storages[slot])
            kept.searched.append(self.searched[slot])
            for column, old in ((kept.scores, self.scores), (kept.moments, self.moments)):
                column.append(old[slot])
            group = self.groups[slot]
            kept.groups.append(kept._number(self.alike[group], self.errors[group]))
            kept.projects.append(self.projects[slot])
        return kept

    def matching(self, order: Sequence[int], wanted: Filter) -> Sequence[int]:
        """Of these slots, in their order, those whose jobs fit."""
        found = order
        if wanted.function or wanted.error is not None:
            numbers = {number for number, alike in enumerate(self.alike) if _group_fits(alike, wanted)}
            groups = self.groups
            found = [slot for slot in found if groups[slot] in numbers]
        if wanted.project_id is not None:
            projects, project_id = self.projects, wanted.project_id
            found = [slot for slot in found if projects[slot] == project_id]
        if wanted.storage:
            storages, storage = self.storages, wanted.storage
            found = [slot for slot in found if storages[slot] == storage]
        if wanted.text:
            searched, text = self.searched, wanted.text.lower()
            found = [slot for slot in found if text in searched[slot]]
        return found

    def grouped(self, order: Sequence[int], since: datetime | None) -> list[JobGroup]:
        """Groups of the jobs in these slots (newest first), the largest first; `recent` ended at or after `since`."""
        members: dict[int, list[int]] = {}
        groups = self.groups
        for slot in order:
            members.setdefault(groups[slot], []).append(slot)
        told = [self._group(number, slots, since.timestamp() if since else None) for number, slots in members.items()]
        return sorted(told, key=lambda group: -group.jobs)

    def _group(self, number: int, slots: list[int], since: float | None) -> JobGroup:
        moments = [moment for slot in slots if (moment := self.moments[slot])]
        projects = {self.projects[slot] for slot in slots} - {0}
        alike = self.alike[number]
        return JobGroup(
            function=alike.function,
            exception=alike.exception,
            gone=alike.gone,
            jobs=len(slots),
            recent=sum(moment >= since for moment in moments) if since is not None else 0,
            oldest_at=_moment(min(moments, default=0.0)),
            newest_at=_moment(max(moments, default=0.0)),
            example_id=name_text(self.ids[slots[0]]),
            example_error=self.errors[number],
            project_ids=tuple(sorted(projects)[:MOST_PROJECTS]),
        )


def _group_fits(alike: Alike, wanted: Filter) -> bool:
    name, function = (alike.function or "").lower(), wanted.function.lower()
    if wanted.error is None:
        return function in name
    return (alike.exception or "") == wanted.error and name == function


def _moment(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
