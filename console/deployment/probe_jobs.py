"""A harmless job of our own on Label Studio's queues, written raw: put, watched, and removed without a trace.

The job calls `time.sleep(0)`, which every worker can import and which changes nothing. Its id is made of the queue's name,
so that a probe finds and removes what a killed one before it left; and its record expires by itself.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ..errors import Busy, Refused
from .queue_keys import REGISTRIES, Keys
from .queue_moves import stamp
from .queue_standing import Standing, look
from .redis_writing import Command, Transaction, WritingRedis
from .rq_values import name_text, parse_time

DESCRIPTION = "LS Console probe"
#: The pickled call ("time.sleep", None, (0,), {}), protocol 2, which every Python of rq reads; written out by hand.
CALL = b"\x80\x02(X\x0a\x00\x00\x00time.sleepNK\x00\x85}t."
#: How long the job may run, and how long rq keeps it afterwards.
TIMEOUT_SECONDS, RESULT_SECONDS = 10, 60
#: What a record outlives the wait by, when nobody is left to remove it.
SPARE_SECONDS = 60
TRIES = 20


@dataclass(frozen=True)
class ProbeState:
    """A probe as Redis has it. `ahead` counts the jobs before it while it waits; None when it is in no list."""

    status: str
    worker: str
    ahead: int | None
    started_at: datetime | None
    ended_at: datetime | None


def probe_id(queue: str) -> str:
    """Letters and dashes alone, as rq 3 asks of ids."""
    return "lsconsole-probe-" + hashlib.sha256(queue.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class ProbeWriter:
    """Puts probes on the queues behind one Redis URL. Raises as `QueueWriter` does; `close` it."""

    def __init__(self, url: str, prefix: str = "rq", timeout_seconds: float = 5) -> None:
        self._redis = WritingRedis(url, timeout_seconds, prefix)
        self._keys = Keys(prefix)

    def close(self) -> None:
        self._redis.close()

    def put(self, queue: str, wait_seconds: float) -> None:
        """A probe at the end of the queue; what an earlier one left is removed. Raises Busy while another is under way."""
        on = queue.encode("utf-8", "surrogatepass")
        job = probe_id(queue).encode()
        with self._redis.transaction() as transaction:
            for _ in range(TRIES):
                transaction.watch([self._keys.job(job)])
                standing = self._standing(transaction, job, on)
                self._need_free(transaction, standing, queue)
                commands = [*self._removing(standing), *self._putting(job, on, int(wait_seconds) + SPARE_SECONDS)]
                if transaction.commit(commands):
                    return
        raise Busy(f"Another probe of queue {queue} is under way; nothing was written.")

    def _need_free(self, transaction: Transaction, standing: Standing, queue: str) -> None:
        if standing.wrong:
            raise Refused(f"Queue {queue} takes no probe. {standing.wrong}")
        [left] = transaction.ask([("PTTL", self._keys.job(standing.job))])
        if standing.status in {"queued", "started"} and left > SPARE_SECONDS * 1000:  # it is still being waited for
            raise Busy(f"Another probe of queue {queue} is under way; nothing was written. Try again in a minute.")

    def state(self, queue: str) -> ProbeState | None:
        """How the probe is doing; None when its record is gone."""
        job = probe_id(queue).encode()
        key = self._keys.job(job)
        with self._redis.transaction() as transaction:
            [row] = transaction.ask([("HMGET", key, "status", "worker_name", "started_at", "ended_at")])
            standing = self._standing(transaction, job, queue.encode("utf-8", "surrogatepass"))
        if isinstance(row, Exception) or row[0] is None:
            return None
        worker = name_text(row[1] or b"") or standing.worker
        return ProbeState(name_text(row[0]), worker, standing.waiting, parse_time(row[2]), parse_time(row[3]))

    def remove(self, queue: str) -> None:
        """Take the probe and all that it left out of Redis, wherever it is by now."""
        job = probe_id(queue).encode()
        with self._redis.transaction() as transaction:
            standing = self._standing(transaction, job, queue.encode("utf-8", "surrogatepass"))
            if not standing.wrong:
                transaction.commit(self._removing(standing))

    def _standing(self, transaction: Transaction, job: bytes, queue: bytes) -> Standing:
        [standing] = look(transaction.ask, self._keys, [(job, queue)])
        return standing

    def _removing(self, standing: Standing) -> list[Command]:
        keys, job, queue = self._keys, standing.job, standing.queue
        gone = [keys.job(job), keys.results(job), keys.dependents(job), keys.dependencies(job), keys.executions(job)]
        commands: list[Command] = [
            ("LREM", keys.queue(queue), 0, job),
            ("LREM", keys.intermediate(queue), 0, job),
            ("DEL", *gone, *(keys.execution(member) for member in standing.members)),
        ]
        commands += [("ZREM", keys.place(name, queue), job) for name in REGISTRIES]
        if standing.running:
            commands.append(("ZREM", keys.place("started", queue), *(member for member, _ in standing.running)))
        return commands

    def _putting(self, job: bytes, queue: bytes, to_live_seconds: int) -> Sequence[Command]:
        now = stamp(datetime.now(UTC))
        values: dict[str, str | bytes | int] = {
            "status": "queued", "origin": queue, "description": DESCRIPTION, "data": zlib.compress(CALL),
            "created_at": now, "enqueued_at": now, "started_at": "", "ended_at": "", "last_heartbeat": "",
            "worker_name": "", "success_callback_name": "", "failure_callback_name": "", "timeout": TIMEOUT_SECONDS,
            "result_ttl": RESULT_SECONDS, "failure_ttl": RESULT_SECONDS,
        }  # fmt: skip
        key = self._keys.job(job)
        return [
            ("HSET", key, *(part for pair in values.items() for part in pair)),
            ("EXPIRE", key, to_live_seconds),
            ("RPUSH", self._keys.queue(queue), job),
        ]
