"""Label Studio's queues and the workers that serve them.

Left out are our own queue and those of other software in the same Redis. A queue is Label Studio's when it has one of the
four names, when a worker serves it beside one of them, or when a job in it calls a function we know.
"""

from __future__ import annotations

from ..deployment.queues import LABEL_STUDIO_QUEUES, QueueState, WorkerState
from .check import Context
from .job_functions import known

OWN_QUEUE = "lsconsole"
#: Jobs of a strange queue that are asked what they call.
SAMPLE = 5


def workers(ctx: Context) -> list[WorkerState]:
    """Registered workers of Label Studio's queues, dead ones included; of an expired one nobody knows the queues."""
    ours = {queue.name for queue in queues(ctx)}
    return [worker for worker in ctx.redis.workers(ctx.now) if not worker.queues or ours & set(worker.queues)]


def queues(ctx: Context) -> list[QueueState]:
    """Label Studio's four queues, then any other of its own that was ever used."""
    found = [queue for queue in ctx.redis.queues(ctx.now) if queue.name != OWN_QUEUE]
    if len(found) == len(LABEL_STUDIO_QUEUES):
        return found
    beside = {
        name
        for worker in ctx.redis.workers(ctx.now)
        if set(worker.queues) & set(LABEL_STUDIO_QUEUES)
        for name in worker.queues
    }
    usual = beside | set(LABEL_STUDIO_QUEUES)
    return [queue for queue in found if queue.name in usual or _has_known_jobs(ctx, queue)]


def _has_known_jobs(ctx: Context, queue: QueueState) -> bool:
    places = (("queued", queue.waiting), ("started", queue.started), ("failed", queue.failed),
              ("deferred", queue.deferred), ("scheduled", queue.scheduled))  # fmt: skip
    return any(
        known(job.function)
        for state, count in places
        if count
        for job in ctx.redis.page(queue.name, state, 0, SAMPLE).jobs
    )
