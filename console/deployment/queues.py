"""A raw, read-only reader of rq's keys in Label Studio's Redis, for every rq release since 1.4.

rq's own classes unpickle what they fetch and repair registries as they list them; this reader does neither. It sends
read commands only (`redis_reading` refuses the rest), takes at most so much of any value, and treats everything it
finds as text from strangers.

Source: the key layout in rq's `queue`, `job`, `registry`, `worker`, `executions` and `results` modules, 1.4 to 3.0.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ..errors import Unknown
from . import throughput
from .job_index import JobIndex, Known, member_id, wrong_type
from .job_reading import JobDetail, JobReader
from .known_jobs import Filter, JobGroup
from .redis_info import ASKED_SETTINGS, RedisInfo, redis_info, told_settings
from .redis_reading import ReadOnlyRedis
from .rq_values import (
    REGISTRIES,
    STATES,
    WORKER_FIELDS,
    JobState,
    QueueState,
    WorkerState,
    name_text,
    parse_score,
    parse_time,
    worker_state,
)
from .throughput import Throughput

__all__ = [
    "LABEL_STUDIO_QUEUES", "STATES", "Filter", "JobDetail", "JobGroup", "JobGroups", "JobPage", "JobSearch", "JobState", "QueueReader",
    "QueueState", "RedisInfo", "Throughput", "WorkerState",
]  # fmt: skip

LABEL_STUDIO_QUEUES = ("critical", "high", "default", "low")
WORKER_SILENT_SECONDS = 600  # a worker says something at least every 405 s
MOST_NAMES = 5000  # queues or workers; a set that holds more is read in part
MOST_LISTED = 1000  # jobs of one page
CHUNK = 100
#: What a question about 200,000 jobs may take, so that a page stays under 300 ms.
BUDGET_SECONDS = 0.15


@dataclass(frozen=True)
class JobPage:
    """Jobs of one state from `offset` on; `total` is how many its list holds."""

    total: int
    offset: int
    jobs: tuple[JobState, ...]


@dataclass(frozen=True)
class JobSearch:
    """Jobs that fit a filter. `looked_at` of `total` jobs were compared, newest first, and `matched` of those fit.

    `complete`: all were compared. Otherwise ask again, the reader goes on by itself. `as_of` is when the list was read.
    """

    total: int
    looked_at: int
    matched: int
    complete: bool
    as_of: datetime
    offset: int
    jobs: tuple[JobState, ...]


@dataclass(frozen=True)
class JobGroups:
    """Groups of like jobs among the `looked_at` newest of `total`."""

    total: int
    looked_at: int
    complete: bool
    as_of: datetime
    groups: tuple[JobGroup, ...]


class QueueReader:
    """Reads the queues behind one Redis URL. Every method may raise Unknown with one clear sentence.

    `prefix` is rq's key prefix, which rq 3 lets the operator change (`RQ_KEY_PREFIX`). Threads may share a reader.
    A `queue` is a name as QueueState tells it, a `state` one of STATES.
    """

    def __init__(self, url: str, timeout_seconds: float = 5, prefix: str = "rq") -> None:
        self._redis = ReadOnlyRedis(url, timeout_seconds, prefix)
        self._reader = JobReader(self._redis, prefix)
        self._index = JobIndex(self._reader)
        self._key = self._reader.key
        self._prefix = prefix

    def close(self) -> None:
        self._index.close()
        self._redis.close()

    def ping(self) -> None:
        """Returns when Redis answers, raises Unknown when it does not."""
        self._redis.call("PING")

    def info(self) -> RedisInfo:
        """What the server tells about itself; settings that it does not let us ask for stay None."""
        answer = self._redis.call("INFO")
        settings = self._redis.try_pipeline([("CONFIG GET", name) for name in ASKED_SETTINGS])
        return redis_info(answer, told_settings(settings), self._redis.tls, self._redis.database)

    def suspended(self) -> bool:
        """Whether somebody told all workers to take no new job (`rq suspend`)."""
        return bool(self._redis.call("EXISTS", self._key("suspended")))

    def queues(
        self, now: datetime | None = None, silent_after_seconds: int = WORKER_SILENT_SECONDS
    ) -> list[QueueState]:
        """Label Studio's four queues first, then every other queue ever used or listened to, by name."""
        workers = self.workers(now, silent_after_seconds)
        used = set(self._names("queues", "queue:"))
        listened = {queue.encode() for worker in workers for queue in worker.queues}
        first = [name.encode() for name in LABEL_STUDIO_QUEUES]
        names = [*first, *sorted((used | listened) - set(first))][:MOST_NAMES]
        alive = Counter(queue for worker in workers if worker.alive for queue in set(worker.queues))
        states = []
        for chunk in _chunks(names):
            commands = [command for name in chunk for command in self._questions(name)]
            answers, width = self._redis.pipeline(commands), len(self._questions(b""))
            for index, name in enumerate(chunk):
                part = answers[index * width : (index + 1) * width]
                states.append(self._queue(name_text(name), part, alive[name_text(name)], name in used))
        return states

    def _questions(self, name: bytes) -> list[tuple[Any, ...]]:
        waiting, scheduled = self._key("queue:", name), self._key("scheduled:", name)
        registries = [("ZCARD", self._key(f"{key}:", name)) for key in REGISTRIES.values()]
        heads = [("LRANGE", waiting, 0, 9), ("ZRANGE", scheduled, 0, 0, "WITHSCORES")]
        return [("LLEN", waiting), *registries, *heads]

    def _queue(self, name: str, answers: list[Any], serving: int, ever_used: bool) -> QueueState:
        wrong = [key for key, answer in zip(("queue", *REGISTRIES.values()), answers, strict=False) if _failed(answer)]
        waiting, *counts, head, scheduled = [None if _failed(answer) else answer for answer in answers]
        registries = {field: count or 0 for field, count in zip(REGISTRIES, counts, strict=True)}
        return QueueState(
            name=name,
            waiting=waiting or 0,
            oldest_enqueued_at=self._oldest(head or []),
            workers_alive=serving,
            next_scheduled_at=parse_score(scheduled[1]) if scheduled else None,
            ever_used=ever_used,
            problems=tuple(f"The key {self._prefix}:{key}:{name} is of another type than rq writes" for key in wrong),
            **registries,
        )

    def _oldest(self, ids: Sequence[bytes]) -> datetime | None:
        """A job put at the front is younger than its successor, and a job may be gone: so the first ten are asked."""
        rows = self._reader.hashes([self._key("job:", job_id) for job_id in ids], ("enqueued_at", "created_at"))
        times = [parse_time(row["enqueued_at"]) or parse_time(row["created_at"]) for row in rows if row]
        return min((time for time in times if time), default=None)

    def workers(
        self, now: datetime | None = None, silent_after_seconds: int = WORKER_SILENT_SECONDS
    ) -> list[WorkerState]:
        """Every registered worker by name, the dead included: rq leaves a killed worker's name behind."""
        now = now or datetime.now(UTC)
        states = []
        for chunk in _chunks(sorted(self._names("workers", "worker:"))):
            rows = self._reader.hashes([self._key("worker:", name) for name in chunk], WORKER_FIELDS)
            for name, row in zip(chunk, self._with_executions(chunk, rows), strict=True):
                states.append(worker_state(name_text(name), row, now, silent_after_seconds))
        return states

    def _with_executions(
        self, names: Sequence[bytes], rows: Sequence[dict[str, Any] | None]
    ) -> Sequence[dict[str, Any] | None]:
        """rq 3 lists what a worker runs in a set beside its hash, as `<job id>:<execution id>`."""
        asked = [place for place, row in enumerate(rows) if row and row["state"] == b"busy" and not row["current_job"]]
        keys = [self._key("worker:", names[place] + b":executions") for place in asked]
        answers = self._redis.pipeline([("SSCAN", key, 0, "COUNT", 10) for key in keys])
        for place, answer in zip(asked, answers, strict=True):
            members = answer[1] if isinstance(answer, list) else []
            if members and (row := rows[place]):
                row["current_job"] = member_id(min(members), "started")
        return rows

    def _names(self, key: str, member_prefix: str) -> list[bytes]:
        """Members of one of rq's sets, without their key prefix."""
        lead = self._key(member_prefix)
        return [member.removeprefix(lead) for member in self._redis.members(self._key(key), MOST_NAMES)]

    def throughput(self, queue: str, since: datetime) -> Throughput:
        """What ended since a moment, as far as the registries still tell."""
        return throughput.throughput(self._reader, name_bytes(queue), since)

    def exists_job(self, job_id: str) -> bool:
        return bool(self._redis.call("EXISTS", self._key("job:", name_bytes(job_id))))

    def job(self, job_id: str) -> JobState | None:
        """One job, or None when its hash is no more (finished jobs vanish after minutes)."""
        [state] = self._reader.jobs([name_bytes(job_id)])
        return None if state.gone else state

    def jobs(self, job_ids: Sequence[str]) -> list[JobState]:
        """These jobs in this order, also those that are `gone`."""
        return list(self._reader.jobs([name_bytes(job_id) for job_id in job_ids]))

    def detail(self, job_id: str) -> JobDetail | None:
        """One job with its arguments, its places and what it waits for; None when its hash is no more."""
        return self._reader.detail(name_bytes(job_id))

    def page(
        self, queue: str, state: str, offset: int = 0, limit: int = 50, newest_first: bool | None = None
    ) -> JobPage:
        """Jobs of a state from `offset` on, at most MOST_LISTED.

        Newest first, unless told otherwise: by the moment its registry keeps, for waiting jobs the last to be taken.
        Left to itself, waiting jobs come in the order workers take them, scheduled ones by their hour.
        """
        key, newest = (
            self._list(queue, state),
            state not in ("queued", "scheduled") if newest_first is None else newest_first,
        )
        first, last = max(offset, 0), max(offset, 0) + min(max(limit, 0), MOST_LISTED) - 1
        if state == "queued":
            part: tuple[Any, ...] = ("LRANGE", key, -last - 1, -first - 1) if newest else ("LRANGE", key, first, last)
        else:
            part = ("ZREVRANGE" if newest else "ZRANGE", key, first, last, "WITHSCORES")
        total, answer = self._redis.pipeline([("ZCARD" if state != "queued" else "LLEN", key), part])
        if isinstance(total, Exception) or isinstance(answer, Exception):
            raise wrong_type(key)
        if last < first or first >= total:
            return JobPage(total, first, ())
        if state == "queued":
            members: list[tuple[bytes, datetime | None]] = [
                (member, None) for member in (answer[::-1] if newest else answer)
            ]
        else:
            members = [(member_id(m, state), parse_score(s)) for m, s in zip(answer[::2], answer[1::2], strict=True)]
        jobs = self._reader.jobs([member for member, _ in members])
        listed = (replace(job, until=until) for job, (_, until) in zip(jobs, members, strict=True))
        return JobPage(total, first, tuple(listed))

    def search(
        self, queue: str, state: str, wanted: Filter, offset: int = 0, limit: int = 50, newest_first: bool = True,
        budget_seconds: float | None = BUDGET_SECONDS,
    ) -> JobSearch:  # fmt: skip
        """Jobs of a state that fit, from what can be known within the budget (None: look at all, however long)."""
        known = self._known(queue, state, budget_seconds)
        found = known.jobs.matching(known.order, wanted)
        first, most = max(offset, 0), min(max(limit, 0), MOST_LISTED)
        chosen = (found if newest_first else found[::-1])[first : first + most]
        jobs = tuple(self._reader.jobs([known.jobs.ids[slot] for slot in chosen]))
        return JobSearch(known.total, len(known.order), len(found), known.complete, known.as_of, first, jobs)

    def matching_ids(self, queue: str, state: str, wanted: Filter, most: int) -> tuple[int, list[str]]:
        """How many jobs of a state fit, and the ids of the newest of them. Looks at all, which may take half a minute."""
        known = self._known(queue, state, None)
        found = known.jobs.matching(known.order, wanted)
        return len(found), [name_text(known.jobs.ids[slot]) for slot in found[: max(most, 0)]]

    def groups(
        self, queue: str, state: str = "failed", since: datetime | None = None,
        budget_seconds: float | None = BUDGET_SECONDS,
    ) -> JobGroups:  # fmt: skip
        """Jobs of a state by function and error, the largest group first; `since` decides what is recent."""
        known = self._known(queue, state, budget_seconds)
        found = tuple(known.jobs.grouped(known.order, since))
        return JobGroups(known.total, len(known.order), known.complete, known.as_of, found)

    def _known(self, queue: str, state: str, budget_seconds: float | None) -> Known:
        self._list(queue, state)
        return self._index.known(name_bytes(queue), state, budget_seconds)

    def _list(self, queue: str, state: str) -> bytes:
        if state not in STATES:
            raise Unknown(f"There is no state {state[:40]!r} of jobs; there are {', '.join(STATES)}.")
        return self._reader.listed(name_bytes(queue), state)

    def failed(self, queue: str, limit: int = 100) -> tuple[int, list[JobState]]:
        """How many jobs the failed registry holds, and the newest of them, newest first."""
        return self._first(queue, "failed", limit)

    def started(self, queue: str, limit: int = 100) -> tuple[int, list[JobState]]:
        """Jobs a worker said it runs; newest first."""
        return self._first(queue, "started", limit)

    def scheduled(self, queue: str, limit: int = 100) -> tuple[int, list[JobState]]:
        """Jobs waiting for their hour, the latest first."""
        return self._first(queue, "scheduled", limit, newest_first=True)

    def waiting(self, queue: str, limit: int = 100) -> tuple[int, list[JobState]]:
        """How many jobs wait, and the next of them in the order workers will take them."""
        return self._first(queue, "queued", limit)

    def _first(
        self, queue: str, state: str, limit: int, newest_first: bool | None = None
    ) -> tuple[int, list[JobState]]:
        jobs: list[JobState] = []
        while True:
            page = self.page(queue, state, len(jobs), limit - len(jobs), newest_first)
            jobs += page.jobs
            if not page.jobs or len(jobs) >= limit:
                return page.total, jobs


def _failed(answer: Any) -> bool:
    return isinstance(answer, Exception)


def name_bytes(name: str) -> bytes:
    """The name as it stands in Redis: what `name_text` wrote out becomes the bytes it was."""
    return _WRITTEN_OUT.sub(lambda found: bytes([int(found[1], 16)]), name.encode())


_WRITTEN_OUT = re.compile(rb"\\x([89a-f][0-9a-f])")


def _chunks(items: Sequence[bytes]) -> Iterable[Sequence[bytes]]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))
