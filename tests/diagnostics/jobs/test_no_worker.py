"""jobs.no_worker: nobody takes jobs, whatever registrations are left."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import redis
from rq import SimpleWorker

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.jobs.no_worker import no_worker
from console.diagnostics.runner import ask

WorkerOn = Callable[..., SimpleWorker]


def test_one_live_worker_is_healthy(ctx: Context, worker_on: WorkerOn) -> None:
    worker_on("default")
    assert no_worker.run(ctx) == []


def test_nobody_at_all(ctx: Context) -> None:
    [finding] = no_worker.run(ctx)
    assert (finding.subject, finding.severity) == ("deployment:redis", Severity.ERROR)
    assert finding.summary == "No worker is alive (none is registered), and nothing waits yet"
    assert finding.evidence.total == 0


def test_it_is_critical_when_jobs_wait(ctx: Context, wait_since: Callable[..., None]) -> None:
    wait_since("low", datetime.now(UTC), "a.b", "a.b")
    wait_since("lsconsole", datetime.now(UTC), "ours.work")
    [finding] = no_worker.run(ctx)
    assert finding.severity == Severity.CRITICAL
    assert finding.summary == "No worker is alive (none is registered), and 2 jobs wait"


def test_a_dead_registration_says_why(ctx: Context, raw: redis.Redis, worker_on: WorkerOn) -> None:
    worker_on("low", "default", name="gone-silent")
    silent = datetime.now(UTC) - timedelta(minutes=43)
    raw.hset("rq:worker:gone-silent", "last_heartbeat", silent.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    raw.sadd("rq:workers", "rq:worker:expired")
    [finding] = no_worker.run(ctx)
    assert finding.summary.startswith("No worker is alive (2 registered and dead)")
    rows = {row["worker"]: row for row in finding.evidence}
    assert rows["gone-silent"]["queues"] == "low, default"
    assert rows["gone-silent"]["why_dead"] == "its last heartbeat is 43 min old"
    assert rows["expired"]["why_dead"].startswith("its registration has expired")


def test_our_own_worker_does_not_count(ctx: Context, worker_on: WorkerOn) -> None:
    worker_on("lsconsole")
    [finding] = no_worker.run(ctx)
    assert finding.evidence.total == 0
    worker_on("lsconsole", "low")
    assert no_worker.run(ctx) == []


def test_a_worker_of_other_software_does_not_count(
    ctx: Context, worker_on: WorkerOn, wait_since: Callable[..., None]
) -> None:
    worker_on("emails", name="shop")
    wait_since("emails", datetime.now(UTC), "shop.mails.send")
    [finding] = no_worker.run(ctx)
    assert finding.summary == "No worker is alive (none is registered), and nothing waits yet"
    worker_on("low", "emails", name="both")
    assert no_worker.run(ctx) == []


def test_the_layout_of_rq_1(ctx: Context, raw: redis.Redis) -> None:
    raw.sadd("rq:workers", "rq:worker:old")
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    raw.hset("rq:worker:old", mapping={"birth": now, "last_heartbeat": now, "queues": "low", "state": "idle"})
    assert no_worker.run(ctx) == []


def test_without_redis_there_is_nothing_to_look_at(ctx: Context) -> None:
    ctx.deployment.redis = None
    assert ask(no_worker, ctx).outcome == "not_applicable"


def test_another_database_of_the_same_server_is_named(ctx: Context, raw: redis.Redis) -> None:
    [finding] = no_worker.run(ctx)
    assert finding.cause == "No worker process is connected to this Redis."
    with redis.Redis.from_url(raw_url(raw, 3)) as other:
        other.set("rq:workers-elsewhere", 1)
    [finding] = no_worker.run(ctx)
    assert "database 0 of this Redis (0 keys)" in finding.cause and "database 3 (1 key)" in finding.cause


def raw_url(raw: redis.Redis, number: int) -> str:
    known = raw.connection_pool.connection_kwargs
    return f"redis://{known['host']}:{known['port']}/{number}"
