"""jobs.abandoned: started jobs whose worker is gone or does something else, of every rq release."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import redis
from rq import SimpleWorker

from console.diagnostics.check import Context
from console.diagnostics.jobs.abandoned import abandoned, requeue, take_off
from console.diagnostics.queue_changes import JobChange
from tests import rq_releases

STAMP = "%Y-%m-%dT%H:%M:%S.%fZ"
EXPORT, SYNC = "data_export.mixins.export_background(4)", "io_storages.base_models.import_sync_background(1, 2)"


def start(raw: redis.Redis, job: str, description: str, worker: str, minutes: float = 20, execution: str = "") -> None:
    """A job as a worker leaves it while it runs."""
    began = (datetime.now(UTC) - timedelta(minutes=minutes)).strftime(STAMP)
    raw.sadd("rq:queues", "rq:queue:low")
    raw.hset(f"rq:job:{job}", mapping={
        "status": "started", "origin": "low", "description": description, "worker_name": worker, "started_at": began,
        "data": "x",
    })  # fmt: skip
    raw.zadd("rq:wip:low", {f"{job}:{execution}" if execution else job: 4e9})


def test_a_job_that_runs_is_healthy(ctx: Context, raw: redis.Redis, worker_on: Callable[..., SimpleWorker]) -> None:
    worker_on("low", name="w")
    start(raw, "a", EXPORT, "w")
    raw.hset("rq:worker:w", mapping={"state": "busy", "current_job": "a"})
    start(raw, "just-taken", SYNC, "not-yet-known", minutes=1)
    raw.zadd("rq:wip:low", {"gone": 1})
    assert abandoned.run(ctx) == []


def test_gone_dead_and_busy_elsewhere(ctx: Context, raw: redis.Redis, worker_on: Callable[..., SimpleWorker]) -> None:
    worker_on("low", name="elsewhere")
    raw.hset("rq:worker:elsewhere", mapping={"state": "busy", "current_job": "other"})
    worker_on("low", name="idle")
    raw.hset("rq:worker:idle", "state", "idle")
    worker_on("low", name="dead")
    raw.hset("rq:worker:dead", "last_heartbeat", "2026-01-01T00:00:00Z")
    start(raw, "a", EXPORT, "vanished", minutes=200.5)
    start(raw, "b", SYNC, "dead", execution="0" * 32)
    start(raw, "c", "mail.send(1)", "elsewhere")
    start(raw, "d", EXPORT, "")  # rq before 1.9 does not write the worker
    start(raw, "e", "mail.send(1)", "idle")
    [finding] = abandoned.run(ctx)
    assert finding.summary == "5 started jobs of low have no worker any more, the oldest since 3 h 20 min"
    assert {row["job"]: row["why"] for row in finding.evidence} == {
        "a": "its worker vanished is not registered any more",
        "b": "its worker dead is dead: " + next(w.why_dead for w in ctx.redis.workers(ctx.now) if w.name == "dead"),
        "c": "its worker elsewhere works on other",
        "d": "no live worker names it as its job",
        "e": "its worker idle works on nothing",
    }
    assert finding.fixes == ("requeue", "take_off")
    assert {change.job_id for change in requeue(ctx, finding)} == {"a", "d"}
    taken = JobChange("delete", "b", "low", "started", "io_storages.base_models.import_sync_background")
    assert taken in list(take_off(ctx, finding))
    assert {change.job_id for change in take_off(ctx, finding)} == {"b", "c", "e"}


@pytest.mark.parametrize("release", rq_releases.RELEASES)
def test_a_killed_worker_of_each_release(ctx: Context, raw: redis.Redis, redis_url: str, release: str) -> None:
    with (
        rq_releases.Library(release, redis_url) as library,
        rq_releases.worker(release, redis_url, ["low"], name="killed") as worker,
    ):
        job = library.enqueue("low", "slow", 60)
        worker.wait_until(lambda: library.status(job) == "started")
        ctx.now = datetime.now(UTC) + timedelta(minutes=5)
        assert abandoned.run(ctx) == []  # it does run
        worker.kill()
    ctx.now = datetime.now(UTC) + timedelta(minutes=11)  # past its last heartbeat
    [finding] = abandoned.run(ctx)
    [row] = finding.evidence
    assert (row["job"], row["worker"], row["function"]) == (job, "killed", "jobs_for_tests.slow")
    assert row["why"].startswith("its worker killed is dead") and finding.fixes == ("take_off",)
