"""jobs.zombie_worker: registrations nobody is behind, and workers that hang between two jobs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import redis
from rq import SimpleWorker

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.jobs.zombie_worker import forget, zombie_worker
from console.diagnostics.queue_changes import ForgetWorker

WorkerOn = Callable[..., SimpleWorker]
STAMP = "%Y-%m-%dT%H:%M:%S.%fZ"


def silence(raw: redis.Redis, name: str, minutes: float) -> datetime:
    last = datetime.now(UTC) - timedelta(minutes=minutes)
    raw.hset(f"rq:worker:{name}", "last_heartbeat", last.strftime(STAMP))
    return last


def test_live_idle_workers_and_one_that_signs_off_are_healthy(
    ctx: Context, raw: redis.Redis, worker_on: WorkerOn
) -> None:
    worker_on("low", "default", name="first")
    worker_on("low", name="leaving")
    raw.hset("rq:worker:leaving", "death", datetime.now(UTC).strftime(STAMP))
    assert zombie_worker.run(ctx) == []


def test_silent_and_expired_registrations_are_forgotten(ctx: Context, raw: redis.Redis, worker_on: WorkerOn) -> None:
    worker_on("low", name="alive")
    worker_on("low", "high", name="silent")
    silence(raw, "silent", 43)
    raw.sadd("rq:workers", "rq:worker:expired")
    [finding] = zombie_worker.run(ctx)
    assert (finding.subject, finding.severity) == ("deployment:redis", Severity.WARNING)
    assert finding.summary == "2 of 3 registered workers are not at work (2 dead); 1 alive"
    assert {row["worker"]: row["why"] for row in finding.evidence} == {
        "silent": "its last heartbeat is 43 min old",
        "expired": "its registration has expired: it ended without signing off",
    }
    changes = {change.name: change for change in forget(ctx, finding)}
    assert set(changes) == {"silent", "expired"} and isinstance(changes["silent"], ForgetWorker)
    assert changes["silent"].queues == ("low", "high") and changes["expired"].last_heartbeat == ""


def test_one_that_came_back_is_not_forgotten(ctx: Context, raw: redis.Redis, worker_on: WorkerOn) -> None:
    worker_on("low", name="back")
    silence(raw, "back", 20)
    [finding] = zombie_worker.run(ctx)
    silence(raw, "back", 0)
    assert list(forget(ctx, finding)) == []


def test_expired_names_alone_are_a_remark(ctx: Context, raw: redis.Redis, worker_on: WorkerOn) -> None:
    worker_on("low", name="alive")
    raw.sadd("rq:workers", "rq:worker:old-pod-1", "rq:worker:old-pod-2")
    [finding] = zombie_worker.run(ctx)
    assert finding.severity == Severity.INFO


def test_busy_without_a_job_hangs(ctx: Context, raw: redis.Redis, worker_on: WorkerOn) -> None:
    worker_on("low", name="hangs")
    worker_on("low", name="works")
    worker_on("low", name="of-rq-3")  # which does not write what it works on
    raw.hset("rq:worker:of-rq-3", "state", "busy")
    raw.hset("rq:worker:hangs", mapping={"state": "busy", "version": "1.16.2"})
    raw.hset("rq:worker:works", mapping={"state": "busy", "version": "1.16.2", "current_job": "some-job"})
    [finding] = zombie_worker.run(ctx)
    assert [row["worker"] for row in finding.evidence] == ["hangs"]
    assert finding.fixes == () and "1 busy without a job" in finding.summary


def test_our_own_worker_is_left_out(ctx: Context, raw: redis.Redis, worker_on: WorkerOn) -> None:
    worker_on("lsconsole", name="ours")
    silence(raw, "ours", 30)
    assert zombie_worker.run(ctx) == []
