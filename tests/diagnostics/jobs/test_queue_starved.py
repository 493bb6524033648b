"""jobs.queue_starved: queues that no live worker listens to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import redis
from rq import SimpleWorker

from console.diagnostics import NotApplicable, Severity
from console.diagnostics.check import Context
from console.diagnostics.jobs.queue_starved import queue_starved

WorkerOn = Callable[..., SimpleWorker]


def test_a_worker_on_all_queues_is_healthy(ctx: Context, worker_on: WorkerOn) -> None:
    worker_on("critical", "high", "default", "low")
    assert queue_starved.run(ctx) == []


def test_nobody_listens_to_low(ctx: Context, worker_on: WorkerOn, wait_since: Callable[..., None]) -> None:
    worker_on("critical", "high", name="first")
    worker_on("default", name="second")
    wait_since("low", datetime.now(UTC), "a.b")
    [finding] = queue_starved.run(ctx)
    assert (finding.subject, finding.severity) == ("queue:low", Severity.CRITICAL)
    assert finding.summary == "No worker listens to low (1 job waits), while 2 live workers listen to other queues"
    assert [(row["worker"], row["queues"]) for row in finding.evidence] == [
        ("first", "critical, high"), ("second", "default"),
    ]  # fmt: skip


def test_an_empty_queue_is_an_error_already(ctx: Context, worker_on: WorkerOn) -> None:
    worker_on("critical", "high", "default")
    [finding] = queue_starved.run(ctx)
    assert finding.severity == Severity.ERROR and "(empty yet)" in finding.summary


def test_another_queue_counts_when_jobs_of_label_studio_wait_there(
    ctx: Context, worker_on: WorkerOn, wait_since: Callable[..., None], raw: redis.Redis
) -> None:
    worker_on("critical", "high", "default", "low")
    raw.sadd("rq:queues", "rq:queue:unused", "rq:queue:lsconsole")
    wait_since("service", datetime.now(UTC), "a.b", "core.migration_helpers.execute_sql_job")
    wait_since("emails", datetime.now(UTC), "shop.mails.send")
    wait_since("lsconsole", datetime.now(UTC), "ours.work")
    [finding] = queue_starved.run(ctx)
    assert finding.subject == "queue:service"


def test_a_dead_worker_listens_to_nothing(ctx: Context, worker_on: WorkerOn, raw: redis.Redis) -> None:
    worker_on("critical", "high", "default")
    worker_on("low", name="dead")
    raw.hset("rq:worker:dead", "last_heartbeat", "2026-01-01T00:00:00.000000Z")
    [finding] = queue_starved.run(ctx)
    assert (finding.subject, finding.evidence.total) == ("queue:low", 1)


def test_no_worker_at_all_is_another_check(ctx: Context) -> None:
    with pytest.raises(NotApplicable, match=r"jobs\.no_worker"):
        queue_starved.run(ctx)
