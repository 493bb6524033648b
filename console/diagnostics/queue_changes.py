"""Changes to Label Studio's queues: what a plan may do with a job or with the registration of a worker.

Redis knows no transaction over many jobs that could be taken back as a whole, so these changes are carried out one by
one (`queue_steps`), each guarded by where the job stood when the plan was made, and each is written down as it happens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import Refused

#: What becomes of a job, in the words of the preview.
BECOMES = {"requeue": "queued", "cancel": "canceled", "delete": "removed from Redis", "stop": "stopped"}


@dataclass(frozen=True)
class JobChange:
    """Requeue, cancel, delete or stop one job that still stands in `state`.

    `state` is the list or registry it was found in: queued, started, failed, deferred, scheduled, finished, canceled.
    `kept` holds what was taken away, once it is: the bytes that undo brings back.
    """

    action: str
    job_id: str
    queue: str
    state: str
    function: str = ""
    kept: Mapping[str, Any] | None = None

    op = "job"
    family = "queue"

    @property
    def reversible(self) -> bool:
        return self.action != "stop"

    @property
    def label(self) -> str:
        return f"job {self.job_id}"

    def lines(self) -> Iterator[dict[str, Any]]:
        what = f"{self.function} on {self.queue}" if self.function else f"on {self.queue}"
        yield {"label": self.label, "op": "update", "column": what, "before": self.state, "after": BECOMES[self.action]}

    def document(self) -> dict[str, Any]:
        plain = {"op": self.op, "action": self.action, "job_id": self.job_id, "queue": self.queue, "state": self.state,
                 "function": self.function}  # fmt: skip
        return plain | ({"kept": dict(self.kept)} if self.kept is not None else {})

    @classmethod
    def revived(cls, document: Mapping[str, Any]) -> JobChange:
        return cls(document["action"], document["job_id"], document["queue"], document["state"],
                   document.get("function", ""), document.get("kept"))  # fmt: skip

    def with_kept(self, kept: Mapping[str, Any]) -> JobChange:
        return replace(self, kept=kept)

    def inverse(self) -> RestoreJob:
        if not self.reversible or self.kept is None:
            raise Refused(f"{self.label}: {self.action} cannot be taken back.")
        return RestoreJob(self.job_id, self.queue, self.action, self.kept, self.state)


@dataclass(frozen=True)
class RestoreJob:
    """Bring a job back as it was before `action`, if nothing else has happened to it since."""

    job_id: str
    queue: str
    action: str
    kept: Mapping[str, Any]
    state: str

    op = "restore job"
    family = "queue"
    reversible = False

    @property
    def label(self) -> str:
        return f"job {self.job_id}"

    def lines(self) -> Iterator[dict[str, Any]]:
        yield {"label": self.label, "op": "update", "column": f"on {self.queue}", "before": BECOMES[self.action],
               "after": self.state}  # fmt: skip

    def document(self) -> dict[str, Any]:
        return {"op": self.op, "job_id": self.job_id, "queue": self.queue, "action": self.action,
                "kept": dict(self.kept), "state": self.state}  # fmt: skip

    @classmethod
    def revived(cls, document: Mapping[str, Any]) -> RestoreJob:
        return cls(*(document[name] for name in ("job_id", "queue", "action", "kept", "state")))


@dataclass(frozen=True)
class ForgetWorker:
    """Remove the registration a dead worker left behind; refused when it has sent a heartbeat since."""

    name: str
    queues: tuple[str, ...]
    last_heartbeat: str

    op = "forget worker"
    family = "queue"
    reversible = False

    @property
    def label(self) -> str:
        return f"worker {self.name}"

    def lines(self) -> Iterator[dict[str, Any]]:
        before = (
            f"registered for {', '.join(self.queues) or 'no queue'}, last heartbeat {self.last_heartbeat or 'never'}"
        )
        yield {"label": self.label, "op": "update", "column": "registration", "before": before, "after": "removed"}

    def document(self) -> dict[str, Any]:
        return {"op": self.op, "name": self.name, "queues": list(self.queues), "last_heartbeat": self.last_heartbeat}

    @classmethod
    def revived(cls, document: Mapping[str, Any]) -> ForgetWorker:
        return cls(document["name"], tuple(document["queues"]), document["last_heartbeat"])


QueueChange = JobChange | RestoreJob | ForgetWorker
