"""jobs.job_without_row: jobs for rows that are gone, and none for those that are there or cannot be told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import redis
from rq import Queue
from rq.job import Job
from sqlalchemy.orm import Session

from console.diagnostics import Severity, Unknown
from console.diagnostics.check import Context
from console.diagnostics.jobs.job_without_row import job_without_row
from console.service import Console
from tests.diagnostics.jobs.conftest import STAMP
from tests.diagnostics.jobs.test_repairs import round_trip
from tests.diagnostics.under_way import make_snapshot, put_job

SYNC = "io_storages.base_models.import_sync_background"


def aged(raw: redis.Redis, job: Job, minutes: float = 30) -> Job:
    stamp = (datetime.now(UTC) - timedelta(minutes=minutes)).strftime(STAMP)
    raw.hset(job.key, mapping={"created_at": stamp, "enqueued_at": stamp})
    return job


def sync(raw: redis.Redis, number: int, kind: str = "S3Import") -> Job:
    told = f"{SYNC}(<class 'io_storages.s3.models.{kind}Storage'>, {number}, project_id=1)"
    return aged(raw, Queue("low", connection=raw).enqueue(SYNC, number, description=told))


def test_healthy(ctx: Context, session: Session, raw: redis.Redis) -> None:
    sync(raw, 1), sync(raw, 1, "S3Export"), sync(raw, 1, "GCSImport"), sync(raw, 1, "SomebodyElses")
    aged(raw, put_job(raw, "export", make_snapshot(session).id))
    aged(raw, Queue("low", connection=raw).enqueue("somebody.else", 4711))
    put_job(raw, "export", 4711)  # its row may be written in a moment
    assert job_without_row.run(ctx) == []


def test_jobs_that_wait(ctx: Context, raw: redis.Redis) -> None:
    gone = [sync(raw, 99), sync(raw, 98, "LocalFilesExport")]
    snapshot, conversion = (aged(raw, put_job(raw, about, 4711)) for about in ("export", "conversion"))
    default, low = sorted(job_without_row.run(ctx), key=lambda finding: finding.subject)
    assert (low.subject, low.severity) == ("queue:low", Severity.WARNING)
    assert low.summary == "2 jobs of low are for rows that are deleted: 2 wait"
    assert [(row["job"], row["row"]) for row in low.evidence] == [
        (gone[0].id, "storage s3:99"), (gone[1].id, "storage localfiles-export:98"),
    ]  # fmt: skip
    assert [row["job"] for row in default.evidence] == [snapshot.id, conversion.id]


def test_failed_ones_are_told_quietly(ctx: Context, raw: redis.Redis) -> None:
    job = sync(raw, 99)
    raw.lrem("rq:queue:low", 0, job.id)
    raw.hset(job.key, "status", "failed")
    raw.zadd("rq:failed:low", {job.id: 2_000_000_000})
    [finding] = job_without_row.run(ctx)
    assert (finding.summary, finding.severity) == ("1 job of low is for rows that are deleted: 1 failed", Severity.INFO)


def test_the_fix_deletes_them_and_undo_brings_them_back(console: Console, ctx: Context, raw: redis.Redis) -> None:
    aged(raw, put_job(raw, "import", 4712)), aged(raw, put_job(raw, "import", 4713))
    round_trip(console, ctx, raw, "jobs.job_without_row", "delete_jobs", "queue:high")
    assert raw.llen("rq:queue:high") == 0


def test_what_is_gone_by_then_is_passed_over(console: Console, ctx: Context, raw: redis.Redis) -> None:
    ended, job = (aged(raw, put_job(raw, "import", number)) for number in (4711, 4712))
    [finding] = job_without_row.run(ctx)
    raw.delete(ended.key)
    ctx.close()
    plan = console.plan(finding, "delete_jobs", by="test")
    [change] = plan.changes
    assert (change["action"], change["job_id"], change["queue"], change["state"]) == (
        "delete",
        job.id,
        "high",
        "queued",
    )
    assert raw.exists(job.key)


def test_long_queues_are_searched(ctx: Context, raw: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.diagnostics.jobs.job_without_row.SMALL_LIST", 2)
    for number in range(4):
        aged(raw, Queue("low", connection=raw).enqueue("somebody.else", number))
    gone, _ = sync(raw, 99), sync(raw, 1)
    [finding] = job_without_row.run(ctx)
    assert [row["job"] for row in finding.evidence] == [gone.id]


def test_looking_changes_nothing(ctx: Context, raw: redis.Redis) -> None:
    sync(raw, 99)
    before = {key: raw.dump(key) for key in raw.scan_iter()}
    assert len(job_without_row.run(ctx)) == 1
    assert {key: raw.dump(key) for key in raw.scan_iter()} == before


def test_the_redis_of_another_label_studio(ctx: Context, raw: redis.Redis) -> None:
    for number in range(5):
        sync(raw, 50 + number)
    [answer] = list(job_without_row.answers(ctx))
    assert isinstance(answer, Unknown) and "Not one of 5 jobs has its row" in str(answer)
    sync(raw, 1)
    assert len(job_without_row.run(ctx)) == 1
