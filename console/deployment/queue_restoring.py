"""Bring jobs back as they were before requeue, cancel or delete, if nothing else has happened to them since."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .queue_keys import Keys
from .queue_moves import kept_bytes
from .queue_standing import MOST_KEPT_BYTES, Ask, Standing
from .redis_writing import Command
from .rq_values import name_text


@dataclass(frozen=True)
class Back:
    """One job to bring back to `queue`, with what was kept of it."""

    job: bytes
    queue: bytes
    kept: Mapping[str, Any]

    @property
    def action(self) -> str:
        return str(self.kept["action"])

    @property
    def origin(self) -> bytes:
        return kept_bytes(self.kept["origin"])

    @property
    def stands_on(self) -> bytes:
        """The queue whose places hold the job now."""
        return self.queue if self.action == "delete" else self.origin


def watched(keys: Keys, back: Back) -> list[bytes]:
    """Keys that decide whether the job may come back, and where to."""
    return [keys.job(back.job), keys.queue(back.queue), keys.queue(back.origin), keys.place("canceled", back.origin)]


def refusals(ask: Ask, keys: Keys, backs: Sequence[tuple[Back, Standing]]) -> list[str]:
    """Why each must not come back; empty when it may."""
    version = _version(ask, keys)
    there = iter(ask([("TYPE", kept_bytes(one)) for back, _ in backs for one in _told_keys(back)]))
    told = []
    for back, standing in backs:
        types = {one: next(there) for one in _told_keys(back)}
        told.append(_refusal(back, standing, types, version))
    return told


def _refusal(back: Back, standing: Standing, types: Mapping[str, bytes], server_version: int | None) -> str:
    name, kept = f"Job {name_text(back.job)}", back.kept
    if kept["too_large_bytes"]:
        size = f"{kept['too_large_bytes']:,} bytes, over {MOST_KEPT_BYTES // 2**20} MB"
        return f"{name} was too large to be kept ({size})."
    if standing.wrong:
        return f"{name} was left alone. {standing.wrong}"
    if any(types[one] not in (b"none", b"set") for one in kept["sets"]):
        return f"{name} was left alone: a set it belonged to is of another type now."
    if back.action == "requeue" and not (standing.waiting is not None and _stamped(standing, kept)):
        return f"{name} has moved on since it was requeued: it is {standing.words}."
    if back.action == "cancel" and standing.where != "canceled":
        return f"{name} is not canceled any more: it is {standing.words}."
    if back.action == "delete" and not (
        standing.where == "gone" and all(types[one["key"]] == b"none" for one in kept["keys"])
    ):
        return f"A job with the id {name_text(back.job)} is there again: it is {standing.words}."
    if any(_expired(one) for one in kept["keys"] if kept_bytes(one["key"]).endswith(b":job:" + back.job)):
        return f"{name} would have expired by now; there is nothing to bring back."
    if server_version is not None and any(_dump_version(_bytes(one)) > server_version for one in kept["keys"]):
        return f"{name} was kept by a newer Redis than the one that runs now, which cannot read it."
    return ""


def commands(keys: Keys, back: Back, standing: Standing, line: list[bytes] | None) -> list[Command]:
    """The writes for one transaction. `line` is the queue as it will be then, and is kept up to date."""
    job, kept = back.job, back.kept
    written: list[Command] = []
    if back.action == "requeue":
        written.append(("LREM", keys.queue(back.origin), 1, job))
    if back.action == "cancel":
        written.append(("ZREM", keys.place("canceled", back.origin), job))
    for one in kept["keys"]:
        if not _expired(one):
            left = max(1, one["expires_ms"] - _now_ms()) if one["expires_ms"] is not None else 0
            written.append(("RESTORE", kept_bytes(one["key"]), left, _bytes(one), "REPLACE"))
    for name, score in kept["scores"].items():
        written.append(("ZADD", keys.place(name, back.queue), score, job))
    for member, score in kept["running"]:
        written.append(("ZADD", keys.place("started", back.queue), score, kept_bytes(member)))
    for name in kept["sets"]:
        written.append(("SADD", kept_bytes(name), job))
    if line is not None and kept["position"] is not None:
        written.append(_into(keys.queue(back.queue), line, kept["position"], job))
    return written


def _into(queue: bytes, line: list[bytes], position: int, job: bytes) -> Command:
    """Where it stood; further back when the queue has become shorter."""
    if position >= len(line):
        command: Command = ("RPUSH", queue, job)
    elif position == 0:
        command = ("LPUSH", queue, job)
    else:
        command = ("LINSERT", queue, "BEFORE", line[position], job)
    line.insert(position, job)
    return command


def lines(ask: Ask, keys: Keys, backs: Sequence[Back]) -> dict[bytes, list[bytes]]:
    """The fronts of the queues that jobs return to, as far back as they need."""
    deepest: dict[bytes, int] = {}
    for back in backs:
        if back.kept["position"] is not None:
            deepest[back.queue] = max(deepest.get(back.queue, 0), back.kept["position"])
    answers = ask([("LRANGE", keys.queue(queue), 0, depth) for queue, depth in deepest.items()])
    return {
        queue: list(answer) if isinstance(answer, list) else [] for queue, answer in zip(deepest, answers, strict=True)
    }


def is_back(back: Back, standing: Standing, digest: str) -> bool:
    """Whether the job's hash is the one that was kept, and stands where it stood."""
    places = set(back.kept["scores"]) <= set(standing.scores)
    waits = back.kept["position"] is None or standing.waiting is not None
    return digest == back.kept["digest"] and places and waits


def _told_keys(back: Back) -> list[str]:
    return list(dict.fromkeys([*(one["key"] for one in back.kept["keys"]), *back.kept["sets"]]))


def _stamped(standing: Standing, kept: Mapping[str, Any]) -> bool:
    return standing.status == "queued" and standing.fields.get("enqueued_at") == kept["stamp"].encode()


def _version(ask: Ask, keys: Keys) -> int | None:
    """The format this server writes its dumps in; it reads that and older ones."""
    [dump] = ask([("DUMP", keys.queues)])
    return _dump_version(dump) if isinstance(dump, bytes) else None


def _dump_version(dump: bytes) -> int:
    return int.from_bytes(dump[-10:-8], "little")


def _bytes(one: Mapping[str, Any]) -> bytes:
    return base64.b64decode(one["dump"])


def _expired(one: Mapping[str, Any]) -> bool:
    return one["expires_ms"] is not None and one["expires_ms"] <= _now_ms()


def _now_ms() -> int:
    return int(time.time() * 1000)
