"""Samples of queues and tables are taken when due, tell what ended in between, and do not pile up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import redis
from rq import Queue, SimpleWorker
from sqlalchemy import func, select, update

from console import sampler
from console.service import Console
from console.state.models import QueueSample, TableSample
from tests import servers
from tests.factories import BOTH_ENGINES


@pytest.fixture(scope="module")
def redis_url():
    with servers.redis_server() as url:
        yield url


@pytest.fixture
def raw(redis_url):
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def settings(settings, redis_url, raw):
    return settings.with_(redis_url=redis_url)


def history(console: Console, queue: str) -> list[QueueSample]:
    seen = sampler.queue_history(console.store, console.deployment, datetime(2020, 1, 1, tzinfo=UTC))
    return [sample for sample in seen if sample.queue == queue]


def count(console: Console, kind: type) -> int:
    with console.store.read() as session:
        return session.scalar(select(func.count()).select_from(kind))


def test_a_sample_tells_depth_and_what_ended_since_the_one_before(console, raw):
    queue = Queue("low", connection=raw)
    queue.enqueue("time.sleep", 0)
    queue.enqueue("time.no_such_thing")
    now = datetime.now(UTC) - timedelta(seconds=2)  # rq's scores are whole seconds
    sampler.sample(console.store, console.deployment, now)
    SimpleWorker([queue], connection=raw).work(burst=True)
    queue.enqueue("time.sleep", 0)
    sampler.sample(console.store, console.deployment, now + timedelta(seconds=60))
    first, second = history(console, "low")
    assert (first.waiting, first.finished, first.failed_new) == (2, None, None)
    assert (second.waiting, second.failed, second.finished, second.failed_new) == (1, 1, 1, 1)
    assert {sample.queue for sample in sampler.queue_history(console.store, console.deployment, now)} >= {
        "critical",
        "high",
    }


def test_nothing_is_looked_at_before_it_is_due(console, raw):
    now = datetime.now(UTC)
    for seconds in (0, 10, 30):
        sampler.sample(console.store, console.deployment, now + timedelta(seconds=seconds))
    assert len(history(console, "low")) == 1


def test_times_that_are_none_and_names_that_no_database_holds_are_sampled(console, raw):
    raw.zadd("rq:finished:low", {"job": 253402300799})
    raw.hset("rq:job:job", mapping={"ended_at": "2026-01-01T00:00:00.000000Z"})
    raw.sadd("rq:queues", "rq:queue:a\x00b", "rq:queue:" + "long" * 200)
    now = datetime.now(UTC)
    for seconds in (0, 60):
        sampler.sample(console.store, console.deployment, now + timedelta(seconds=seconds))
    assert len(history(console, "low")) == len(history(console, "a␀b")) == 2


def test_our_own_queue_is_left_out(console, raw):
    Queue("lsconsole", connection=raw).enqueue("time.sleep", 0)
    sampler.sample(console.store, console.deployment)
    assert not history(console, "lsconsole")


def test_old_samples_go(console, raw):
    now = datetime.now(UTC)
    sampler.sample(console.store, console.deployment, now)
    with console.store.session() as session:
        session.execute(update(QueueSample).values(at=now - sampler.KEPT_QUEUES - timedelta(hours=1)))
        session.execute(update(TableSample).values(at=now - sampler.KEPT_TABLES - timedelta(hours=1)))
    sampler.sample(console.store, console.deployment, now)
    assert len(history(console, "low")) == 1
    assert {
        sample.at for sample in sampler.table_history(console.store, console.deployment, now - timedelta(days=900))
    } == {now}


@BOTH_ENGINES
def test_tables_are_sampled_with_their_sizes(console, raw):
    now = datetime.now(UTC)
    sampler.sample(console.store, console.deployment, now)
    [whole] = sampler.table_history(console.store, console.deployment, now)
    [task] = sampler.table_history(console.store, console.deployment, now, "task")
    assert whole.total_bytes > 100_000
    assert task.at == now and task.live_rows is not None


def test_sampling_writes_nothing_into_redis(console, raw):
    Queue("low", connection=raw).enqueue("time.sleep", 0)
    before = {key: raw.dump(key) for key in raw.scan_iter()}
    sampler.sample(console.store, console.deployment)
    assert {key: raw.dump(key) for key in raw.scan_iter()} == before


def test_without_redis_the_tables_are_sampled_all_the_same(console):
    console.deployment.redis = None
    sampler.sample(console.store, console.deployment)
    assert count(console, QueueSample) == 0 and count(console, TableSample) > 1
