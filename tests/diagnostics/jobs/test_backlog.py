"""jobs.backlog: since when the oldest job waits, and which functions wait."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import redis
from rq import Queue, SimpleWorker

from console.diagnostics import Severity, Unknown
from console.diagnostics.check import Context
from console.diagnostics.jobs.backlog import backlog

Put = Callable[..., None]


def ago(minutes: float) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=minutes)


def test_a_young_queue_is_healthy(ctx: Context, wait_since: Put) -> None:
    wait_since("low", ago(4), "a.b")
    assert list(backlog.answers(ctx)) == []


def test_a_late_queue_tells_its_functions(
    ctx: Context, wait_since: Put, worker_on: Callable[..., SimpleWorker]
) -> None:
    worker_on("low")
    wait_since("low", ago(52.5), "io_storages.base_models.import_sync_background")
    wait_since("low", ago(20), "webhooks.utils.emit", "webhooks.utils.emit")
    [finding] = backlog.run(ctx)
    assert (finding.subject, finding.severity) == ("queue:low", Severity.WARNING)
    assert finding.summary == "3 jobs wait on low, the oldest for 52 min; none ended in the last 8 min"
    assert finding.cause == "1 live worker listens to it; about 3.4 an hour come in."
    assert [(row["function"], row["jobs"]) for row in finding.evidence] == [
        ("webhooks.utils.emit", 2), ("io_storages.base_models.import_sync_background", 1),
    ]  # fmt: skip


def test_more_than_an_hour_is_an_error(ctx: Context, wait_since: Put) -> None:
    wait_since("default", ago(200.5), "a.b")
    [finding] = backlog.run(ctx)
    assert (finding.severity, finding.summary) == (Severity.ERROR, "1 job waits on default, the oldest for 3 h 20 min")
    assert finding.cause == "No live worker listens to this queue."


def test_suspended_workers_are_the_cause(ctx: Context, wait_since: Put, raw: redis.Redis) -> None:
    wait_since("default", ago(10), "a.b")
    raw.set("rq:suspended", 1)
    [finding] = backlog.run(ctx)
    assert "rq resume" in finding.cause


def test_our_own_queue_is_left_out(ctx: Context, wait_since: Put) -> None:
    wait_since("lsconsole", ago(10), "ours.work")
    assert list(backlog.answers(ctx)) == []


def test_jobs_without_a_time_are_unknown(ctx: Context, wait_since: Put, raw: redis.Redis) -> None:
    wait_since("low", None, "a.b")
    raw.rpush("rq:queue:low", "gone")
    [answer] = list(backlog.answers(ctx))
    assert isinstance(answer, Unknown)
    assert str(answer) == "Queue low: 2 jobs wait, and none of the first ten says since when."


def test_a_long_queue_is_read_in_part(ctx: Context, wait_since: Put, raw: redis.Redis) -> None:
    wait_since("low", ago(10), "a.b")
    raw.rpush("rq:queue:low", *(f"gone-{number}" for number in range(1200)))
    [finding] = backlog.run(ctx)
    assert finding.summary.startswith("1,201 jobs wait on low") and "next 1,000 read" in finding.summary
    assert finding.evidence.rows[0] == {
        "function": "gone: its data has expired", "jobs": 999, "oldest": None, "example": "gone-0", "projects": "",
        "missing": "",
    }  # fmt: skip


def test_how_long_it_takes_and_whether_it_grows(
    ctx: Context, wait_since: Put, worker_on: Callable[..., SimpleWorker], raw: redis.Redis
) -> None:
    queue = Queue("default", connection=raw)
    for _ in range(16):
        queue.enqueue(abs, -1, result_ttl=500)
    SimpleWorker([queue], connection=raw).work(burst=True)
    worker_on("default")
    wait_since("default", ago(120), *["data_export.mixins.export_background"] * 120)
    ctx.now = datetime.now(UTC)
    [finding] = backlog.run(ctx)
    # 16 ends within the 500 s that rq remembers
    assert finding.summary == "120 jobs wait on default, the oldest for 2 h 0 min; at 1.9 a minute they take 1 h 2 min"
    assert finding.cause == "1 live worker listens to it; about 1.0 a minute come in."
    wait_since("default", ago(120), *["data_export.mixins.export_background"] * 180)
    [finding] = backlog.run(ctx)
    assert finding.summary.endswith("at 1.9 a minute they take 2 h 36 min and more come in than end")
    assert finding.evidence.rows[0]["missing"] == "the snapshot stays in progress and cannot be downloaded"


def test_the_projects_that_flood_a_queue_are_named(ctx: Context, raw: redis.Redis) -> None:
    queue = Queue("low", connection=raw)
    for project in [7, 7, 7, 12]:
        job = queue.enqueue("io_storages.base_models.import_sync_background", 1, project_id=project)
        raw.hset(job.key, mapping=dict.fromkeys(("created_at", "enqueued_at"), ago(30).strftime("%Y-%m-%dT%H:%M:%SZ")))
    [finding] = backlog.run(ctx)
    assert finding.evidence.rows[0]["projects"] == "7 (3), 12 (1)"
