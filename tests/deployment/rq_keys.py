"""A Redis for the tests of the reader, and keys as rq writes them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import redis

from console.deployment.queues import STATES, Filter, QueueReader
from tests.redis_watch import run_redis

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    yield from run_redis(tmp_path_factory.mktemp("redis"), [])


@pytest.fixture
def raw(server: int) -> Iterator[redis.Redis]:
    client = redis.Redis(port=server)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def reader(server: int) -> Iterator[QueueReader]:
    reader = QueueReader(f"redis://127.0.0.1:{server}/0")
    yield reader
    reader.close()


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def put_worker(raw: redis.Redis, name: str, queues: str = "low", heartbeat: datetime = NOW, **fields: str) -> None:
    raw.sadd("rq:workers", f"rq:worker:{name}")
    raw.hset(
        f"rq:worker:{name}",
        mapping={"birth": stamp(NOW), "last_heartbeat": stamp(heartbeat), "queues": queues, "pid": "7", **fields},
    )


def queue_named(reader: QueueReader, name: str) -> Any:
    return next(queue for queue in reader.queues(NOW) if queue.name == name)


def use_everything(reader: QueueReader) -> None:
    """Every question the reader answers, of every state."""
    reader.ping()
    reader.info()
    reader.suspended()
    reader.queues()
    reader.workers()
    for queue in ("low", "high"):
        reader.throughput(queue, NOW)
        for state in STATES:
            reader.page(queue, state)
            reader.page(queue, state, newest_first=True)
            reader.search(queue, state, Filter(text="a", project_id=1), budget_seconds=None)
            reader.groups(queue, state)
            reader.matching_ids(queue, state, Filter(function="a"), 5)
    reader.failed("low")
    reader.started("low")
    reader.scheduled("low")
    reader.waiting("low")
    reader.job("a")
    reader.jobs(["a", "b"])
    reader.detail("a")
    reader.exists_job("a")
