"""A raw, read-only reader of rq's keys in Label Studio's Redis, for every rq release since 1.4.

rq's own classes unpickle what they fetch and repair registries as they list them; this reader does neither. It sends
read commands only (`redis_reading` refuses the rest), takes at most so much of any value, and treats everything it
finds as text from strangers.

Source: the key layout in rq's `queue`, `job`, `registry`, `worker` and `results` modules, 1.4 to 3.0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from ..errors import Unknown
from .redis_info import ASKED_SETTINGS, RedisInfo, redis_info, told_settings
from .redis_reading import ReadOnlyRedis
from .rq_values import (
    JOB_FIELDS,
    JOB_TEXTS,
    MOST_VALUE_BYTES,
    WORKER_FIELDS,
    JobState,
    QueueState,
    WorkerState,
    function_in,
    gone_job,
    job_id_of,
    job_state,
    name_text,
    parse_score,
    parse_time,
    worker_state,
)

__all__ = ["LABEL_STUDIO_QUEUES", "JobState", "QueueReader", "QueueState", "RedisInfo", "WorkerState"]

LABEL_STUDIO_QUEUES = ("critical", "high", "default", "low")
WORKER_SILENT_SECONDS = 600  # a worker says something at least every 405 s
MOST_NAMES = 5000  # queues or workers; a set that holds more is read in part
CHUNK = 100

_REGISTRIES = {
    "started": "wip",
    "failed": "failed",
    "deferred": "deferred",
    "scheduled": "scheduled",
    "finished": "finished",
    "canceled": "canceled",
}
_WITHOUT_EXCEPTION = {b"finished", b"queued", b"deferred"}


class QueueReader:
    """Reads the queues behind one Redis URL. Every method may raise Unknown with one clear sentence.

    `prefix` is rq's key prefix, which rq 3 lets the operator change (`RQ_KEY_PREFIX`). Threads may share a reader.
    """

    def __init__(self, url: str, timeout_seconds: float = 5, prefix: str = "rq") -> None:
        self._redis = ReadOnlyRedis(url, timeout_seconds, prefix)
        self._prefix = prefix

    def close(self) -> None:
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
        registries = [("ZCARD", self._key(f"{key}:", name)) for key in _REGISTRIES.values()]
        heads = [("LRANGE", waiting, 0, 9), ("ZRANGE", scheduled, 0, 0, "WITHSCORES")]
        return [("LLEN", waiting), *registries, *heads]

    def _queue(self, name: str, answers: list[Any], serving: int, ever_used: bool) -> QueueState:
        wrong = [key for key, answer in zip(("queue", *_REGISTRIES.values()), answers, strict=False) if _failed(answer)]
        waiting, *counts, head, scheduled = [None if _failed(answer) else answer for answer in answers]
        registries = {field: count or 0 for field, count in zip(_REGISTRIES, counts, strict=True)}
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
        rows = self._hashes([("job:", job_id) for job_id in ids], ("enqueued_at", "created_at"))
        times = [parse_time(row["enqueued_at"]) or parse_time(row["created_at"]) for row in rows if row]
        return min((time for time in times if time), default=None)

    def workers(
        self, now: datetime | None = None, silent_after_seconds: int = WORKER_SILENT_SECONDS
    ) -> list[WorkerState]:
        """Every registered worker by name, the dead included: rq leaves a killed worker's name behind."""
        now = now or datetime.now(UTC)
        states = []
        for chunk in _chunks(sorted(self._names("workers", "worker:"))):
            rows = self._hashes([("worker:", name) for name in chunk], WORKER_FIELDS)
            for name, row in zip(chunk, rows, strict=True):
                states.append(worker_state(name_text(name), row, now, silent_after_seconds))
        return states

    def _names(self, key: str, member_prefix: str) -> list[bytes]:
        """Members of one of rq's sets, without their key prefix."""
        lead = self._key(member_prefix)
        return [member.removeprefix(lead) for member in self._redis.members(self._key(key), MOST_NAMES)]

    def exists_job(self, job_id: str) -> bool:
        return bool(self._redis.call("EXISTS", self._key("job:", _bytes(job_id))))

    def job(self, job_id: str) -> JobState | None:
        """One job, or None when its hash is no more (finished jobs vanish after minutes)."""
        [state] = self._jobs([_bytes(job_id)])
        return None if state.gone else state

    def jobs(self, job_ids: Sequence[str]) -> list[JobState]:
        """These jobs in this order, also those that are `gone`."""
        return list(self._jobs([_bytes(job_id) for job_id in job_ids]))

    def failed(self, queue: str, limit: int = 100) -> tuple[int, list[JobState]]:
        """How many jobs the failed registry holds, and the newest of them, newest first."""
        return self._registry("failed:", queue, limit)

    def started(self, queue: str, limit: int = 100) -> tuple[int, list[JobState]]:
        """Jobs a worker said it runs; newest first."""
        return self._registry("wip:", queue, limit)

    def scheduled(self, queue: str, limit: int = 100) -> tuple[int, list[JobState]]:
        """Jobs waiting for their hour, the latest first."""
        return self._registry("scheduled:", queue, limit)

    def waiting(self, queue: str, limit: int = 100) -> tuple[int, list[JobState]]:
        """How many jobs wait, and the next of them in the order workers will take them."""
        key = self._key("queue:", _bytes(queue))
        total, ids = self._redis.pipeline([("LLEN", key), ("LRANGE", key, 0, max(limit, 1) - 1)])
        return self._listing(key, total, ids, limit)

    def _registry(self, name: str, queue: str, limit: int) -> tuple[int, list[JobState]]:
        key = self._key(name, _bytes(queue))
        total, ids = self._redis.pipeline([("ZCARD", key), ("ZRANGE", key, -max(limit, 1), -1)])
        return self._listing(key, total, ids[::-1] if isinstance(ids, list) else ids, limit)

    def _listing(self, key: bytes, total: Any, ids: Any, limit: int) -> tuple[int, list[JobState]]:
        if isinstance(total, Exception) or isinstance(ids, Exception):
            raise Unknown(f"The key {name_text(key)} is of another type than rq writes, so its jobs cannot be listed.")
        return total, list(self._jobs([job_id_of(member) for member in ids[: max(limit, 0)]]))

    def _jobs(self, job_ids: Sequence[bytes]) -> Iterable[JobState]:
        for chunk in _chunks(job_ids):
            yield from self._chunk(chunk)

    def _chunk(self, ids: Sequence[bytes]) -> list[JobState]:
        """Sizes come first, so that a value of 100 MB is named instead of fetched."""
        measured = self._hashes([("job:", job_id) for job_id in ids], JOB_FIELDS, measure=JOB_TEXTS)
        told: list[dict[str, Any]] = [values or {} for values in measured]
        there = [index for index, values in enumerate(told) if any(values.values())]
        self._add(told, ids, there, ("description", "exc_info"))
        self._add_results(told, ids, [index for index in there if told[index]["status"] not in _WITHOUT_EXCEPTION])
        # What was called stands in the description, unless the caller wrote one of its own.
        self._add(told, ids, [i for i in there if not function_in(told[i].get("description"))], ("data",))
        states = []
        for job_id, values, found in zip(ids, told, measured, strict=True):
            states.append(
                job_state(name_text(job_id), values) if values else gone_job(name_text(job_id), found is None)
            )
        return states

    def _hashes(
        self, keys: Sequence[tuple[str, bytes]], fields: Sequence[str], measure: Sequence[str] = ()
    ) -> list[dict[str, Any] | None]:
        """Fields per hash, and under `<field>_bytes` the sizes of others; None where the key is no hash.

        A hash that does not exist is an empty dict.
        """
        commands: list[tuple[Any, ...]] = []
        for kind, name in keys:
            key = self._key(kind, name)
            commands += [("HMGET", key, *fields), *(("HSTRLEN", key, field) for field in measure)]
        answers, width = self._redis.pipeline(commands), 1 + len(measure)
        rows: list[dict[str, Any] | None] = []
        for start in range(0, len(answers), width):
            values, *sizes = answers[start : start + width]
            if isinstance(values, Exception):
                rows.append(None)
                continue
            row: dict[str, Any] = dict(zip(fields, values, strict=True))
            row |= {f"{field}_bytes": size for field, size in zip(measure, sizes, strict=True)}
            rows.append(row if any(row.values()) else {})
        return rows

    def _add(
        self, told: list[dict[str, Any]], ids: Sequence[bytes], chosen: Sequence[int], fields: Sequence[str]
    ) -> None:
        """Fetch these fields of the chosen jobs, where they are not larger than we want to hold."""
        wanted = [
            (index, field)
            for index in chosen
            for field in fields
            if 0 < told[index][f"{field}_bytes"] <= MOST_VALUE_BYTES
        ]
        answers = self._redis.pipeline([("HMGET", self._key("job:", ids[index]), field) for index, field in wanted])
        for (index, field), answer in zip(wanted, answers, strict=True):
            if isinstance(answer, list):  # else the key changed its type between two looks
                told[index][field] = answer[0]

    def _add_results(self, told: list[dict[str, Any]], ids: Sequence[bytes], chosen: Sequence[int]) -> None:
        commands = [("XREVRANGE", self._key("results:", ids[index]), "+", "-", "COUNT", 1) for index in chosen]
        for index, answer in zip(chosen, self._redis.pipeline(commands), strict=True):
            told[index]["results"] = answer

    def _key(self, name: str, member: bytes = b"") -> bytes:
        return f"{self._prefix}:{name}".encode() + member


def _chunks(items: Sequence[bytes]) -> Iterable[Sequence[bytes]]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


def _failed(answer: Any) -> bool:
    return isinstance(answer, Exception)


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")
