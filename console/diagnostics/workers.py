"""Label Studio's queues and the workers that serve them; our own queue in the same Redis is left out."""

from __future__ import annotations

from ..deployment.queues import QueueState, WorkerState
from .check import Context

OWN_QUEUE = "lsconsole"


def workers(ctx: Context) -> list[WorkerState]:
    """Registered workers, dead ones included, but those that serve our own queue alone."""
    return [worker for worker in ctx.redis.workers(ctx.now) if set(worker.queues) != {OWN_QUEUE}]


def queues(ctx: Context) -> list[QueueState]:
    """Label Studio's four queues, then any other that was ever used."""
    return [queue for queue in ctx.redis.queues(ctx.now) if queue.name != OWN_QUEUE]
