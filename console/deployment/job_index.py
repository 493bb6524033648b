"""Filters and counts the jobs of a registry, 200,000 and more, without keeping anybody waiting.

To filter by function, error or project, every job's hash has to be read once: some ten thousand a second. So what was
read is kept in this process, newest first, and only what is new is read again. A question gets its answer within its
time budget from what is known so far, and the answer says how many jobs were looked at; meanwhile a thread reads on,
in small bites, until all are known or nobody has asked for a minute.

Nothing here is stored anywhere else, and nothing but read commands is sent.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from ..errors import Unknown
from ..masking import mask_text
from .job_arguments import about_description, read_call
from .job_reading import JobReader
from .rq_values import alike, function_in, inflated, last_line, name_text, parse_time, result_exception

BITE = 500  # jobs that are read at once
MEMBERS_BITE = 20_000  # names of jobs that are read at once: two milliseconds of Redis' time
#: Jobs that are known at most, over all registries: about 60 MB at the usual length of descriptions.
MOST_ROWS = 250_000
#: A larger registry is read anew by the thread, while questions are answered from what it knew.
SMALL = 5_000
#: How old the list of names of a large registry may be.
STALE_SECONDS = 3.0
#: The thread stops when nobody asked for so long.
UNASKED_SECONDS = 60.0
PAUSE_SECONDS = 0.01
#: Of a description, so much is searched.
SEARCHED_CHARACTERS = 240
_SMALL_HASH_BYTES = 64 * 1024
_FIELDS = ("description", "status", "ended_at", "enqueued_at", "created_at", "exc_info", "meta")
_WITH_EXCEPTION = {"failed", "started", "canceled"}


class Row(NamedTuple):
    """What is kept of one job. `error` is the masked last line of its traceback, shared between rows."""

    score: bytes
    group: tuple[str | None, str | None, bool]
    error: str | None
    searched: str
    project_id: int | None
    storage: str | None
    moment: datetime | None


@dataclass(frozen=True)
class Filter:
    """All that are given must fit. `function` is part of the name, `text` part of id, description or last error line.

    `error` is a group's `exception`, as `QueueReader.groups` tells it; `function` then names the whole function.
    """

    function: str = ""
    text: str = ""
    error: str | None = None
    project_id: int | None = None
    storage: str = ""

    @property
    def empty(self) -> bool:
        return self == Filter()


@dataclass(frozen=True)
class JobGroup:
    """Failed jobs alike: the same function and the same last line, numbers aside. `gone`: only their names are left."""

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
class _Registry:
    """The names in a registry, newest first, and the rows known of them."""

    queue: bytes
    state: str
    members: list[tuple[bytes, bytes]] = field(default_factory=list)
    rows: dict[bytes, Row] = field(default_factory=dict)
    total: int = 0
    whole: bool = False  # whether `members` holds every name
    read_at: float = 0.0
    as_of: datetime = datetime.min.replace(tzinfo=UTC)
    asked_at: float = 0.0
    missing: list[tuple[bytes, bytes]] = field(default_factory=list)  # the newest at the end

    @property
    def names_known(self) -> bool:
        return self.whole or self.total > MOST_ROWS


@dataclass(frozen=True)
class Known:
    """What a question is answered from: rows newest first, of `total` names as they were at `as_of`."""

    rows: list[tuple[bytes, Row]]
    total: int
    complete: bool
    as_of: datetime


class JobIndex:
    """Knows the jobs of the registries that were asked about. Threads may share it."""

    def __init__(self, reader: JobReader) -> None:
        self._reader = reader
        self._registries: dict[tuple[bytes, str], _Registry] = {}
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def close(self) -> None:
        self._closed.set()
        self._registries.clear()

    def known(self, queue: bytes, state: str, budget_seconds: float | None) -> Known:
        """Reads on until all is known or the budget is spent (None: until all is known)."""
        give_up = None if budget_seconds is None else time.monotonic() + budget_seconds
        with self._lock:
            registry = self._registries.setdefault((queue, state), _Registry(queue, state))
            registry.asked_at = time.monotonic()
            self._forget_others(registry)
        if registry.total <= SMALL or not registry.members or give_up is None:
            self._read_members(registry, give_up)
        while give_up is None or time.monotonic() < give_up:
            if not self._bite(registry):
                break
        with self._lock:
            rows = registry.rows
            known = [(job_id, row) for job_id, _ in registry.members if (row := rows.get(job_id))]
            told = Known(known, registry.total, len(known) >= registry.total, registry.as_of)
        if not told.complete or registry.asked_at - registry.read_at > STALE_SECONDS:
            self._start()
        return told

    # --- reading ---

    def _read_members(self, registry: _Registry, give_up: float | None) -> None:
        """The names anew, the newest first, and what of them is yet to be read."""
        members: dict[bytes, bytes] = {}
        began, total = time.monotonic(), 0
        for counted, part in self._names(registry):
            total = counted
            members.update(part)
            if len(members) >= MOST_ROWS or (give_up is not None and time.monotonic() > (began + give_up) / 2):
                break
        with self._lock:
            known, kept = registry.rows, {}
            registry.members = list(members.items())[:MOST_ROWS]
            for job_id, score in registry.members:
                row = known.get(job_id)
                if row and row.score == score:
                    kept[job_id] = row
            registry.rows, registry.total, registry.whole = kept, total, len(members) >= total
            registry.missing = [member for member in registry.members if member[0] not in kept][::-1]
            registry.read_at, registry.as_of = time.monotonic(), datetime.now(UTC)

    def _names(self, registry: _Registry) -> Iterator[tuple[int, list[tuple[bytes, bytes]]]]:
        """How many there are, and ids with their scores, bite by bite; what shifts in between is seen at the next look."""
        key, first = self._reader.listed(registry.queue, registry.state), 0
        queued = registry.state == "queued"
        while True:
            last = first + MEMBERS_BITE - 1
            part = ("LRANGE", key, -last - 1, -first - 1) if queued else ("ZREVRANGE", key, first, last, "WITHSCORES")
            total, answer = self._reader.redis.pipeline([("LLEN" if queued else "ZCARD", key), part])
            if isinstance(total, Exception) or isinstance(answer, Exception):
                raise wrong_type(key)
            if queued:
                yield total, [(member, b"") for member in reversed(answer)]
            else:
                pairs = zip(answer[::2], answer[1::2], strict=True)
                yield total, [(member_id(member, registry.state), score) for member, score in pairs]
            first += MEMBERS_BITE
            if first >= total:
                return

    def _bite(self, registry: _Registry) -> bool:
        """Reads the newest jobs that are not known yet; False when there are none."""
        with self._lock:
            bite = registry.missing[-BITE:][::-1]
            del registry.missing[-BITE:]
        rows = self._rows(bite, registry.state) if bite else []
        with self._lock:
            registry.rows.update(zip((job_id for job_id, _ in bite), rows, strict=True))
        return bool(bite)

    def _rows(self, bite: list[tuple[bytes, bytes]], state: str) -> list[Row]:
        reader = self._reader
        keys = [reader.key("job:", job_id) for job_id, _ in bite]
        told = self._hashes(keys)
        results: list[Any] = [None] * len(bite)
        if state in _WITH_EXCEPTION:
            asked = [place for place, values in enumerate(told) if values and not values["exc_info"]]
            found = reader.newest_results([reader.key("results:", bite[place][0]) for place in asked])
            for place, result in zip(asked, found, strict=True):
                results[place] = result
        calls = self._calls(keys, told)
        return [
            _row(score, values, result, calls.get(place))
            for place, ((_, score), values, result) in enumerate(zip(bite, told, results, strict=True))
        ]

    def _hashes(self, keys: list[bytes]) -> list[dict[str, Any] | None]:
        """As JobReader.hashes; a hash that is small as a whole need not be measured field by field."""
        sizes = self._reader.redis.try_pipeline([("MEMORY USAGE", key, "SAMPLES", 64) for key in keys])
        small = [
            key for key, size in zip(keys, sizes, strict=True) if isinstance(size, int) and size <= _SMALL_HASH_BYTES
        ]
        answers = dict(
            zip(small, self._reader.redis.pipeline([("HMGET", key, *_FIELDS) for key in small]), strict=True)
        )
        others = [key for key, size in zip(keys, sizes, strict=True) if key not in answers and size is not None]
        large = dict(zip(others, self._reader.hashes(others, _FIELDS), strict=True))
        rows: list[dict[str, Any] | None] = []
        for key in keys:
            answer = answers.get(key)
            if isinstance(answer, list):
                rows.append(dict(zip(_FIELDS, answer, strict=True)) if any(answer) else {})
            else:
                rows.append(large.get(key, {}) if answer is None else None)
        return rows

    def _calls(self, keys: list[bytes], told: list[dict[str, Any] | None]) -> dict[int, Any]:
        """The calls of those jobs whose description does not tell function or project."""
        asked = [place for place, values in enumerate(told) if values and not _tells_all(values["description"])]
        rows = self._reader.hashes([keys[place] for place in asked], ("data",))
        calls = {}
        for place, row in zip(asked, rows, strict=True):
            calls[place] = read_call(row["data"] if row else None, (told[place] or {}).get("meta"))
        return calls

    # --- the thread ---

    def _start(self) -> None:
        if self._closed.is_set() or (self._thread and self._thread.is_alive()):
            return
        self._thread = threading.Thread(target=self._read_on, name="queue-index", daemon=True)
        self._thread.start()

    def _read_on(self) -> None:
        """Until everything that somebody asked about lately is known; a server that is away ends it."""
        try:
            while not self._closed.wait(PAUSE_SECONDS):
                with self._lock:
                    registry = self._unfinished()
                    if registry is None:
                        self._thread = None
                        return
                if self._stale(registry):
                    self._read_members(registry, None)
                self._bite(registry)
        except Unknown:
            self._thread = None  # whoever asks next is told

    def _unfinished(self) -> _Registry | None:
        lately = time.monotonic() - UNASKED_SECONDS
        asked = (registry for registry in self._registries.values() if registry.asked_at > lately)
        return next((registry for registry in asked if registry.missing or self._stale(registry)), None)

    def _stale(self, registry: _Registry) -> bool:
        return not registry.names_known or registry.asked_at - registry.read_at > STALE_SECONDS

    def _forget_others(self, registry: _Registry) -> None:
        """The registries that were asked about longest ago make room."""
        others = sorted((r for r in self._registries.values() if r is not registry), key=lambda other: other.asked_at)
        known = sum(len(other.members) for other in self._registries.values())
        for other in others:
            if known <= MOST_ROWS and len(self._registries) <= 50:
                return
            known -= len(other.members)
            del self._registries[other.queue, other.state]


def matching(known: Known, wanted: Filter) -> Iterator[tuple[bytes, Row]]:
    """The known jobs that fit, newest first."""
    needle, function = wanted.text.lower(), wanted.function.lower()
    needle_bytes = needle.encode()
    errors: dict[str | None, bool] = {}
    for job_id, row in known.rows:
        if wanted.project_id is not None and row.project_id != wanted.project_id:
            continue
        if wanted.storage and row.storage != wanted.storage:
            continue
        if wanted.error is not None and row.group[1] != wanted.error:
            continue
        if function and not _function_fits(row, function, whole=wanted.error is not None):
            continue
        if needle and needle not in row.searched and needle_bytes not in job_id:
            if row.error not in errors:
                errors[row.error] = needle in (row.error or "").lower()
            if not errors[row.error]:
                continue
        yield job_id, row


def _function_fits(row: Row, function: str, whole: bool) -> bool:
    name = (row.group[0] or "").lower()
    return name == function if whole else function in name


def groups(known: Known, since: datetime | None) -> list[JobGroup]:
    """Largest first. `recent` counts those that ended at or after `since`."""
    found: dict[Any, list[tuple[bytes, Row]]] = {}
    for item in known.rows:
        found.setdefault(item[1].group, []).append(item)
    return sorted((_group(key, items, since) for key, items in found.items()), key=lambda group: -group.jobs)


def _group(
    key: tuple[str | None, str | None, bool], items: list[tuple[bytes, Row]], since: datetime | None
) -> JobGroup:
    moments = [row.moment for _, row in items if row.moment]
    newest_id, newest = items[0]
    projects = {row.project_id for _, row in items if row.project_id is not None}
    return JobGroup(
        function=key[0],
        exception=key[1],
        gone=key[2],
        jobs=len(items),
        recent=sum(moment >= since for moment in moments) if since else 0,
        oldest_at=min(moments, default=None),
        newest_at=max(moments, default=None),
        example_id=name_text(newest_id),
        example_error=newest.error,
        project_ids=tuple(sorted(projects)[:20]),
    )


def member_id(member: bytes, state: str) -> bytes:
    """rq 2 writes `<job id>:<execution id>` into the started registry, where the execution is a bare UUID."""
    if state != "started":
        return member
    job_id, _, execution = member.rpartition(b":")
    return job_id if job_id and len(execution) == 32 and not set(execution) - set(b"0123456789abcdef") else member


def wrong_type(key: bytes) -> Unknown:
    return Unknown(f"The key {name_text(key)} is of another type than rq writes, so its jobs cannot be listed.")


@functools.lru_cache(maxsize=8192)
def _masked(line: str) -> str:
    return mask_text(line)


@functools.lru_cache(maxsize=8192)
def _alike(line: str) -> str:
    return alike(line)


def _tells_all(description: bytes | None) -> bool:
    return bool(function_in(description)) and b"project_id=" in (description or b"")


def _row(score: bytes, values: dict[str, Any] | None, result: Any, call: Any) -> Row:
    if not values:
        return Row(score, (None, None, True), None, "", None, None, None)
    raw = values["description"] or b""
    description = raw[:4000].decode("utf-8", "replace")
    name = function_in(raw)
    about = about_description(description, name)
    if call:
        name = name or call.function
    error = _error(inflated(values["exc_info"]) or result_exception(result))
    times = (parse_time(values[field]) for field in ("ended_at", "enqueued_at", "created_at"))
    return Row(
        score=score,
        group=(name, _alike(error) if error else None, False),
        error=error,
        searched=description[:SEARCHED_CHARACTERS].lower(),
        project_id=about.project_id or (call.about.project_id if call else None),
        storage=about.storage or (call.about.storage if call else None),
        moment=next((moment for moment in times if moment), None),
    )


def _error(traceback: bytes | None) -> str | None:
    line = last_line(traceback[-4000:].decode("utf-8", "backslashreplace")) if traceback else None
    return _masked(line) if line else None
