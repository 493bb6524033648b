"""What requeue, cancel and delete of a job are in rq's keys, and what must be kept to take each of them back.

Source: `Job.requeue`, `Job.cancel`, `Job.delete` and `Queue._enqueue_job` of rq 1.10 to 3.0. Beyond them, a job that is
requeued loses its time to live, and a job that no longer waits is taken off the lists of those it waited for: else it
would run a second time when they end. The pickled call (`data`), `meta` and the serializer's choice are never touched.
"""

from __future__ import annotations

import base64
import hashlib
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from .queue_keys import Keys
from .queue_standing import MOST_KEPT_BYTES, Ask, Standing
from .redis_writing import Command
from .rq_values import name_text

#: Actions and the places they start from.
ALLOWED = {
    "requeue": ("failed", "canceled", "finished", "deferred", "scheduled", "started"),
    "cancel": ("queued", "deferred", "scheduled"),
    "delete": ("queued", "started", "failed", "deferred", "scheduled", "finished", "canceled"),
}
#: rq's own default for a job that names no timeout.
DEFAULT_TIMEOUT_SECONDS = 180
#: Whole jobs that are held in memory together.
DIGESTS_AT_A_TIME = 50
_NO_EXCEPTION = zlib.compress(b"")


def refusal(action: str, state: str, standing: Standing) -> str:
    """Why this change must not be made as things stand; empty when it may."""
    name = f"Job {name_text(standing.job)}"
    if state not in ALLOWED[action]:
        return f"{name} is {state}; {action} is for jobs that are {', '.join(ALLOWED[action])}."
    if standing.wrong:
        return f"{name} was left alone. {standing.wrong}"
    if standing.where != state:
        return f"{name} is not {state} on {name_text(standing.queue)} any more: it is {standing.words}."
    if state == "started" and standing.is_being_run:
        by = f"by worker {standing.worker}" if standing.worker else "by a worker that has just taken it"
        return f"{name} is being run {by}. Stop it first."
    if action != "delete" and not standing.fields:
        return f"{name} has no record any more; only its entry among the {state} jobs is left, which can be deleted."
    if action == "requeue" and standing.fields.get("rate_limit_key"):
        return f"{name} belongs to a rate limit of rq, which counts its jobs apart; requeue it with rq's own command."
    return ""


def keys_to_keep(action: str, keys: Keys, standing: Standing) -> list[bytes]:
    """The keys that the change alters or removes."""
    job = standing.job
    found = [keys.job(job), keys.executions(job), *(keys.execution(member) for member in standing.members)]
    if action == "delete":
        found += [keys.results(job), keys.dependents(job), keys.dependencies(job)]
    return found


def keep(ask: Ask, action: str, keys: Keys, found: Sequence[Standing], now: datetime) -> list[dict[str, Any]]:
    """What brings each job back as it is: the bytes of its keys, its places, and what the change will leave behind."""
    wanted = [
        keys_to_keep(action, keys, standing) if standing.size_bytes <= MOST_KEPT_BYTES else [] for standing in found
    ]
    answers = iter(ask([command for names in wanted for key in names for command in (("DUMP", key), ("PTTL", key))]))
    digests = job_digests(ask, keys, found)
    kept = []
    for standing, names, digest in zip(found, wanted, digests, strict=True):
        dumps = [_kept_key(key, next(answers), next(answers)) for key in names]
        kept.append({
            "action": action,
            "too_large_bytes": standing.size_bytes if standing.size_bytes > MOST_KEPT_BYTES else 0,
            "keys": [one for one in dumps if one],
            "digest": digest,
            "scores": {name: score.decode() for name, score in standing.scores.items()},
            "running": [[kept_text(member), score.decode()] for member, score in standing.running],
            "position": standing.waiting,
            "sets": [kept_text(key) for key in _sets(action, keys, standing)],
            "origin": kept_text(standing.origin),
            "stamp": stamp(now),
        })  # fmt: skip
    return kept


def _sets(action: str, keys: Keys, standing: Standing) -> list[bytes]:
    """Sets that the change takes the job out of."""
    if action == "delete":
        group = standing.fields.get("group_id")
        return [keys.group(group)] if group else []
    return [keys.dependents(dependency) for dependency in standing.dependencies]


def _kept_key(key: bytes, dump: Any, pttl: Any) -> dict[str, Any] | None:
    if not isinstance(dump, bytes) or not isinstance(pttl, int):
        return None
    expires = time.time() * 1000 + pttl if pttl >= 0 else None
    return {"key": kept_text(key), "dump": base64.b64encode(dump).decode(), "expires_ms": expires and int(expires)}


def job_digests(ask: Ask, keys: Keys, standings: Sequence[Standing]) -> list[str]:
    """What names each job's fields and values; empty without a hash. The bytes of DUMP differ with the order alone.

    Of a job that is too large to be kept the fields that decide are taken alone: it is not fetched.
    """
    found = [_digest(list(standing.fields.items())) if standing.fields else "" for standing in standings]
    small = [place for place, standing in enumerate(standings) if standing.size_bytes <= MOST_KEPT_BYTES]
    for start in range(0, len(small), DIGESTS_AT_A_TIME):
        places = small[start : start + DIGESTS_AT_A_TIME]
        answers = ask([("HGETALL", keys.job(standings[place].job)) for place in places])
        for place, answer in zip(places, answers, strict=True):
            pairs = [] if isinstance(answer, Exception) else sorted(zip(answer[::2], answer[1::2], strict=True))
            found[place] = _digest(pairs) if pairs else ""
    return found


def _digest(values: Sequence[Any]) -> str:
    return hashlib.sha256(repr(values).encode()).hexdigest()


def commands(action: str, keys: Keys, standing: Standing, kept: Mapping[str, Any]) -> list[Command]:
    """The writes of one change, for one transaction."""
    if action == "requeue":
        return [*_leave(keys, standing), *_enqueue(keys, standing, kept["stamp"].encode())]
    if action == "cancel":
        return [*_leave(keys, standing), *_cancel(keys, standing)]
    return [*_leave(keys, standing, keep_dependents=True), *_delete(keys, standing)]


def _leave(keys: Keys, standing: Standing, keep_dependents: bool = False) -> Iterable[Command]:
    """Take the job out of every place it stands in."""
    job, queue = standing.job, standing.queue
    if standing.waiting is not None:
        yield ("LREM", keys.queue(queue), -1 if standing.near_end else 1, job)
    for name in standing.scores:
        yield ("ZREM", keys.place(name, queue), job)
    if standing.running:
        yield ("ZREM", keys.place("started", queue), *(member for member, _ in standing.running))
    if standing.members or standing.executions:
        yield ("DEL", keys.executions(job), *(keys.execution(member) for member in standing.members))
        worker = standing.fields.get("worker_name")
        if worker and standing.members:
            yield ("SREM", keys.worker_executions(worker), *standing.members)
    for dependency in () if keep_dependents else standing.dependencies:
        yield ("SREM", keys.dependents(dependency), job)


def _enqueue(keys: Keys, standing: Standing, when: bytes) -> Iterable[Command]:
    job, queue = standing.job, standing.origin
    values = {"status": b"queued", "origin": queue, "enqueued_at": when, "started_at": b"", "ended_at": b""}
    if not standing.fields.get("timeout"):
        values["timeout"] = str(DEFAULT_TIMEOUT_SECONDS).encode()
    yield ("SADD", keys.queues, keys.queue(queue))
    yield ("HSET", keys.job(job), *_pairs(values | {"exc_info": _NO_EXCEPTION}))
    to_live = standing.fields.get("ttl", b"")
    if to_live.isdigit() and int(to_live):
        yield ("EXPIRE", keys.job(job), int(to_live))
    else:
        yield ("PERSIST", keys.job(job))
    yield ("RPUSH", keys.queue(queue), job)


def _cancel(keys: Keys, standing: Standing) -> Iterable[Command]:
    yield ("HSET", keys.job(standing.job), "status", b"canceled")
    yield ("ZADD", keys.place("canceled", standing.origin), int(time.time()), standing.job)


def _delete(keys: Keys, standing: Standing) -> Iterable[Command]:
    job = standing.job
    yield ("DEL", keys.job(job), keys.dependents(job), keys.dependencies(job), keys.results(job))
    if group := standing.fields.get("group_id"):
        yield ("SREM", keys.group(group), job)


def stamp(now: datetime) -> str:
    """A time as every release of rq writes and reads it."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _pairs(values: Mapping[str, bytes]) -> list[Any]:
    return [part for pair in values.items() for part in pair]


def kept_text(name: bytes) -> str:
    """Bytes as JSON can hold them; `kept_bytes` is the inverse."""
    return name.decode("utf-8", "surrogateescape")


def kept_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
