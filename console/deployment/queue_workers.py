"""Stop a running job through its worker, and forget the registration that a dead worker left behind."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime

from ..errors import Conflict, Refused
from .queue_keys import Keys
from .queue_standing import Standing, is_alive, look
from .redis_writing import Command, Transaction, WritingRedis
from .rq_values import name_text, parse_time

#: Workers listen for commands since this release of rq.
FIRST_WITH_COMMANDS = (1, 7)
#: How often a worker that was told to stop is looked at, in seconds.
LOOK_EVERY_SECONDS = 0.05
TRIES = 20
MOST_QUEUES = 5000


class WorkerWriter:
    """The part of `QueueWriter` that is about workers."""

    _redis: WritingRedis
    _keys: Keys

    def stop(
        self, job_id: str, queue: str, wait_seconds: float = 10, stopped: Callable[[], bool] = lambda: False
    ) -> str:
        """Tell the worker to end the job it runs, and wait until it has. Returns a sentence on where the job is now.

        Raises Conflict when the job is not running (any more), Refused when its worker cannot be told or did not act.
        """
        job = job_id.encode("utf-8", "surrogatepass")
        on = queue.encode("utf-8", "surrogatepass")
        with self._redis.transaction() as transaction:
            standing = self._standing(transaction, job, on)
            if standing.wrong:
                raise Conflict(f"Job {job_id} was left alone. {standing.wrong}")
            if standing.where != "started":
                raise Conflict(f"Job {job_id} is not running on {queue} any more: it is {standing.words}.")
            if not standing.worker:
                raise Conflict(f"No live worker says that it runs job {job_id}. Requeue or delete it instead.")
            self._need_commands(transaction, standing.worker, job_id)
            command = json.dumps({"command": "stop-job", "job_id": job_id})
            name = standing.worker.encode("utf-8", "surrogatepass")
            transaction.commit([("PUBLISH", self._keys.pubsub(name), command.encode())])
            began = time.monotonic()
            while time.monotonic() - began < wait_seconds and not stopped():
                now = self._standing(transaction, job, on)
                if now.worker != standing.worker:
                    took = time.monotonic() - began
                    return f"Worker {standing.worker} ended job {job_id} after {took:.1f} s; it is {now.words} now."
                time.sleep(LOOK_EVERY_SECONDS)
        raise Refused(
            f"Worker {standing.worker} was told to stop job {job_id} and has not done so within {wait_seconds:g} s. It may run jobs "
            "in its own process (SimpleWorker), or have lost its line to Redis; end the worker's process where it runs."
        )

    def _need_commands(self, transaction: Transaction, worker: str, job_id: str) -> None:
        """A worker that is too old to listen must not be told: nobody would know that it did not hear."""
        key = self._keys.worker(worker.encode("utf-8", "surrogatepass"))
        [[version]] = transaction.ask([("HMGET", key, "version")])
        told = re.match(r"(\d{1,4})\.(\d{1,4})", name_text(version or b""))
        if told is None or (int(told[1]), int(told[2])) < FIRST_WITH_COMMANDS:
            release = f"rq {name_text(version)}" if version else "an rq that does not say its release"
            raise Refused(
                f"Worker {worker} runs {release}, which takes no commands (rq 1.7 and later do). "
                f"To stop job {job_id}, end the worker's process."
            )

    def _standing(self, transaction: Transaction, job: bytes, queue: bytes) -> Standing:
        [standing] = look(transaction.ask, self._keys, [(job, queue)])
        return standing

    def forget_worker(self, name: str, last_heartbeat: str = "") -> None:
        """Remove the registration of a worker that is dead, judged again right before. Raises Conflict when it lives.

        `last_heartbeat` is what was seen when this was planned; a worker that has said something since is left alone.
        """
        worker = name.encode("utf-8", "surrogatepass")
        with self._redis.transaction() as transaction:
            for _ in range(TRIES):
                transaction.watch([self._keys.worker(worker)])
                if transaction.commit(self._forgetting(transaction, worker, name, last_heartbeat)):
                    return
        raise Conflict(f"Worker {name} keeps changing its registration: it lives.")

    def _forgetting(self, transaction: Transaction, worker: bytes, name: str, planned: str) -> list[Command]:
        keys = self._keys
        row, registered, known = transaction.ask([
            ("HMGET", keys.worker(worker), "last_heartbeat", "death", "queues"),
            ("SMEMBERS", keys.workers),
            ("SMEMBERS", keys.queues),
        ])  # fmt: skip
        if any(isinstance(answer, Exception) for answer in (row, registered, known)):
            raise Conflict(f"Worker {name} was left alone: a key of its registration is not of the type rq writes.")
        heartbeat, death, queues = row
        if is_alive(heartbeat, death):
            raise Conflict(f"Worker {name} lives: its last heartbeat came {_ago(heartbeat)}.")
        if planned and heartbeat and parse_time(heartbeat) != parse_time(planned.encode()):
            raise Conflict(f"Worker {name} has sent a heartbeat since this was planned ({name_text(heartbeat)}).")
        lead = keys.queue(b"")
        names = {one.removeprefix(lead) for one in known} | set((queues or b"").split(b",")) - {b""}
        sets = [keys.workers, *(keys.workers_of(queue) for queue in sorted(names)[:MOST_QUEUES])]
        types = transaction.ask([("TYPE", key) for key in sets])
        there = [key for key, kind in zip(sets, types, strict=True) if kind == b"set"]
        if keys.worker(worker) not in registered and heartbeat is None and not death and not queues:
            raise Conflict(f"Worker {name} is not registered any more.")
        removed: list[Command] = [("SREM", key, keys.worker(worker)) for key in there]
        return [*removed, ("DEL", keys.worker(worker), keys.worker_executions(worker))]

    def knows_worker(self, name: str) -> bool:
        """Whether any registration of this worker is left."""
        key = self._keys.worker(name.encode("utf-8", "surrogatepass"))
        with self._redis.transaction() as transaction:
            there, names = transaction.ask([("EXISTS", key), ("SMEMBERS", self._keys.workers)])
        return bool(there) or (not isinstance(names, Exception) and key in names)

    def is_running(self, job_id: str, queue: str) -> bool:
        """Whether a live worker says that it runs this job."""
        with self._redis.transaction() as transaction:
            standing = self._standing(
                transaction, job_id.encode("utf-8", "surrogatepass"), queue.encode("utf-8", "surrogatepass")
            )
        return bool(standing.worker)


def _ago(heartbeat: bytes | None) -> str:
    said = parse_time(heartbeat or b"")
    return f"{(datetime.now(UTC) - said).total_seconds():,.0f} s ago" if said else "at an unknown time"
