"""The names of rq's keys, 1.10 to 3.x. Ids and names are bytes here, exactly as Redis holds them."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Our word for a place a job can stand in -> the registry's part of its key. `queued` is a list of its own.
REGISTRIES = {
    "started": b"wip",
    "failed": b"failed",
    "deferred": b"deferred",
    "scheduled": b"scheduled",
    "finished": b"finished",
    "canceled": b"canceled",
}


@dataclass(frozen=True)
class Keys:
    """`prefix` is rq's own, `rq` unless the operator changed it (RQ_KEY_PREFIX of rq 3)."""

    prefix: str

    def _of(self, kind: bytes, name: bytes = b"") -> bytes:
        return self.prefix.encode() + b":" + kind + name

    @property
    def queues(self) -> bytes:
        return self._of(b"queues")

    @property
    def workers(self) -> bytes:
        return self._of(b"workers")

    def queue(self, name: bytes) -> bytes:
        return self._of(b"queue:", name)

    def intermediate(self, name: bytes) -> bytes:
        """Where a job is between its queue and its worker, since rq 1.16."""
        return self._of(b"queue:", name + b":intermediate")

    def place(self, state: str, queue: bytes) -> bytes:
        """The list or sorted set of a state."""
        return self.queue(queue) if state == "queued" else self._of(REGISTRIES[state] + b":", queue)

    def job(self, job: bytes) -> bytes:
        return self._of(b"job:", job)

    def dependents(self, job: bytes) -> bytes:
        return self._of(b"job:", job + b":dependents")

    def dependencies(self, job: bytes) -> bytes:
        return self._of(b"job::", job + b":dependencies")  # two colons: so rq writes it

    def results(self, job: bytes) -> bytes:
        return self._of(b"results:", job)

    def executions(self, job: bytes) -> bytes:
        return self._of(b"executions:", job)

    def execution(self, member: bytes) -> bytes:
        """`member` is `<job id>:<execution id>`."""
        return self._of(b"execution:", member)

    def group(self, name: bytes) -> bytes:
        return self._of(b"group:", name)

    def worker(self, name: bytes) -> bytes:
        return self._of(b"worker:", name)

    def worker_executions(self, name: bytes) -> bytes:
        return self._of(b"worker:", name + b":executions")

    def workers_of(self, queue: bytes) -> bytes:
        return self._of(b"workers:", queue)

    def pubsub(self, worker: bytes) -> bytes:
        return self._of(b"pubsub:", worker)


def is_execution(name: bytes) -> bool:
    """Whether this is the id of an execution: a bare UUID."""
    return re.fullmatch(rb"[0-9a-f]{32}", name) is not None


def job_of(member: bytes) -> bytes:
    """The job that a member of the started registry is about: rq 2 writes `<job id>:<execution id>`."""
    job, _, execution = member.rpartition(b":")
    return job if job and is_execution(execution) else member
