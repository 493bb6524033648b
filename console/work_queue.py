"""Our own RQ queue: putting jobs on it, and the worker that takes them off.

A job in Redis is an id, written as JSON. Nothing found there is unpickled, and the worker runs its own function on the
id whatever a record names: who can write to that Redis cannot run code here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis
import rq
from rq.job import Job
from rq.serializers import JSONSerializer

from . import clock, jobs
from .errors import Refused
from .masking import mask_text
from .service import Console

NAME = "lsconsole"


class QueuedJob(Job):
    """A job that runs `perform`, and no callback."""

    @property
    def func(self) -> Any:
        return perform

    @property
    def success_callback(self) -> None:
        return None

    failure_callback = stopped_callback = success_callback


def put(url: str | None, job_id: str) -> None:
    """Put a job on the queue. Raises Refused when no Redis is named, or it does not answer."""
    if not url:
        raise Refused("LSCONSOLE_JOBS is rq, but LSCONSOLE_QUEUE_URL names no Redis.")
    try:
        _queue(_connection(url)).enqueue(
            perform, job_id, job_id=job_id, job_timeout=-1, result_ttl=0, failure_ttl=86400
        )
    except redis.RedisError as error:
        raise Refused(_no_redis(error)) from None


def lost(url: str | None, job_ids: Sequence[str]) -> list[str]:
    """Which of these waiting jobs no worker will ever take: somebody emptied the queue, or a worker died with them."""
    if not url or not job_ids:
        return []
    try:
        with _connection(url) as link:
            states = [link.hget(Job.key_for(job_id), "status") for job_id in job_ids]
    except redis.RedisError as error:
        raise Refused(_no_redis(error)) from None
    return [job_id for job_id, state in zip(job_ids, states, strict=True) if state in (None, b"failed", b"canceled")]


def _connection(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_connect_timeout=5, health_check_interval=30)


def _queue(link: redis.Redis) -> rq.Queue:
    return rq.Queue(NAME, connection=link, job_class=QueuedJob, serializer=JSONSerializer)


def _no_redis(error: Exception) -> str:
    return f"The Redis of our queue (LSCONSOLE_QUEUE_URL) does not answer: {mask_text(str(error)).rstrip('.')}."


_worker_console: Console | None = None


def serve(console: Console, *, burst: bool = False) -> None:
    """Work until stopped, or with `burst` until the queue is empty. Raises Refused when its Redis does not answer."""
    global _worker_console
    if not console.settings.queue_url:
        raise Refused(
            "A worker needs LSCONSOLE_QUEUE_URL, the Redis of our own queue. Without one, jobs run inside `lsconsole serve`."
        )
    _worker_console = console
    link = _connection(console.settings.queue_url)
    jobs.settle(console.store)
    jobs.settle_rows(console)
    try:
        link.ping()
        if not burst:
            clock.start(console)
        worker = rq.Worker([_queue(link)], connection=link, job_class=QueuedJob, serializer=JSONSerializer)
        worker.work(burst=burst)
    except redis.RedisError as error:
        raise Refused(_no_redis(error)) from None


def perform(job_id: str) -> None:
    """What a worker runs. The work horse is a fork: engines of the parent are thrown away, not shared."""
    parent = _worker_console
    if parent is None:
        raise RuntimeError("Start workers with `lsconsole worker`.")
    console = Console(parent.settings)
    try:
        jobs.perform(console, job_id)
    finally:
        console.close()
