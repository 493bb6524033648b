"""Filters and counts the jobs of a registry, 200,000 and more, without keeping anybody waiting.

To filter by function, error or project, every job has to be read once: some ten thousand a second. So what was read is
kept in this process, newest first, and only what is new is read again. A question gets its answer within its time
budget from what is known so far, and the answer says how many jobs were looked at; meanwhile a thread reads on, in small
bites, until all are known or nobody has asked for a minute.

Nothing here is stored anywhere else, and nothing but read commands is sent.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..errors import Unknown
from ..masking import mask_text
from .job_arguments import about_description, read_call
from .job_reading import JobReader
from .known_jobs import Alike, KnownJobs, Row
from .rq_values import alike, function_in, inflated, last_line, name_text, parse_time, result_exception

BITE = 250  # jobs that are read at once
MEMBERS_BITE = 10_000  # names of jobs that are read at once: a millisecond of Redis' time
#: Jobs that are known at most, over all registries: about 100 MB at the usual length of descriptions.
MOST_KNOWN = 250_000
#: The names of a larger registry are read anew by the thread, while questions are answered from what it knew.
SMALL = 5_000
#: How old the names of a large registry may be: when something about it has changed, and when nothing seems to.
STALE_SECONDS = 3.0
TRUSTED_SECONDS = 30.0
#: The thread ends when nobody asked for so long.
UNASKED_SECONDS = 60.0
PAUSE_SECONDS = 0.005
#: Of a description, so much is searched.
SEARCHED_CHARACTERS = 240
_SMALL_HASH_BYTES = 64 * 1024
_FIELDS = ("description", "ended_at", "enqueued_at", "created_at", "exc_info", "meta")
_WITH_EXCEPTION = {"failed", "started", "canceled"}
_NEVER = datetime.min.replace(tzinfo=UTC)

Members = list[tuple[bytes, float]]  # ids and scores


@dataclass
class _Registry:
    """The names in a registry, newest first, and what is known of their jobs."""

    queue: bytes
    state: str
    members: list[bytes] = field(default_factory=list)
    known: KnownJobs = field(default_factory=KnownJobs)
    order: list[int] | None = None  # slots of the known among `members`; None: to be told anew
    total: int = 0
    whole: bool = False  # whether `members` holds every name
    print: Any = None  # of the registry when it was read: count, newest and oldest
    read_at: float = 0.0  # read, or seen to be as it was
    trusted_at: float = 0.0  # read
    as_of: datetime = _NEVER
    asked_at: float = 0.0
    missing: list[bytes] = field(default_factory=list)  # the newest at the end
    scores: dict[bytes, float] = field(default_factory=dict)  # of those that are missing, at least
    flying: int = 0  # bites that are being read

    @property
    def short(self) -> bool:
        """Names are yet to be read."""
        return not self.whole and self.total <= MOST_KNOWN

    @property
    def stale(self) -> bool:
        return self.short or self.asked_at - self.read_at > STALE_SECONDS


@dataclass(frozen=True)
class Known:
    """What a question is answered from: slots of `jobs`, newest first, of `total` names as they were at `as_of`."""

    jobs: KnownJobs
    order: Sequence[int]
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
        self._asking = 0

    def close(self) -> None:
        self._closed.set()
        self._registries.clear()

    def known(self, queue: bytes, state: str, budget_seconds: float | None) -> Known:
        """Reads on until all is known or the budget is spent (None: until all is known)."""
        give_up = None if budget_seconds is None else time.monotonic() + budget_seconds
        with self._lock:
            registry = self._registries.setdefault((queue, state), _Registry(queue, state))
            self._asking += 1
        try:
            if registry.total <= SMALL or not registry.members or give_up is None:
                self._read_members(registry, give_up)
            elif self._as_it_was(registry):
                registry.as_of = datetime.now(UTC)
                registry.read_at = time.monotonic()
            registry.asked_at = time.monotonic()
            while self._bite(registry) and (give_up is None or time.monotonic() < give_up):
                pass
            while give_up is None and registry.flying:  # another thread is about to bring the rest
                time.sleep(PAUSE_SECONDS)
            return self._answer(registry)
        finally:
            with self._lock:
                self._asking -= 1
            if registry.missing or registry.stale:
                self._start()

    def _answer(self, registry: _Registry) -> Known:
        with self._lock:
            if registry.order is None:
                slots = map(registry.known.slots.get, registry.members)
                registry.order = [slot for slot in slots if slot is not None]
            order = registry.order
            self._forget_others(registry)
            return Known(registry.known, order, registry.total, len(order) >= registry.total, registry.as_of)

    # --- reading ---

    def _read_members(self, registry: _Registry, give_up: float | None, politely: bool = False) -> None:
        """The names anew, the newest first, and what of them is yet to be read. `politely` lets questions go first."""
        began, total, fingerprint = time.monotonic(), 0, self._fingerprint(registry)
        members: dict[bytes, float] = {}
        for counted, part in self._names(registry):
            total = counted
            members.update(part)
            while politely and self._asking and not self._closed.wait(PAUSE_SECONDS):
                pass
            if len(members) >= MOST_KNOWN or (give_up is not None and time.monotonic() > (began + give_up) / 2):
                break
        with self._lock:
            known, names = registry.known, list(members)[:MOST_KNOWN]
            registry.missing = known.missing(members, names)[::-1]
            registry.scores = members if registry.missing else {}
            if len(known.ids) > 2 * len(names) + SMALL:
                registry.known = known.only(names)
            registry.members, registry.order = names, None
            registry.total, registry.whole, registry.print = total, len(members) >= total, fingerprint
            registry.read_at = registry.trusted_at = time.monotonic()
            registry.as_of = datetime.now(UTC)

    def _names(self, registry: _Registry) -> Iterator[tuple[int, Members]]:
        """How many there are, and names, bite by bite; what shifts in between is seen at the next look."""
        key, first = self._reader.listed(registry.queue, registry.state), 0
        queued = registry.state == "queued"
        while True:
            last = first + MEMBERS_BITE - 1
            part = ("LRANGE", key, -last - 1, -first - 1) if queued else ("ZREVRANGE", key, first, last, "WITHSCORES")
            total, answer = self._reader.redis.pipeline([("LLEN" if queued else "ZCARD", key), part])
            if isinstance(total, Exception) or isinstance(answer, Exception):
                raise wrong_type(key)
            if queued:
                yield total, [(name, 0.0) for name in reversed(answer)]
            else:
                names = answer[::2] if registry.state != "started" else [member_id(m, "started") for m in answer[::2]]
                yield total, list(zip(names, map(float, answer[1::2]), strict=True))
            first += MEMBERS_BITE
            if first >= total:
                return

    def _fingerprint(self, registry: _Registry) -> Any:
        key = self._reader.listed(registry.queue, registry.state)
        if registry.state == "queued":
            return self._reader.redis.pipeline([("LLEN", key), ("LRANGE", key, 0, 0), ("LRANGE", key, -1, -1)])
        ends = [("ZRANGE", key, 0, 0, "WITHSCORES"), ("ZREVRANGE", key, 0, 0, "WITHSCORES")]
        return self._reader.redis.pipeline([("ZCARD", key), *ends])

    def _as_it_was(self, registry: _Registry) -> bool:
        """Whether nothing seems to have come or gone; that is trusted for a while only."""
        lately = time.monotonic() - registry.trusted_at < TRUSTED_SECONDS
        return lately and registry.whole and bool(self._fingerprint(registry) == registry.print)

    def _bite(self, registry: _Registry) -> bool:
        """Reads the newest jobs that are not known yet; False when there are none."""
        with self._lock:
            bite = registry.missing[-BITE:][::-1]
            del registry.missing[-BITE:]
            registry.flying += 1
        try:
            rows = self._rows(bite, registry.state)
            with self._lock:
                for name, row in zip(bite, rows, strict=True):
                    registry.known.add(name, registry.scores.get(name, 0.0), row)
                registry.order = None if bite else registry.order
        except Unknown:
            with self._lock:
                registry.missing += bite[::-1]
            raise
        finally:
            with self._lock:
                registry.flying -= 1
        return bool(bite)

    def _rows(self, ids: list[bytes], state: str) -> list[Row]:
        reader = self._reader
        keys = [reader.key("job:", job_id) for job_id in ids]
        told = self._hashes(keys)
        results: dict[int, Any] = {}
        if state in _WITH_EXCEPTION:
            asked = [place for place, values in enumerate(told) if values and not inflated(values["exc_info"])]
            found = reader.newest_results([reader.key("results:", ids[place]) for place in asked])
            results = dict(zip(asked, found, strict=True))
        calls = self._calls(keys, told)
        return [_row(values, results.get(place), calls.get(place)) for place, values in enumerate(told)]

    def _hashes(self, keys: list[bytes]) -> list[dict[str, Any] | None]:
        """As JobReader.hashes; a hash that is small as a whole need not be measured field by field."""
        sizes = self._reader.redis.try_pipeline([("MEMORY USAGE", key, "SAMPLES", 64) for key in keys])
        small = [isinstance(size, int) and size <= _SMALL_HASH_BYTES for size in sizes]
        asked = [key for key, fits in zip(keys, small, strict=True) if fits]
        answers = iter(self._reader.redis.pipeline([("HMGET", key, *_FIELDS) for key in asked]))
        others = [key for key, fits, size in zip(keys, small, sizes, strict=True) if not fits and size is not None]
        large = iter(self._reader.hashes(others, _FIELDS))
        rows: list[dict[str, Any] | None] = []
        for fits, size in zip(small, sizes, strict=True):
            if fits:
                answer = next(answers)
                rows.append(dict(zip(_FIELDS, answer, strict=True)) if isinstance(answer, list) else None)
            else:
                rows.append(None if size is None else next(large))
        return rows

    def _calls(self, keys: list[bytes], told: list[dict[str, Any] | None]) -> dict[int, Any]:
        """The calls of those jobs whose description does not tell function or project."""
        asked = [place for place, values in enumerate(told) if values and not _tells_all(values["description"])]
        rows = self._reader.hashes([keys[place] for place in asked], ("data",))
        return {
            place: read_call(row["data"] if row else None, (told[place] or {}).get("meta"))
            for place, row in zip(asked, rows, strict=True)
        }

    # --- the thread ---

    def _start(self) -> None:
        with self._lock:
            if self._closed.is_set() or (self._thread and self._thread.is_alive()):
                return
            self._thread = threading.Thread(target=self._read_on, name="queue-index", daemon=True)
            self._thread.start()

    def _read_on(self) -> None:
        """Until everything that somebody asked about lately is known; a server that is away ends it."""
        try:
            while not self._closed.wait(PAUSE_SECONDS):
                if self._asking:  # whoever waits for an answer comes first
                    continue
                with self._lock:
                    registry = self._unfinished()
                    if registry is None:
                        self._thread = None
                        return
                if registry.stale:
                    self._read_members(registry, None, politely=True)
                self._bite(registry)
        except Unknown:
            self._thread = None  # whoever asks next is told

    def _unfinished(self) -> _Registry | None:
        lately = time.monotonic() - UNASKED_SECONDS
        asked = (registry for registry in self._registries.values() if registry.asked_at > lately)
        return next((registry for registry in asked if registry.missing or registry.stale), None)

    def _forget_others(self, registry: _Registry) -> None:
        """The registries that were asked about longest ago make room."""
        others = sorted((r for r in self._registries.values() if r is not registry), key=lambda other: other.asked_at)
        known = sum(len(other.members) for other in self._registries.values())
        for other in others:
            if known <= MOST_KNOWN and len(self._registries) <= 50:
                return
            known -= len(other.members)
            del self._registries[other.queue, other.state]


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


_GONE = Row(Alike(None, None, True), None, "", None, None, None)


def _row(values: dict[str, Any] | None, result: Any, call: Any) -> Row:
    if not values or not any(values.values()):
        return _GONE
    raw = values["description"] or b""
    description = raw[:4000].decode("utf-8", "replace")
    name = function_in(raw)
    about = about_description(description, name)
    error = _error(inflated(values["exc_info"]) or result_exception(result))
    times = (parse_time(values[moment]) for moment in ("ended_at", "enqueued_at", "created_at"))
    return Row(
        alike=Alike(name or (call.function if call else None), _alike(error) if error else None, False),
        error=error,
        searched=description[:SEARCHED_CHARACTERS],
        project_id=about.project_id or (call.about.project_id if call else None),
        storage=about.storage or (call.about.storage if call else None),
        moment=next((moment for moment in times if moment), None),
    )


def _error(traceback: bytes | None) -> str | None:
    line = last_line(traceback[-4000:].decode("utf-8", "backslashreplace")) if traceback else None
    return _masked(line) if line else None
