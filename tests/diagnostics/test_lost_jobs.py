"""Whether a job will end a row, asked while real workers of several rq releases run, fail and die."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis
from sqlalchemy.orm import Session

from console.config import Settings
from console.diagnostics import Unknown
from console.diagnostics.check import Context
from console.diagnostics.lost_jobs import Judge, sign_of_redis
from tests import rq_releases
from tests.diagnostics.jobs.conftest import raw, redis_url
from tests.diagnostics.under_way import FUNCTIONS, ago, make_import, make_reimport
from tests.factories import change_row

__all__ = ["raw", "redis_url"]
HOUR = timedelta(hours=1)


@pytest.fixture
def settings(settings: Settings, redis_url: str, raw: redis.Redis) -> Iterator[Settings]:
    return settings.with_(redis_url=redis_url)


@pytest.mark.parametrize("release", ["1.10", "1.16", "2.6", "3"])
def test_the_life_of_a_job(ctx: Context, redis_url: str, release: str) -> None:
    """It waits, runs, and is lost with its worker; another fails. Asked is by the row alone."""
    queue, function = FUNCTIONS["export"]
    with rq_releases.Library(release, redis_url) as library:
        job_id = library.enqueue(queue, "slow", 60, description=f"{function}(77, None, None, None)")
        waits = Judge(ctx).by_row("export", 77, ago(5), HOUR)
        assert (waits.alive, waits.told, waits.job and waits.job.id) == (True, "its job is queued on default", job_id)
        with rq_releases.worker(release, redis_url, [queue], name="one") as worker:
            worker.wait_until(lambda: library.status(job_id) == "started")
            ctx.now = datetime.now(UTC)
            assert Judge(ctx).by_row("export", 77, ago(5), HOUR).told == "its job runs on one"
            assert Judge(ctx).by_id(job_id).alive
            worker.kill()
        ctx.now += timedelta(minutes=15)
        lost = Judge(ctx).by_row("export", 77, ago(5), HOUR)
        assert not lost.alive and "one that ran its job is" in lost.told
        assert not Judge(ctx).by_id(job_id).alive
        library.enqueue(queue, "fail", "no space left", description=f"{function}(78, None, None, None)")
        rq_releases.work(release, redis_url, [queue])
        failed = Judge(ctx).by_row("export", 78, ago(5), HOUR)
        assert not failed.alive and "its job failed: " in failed.told and "no space left" in failed.told
        assert "no space left" in Judge(ctx).failure("export", 78)


def test_nothing_is_said_of_a_row_that_was_just_made(ctx: Context) -> None:
    assert Judge(ctx).by_row("export", 77, ago(0.1), HOUR).alive
    assert not Judge(ctx).by_row("export", 77, ago(1.1), HOUR).alive
    assert not Judge(ctx).by_row("reimport", 77, None, timedelta(0)).alive


def test_the_same_number_of_another_kind(ctx: Context, redis_url: str) -> None:
    with rq_releases.Library("3", redis_url) as library:
        library.enqueue("high", FUNCTIONS["import"][1], 77, 1)
    assert not Judge(ctx).by_row("export", 77, ago(5), HOUR).alive
    assert Judge(ctx).by_row("import", 77, ago(5), HOUR).alive


def test_scheduled_and_deferred_jobs_are_alive(ctx: Context, redis_url: str) -> None:
    with rq_releases.Library("3", redis_url) as library:
        library.enqueue("default", FUNCTIONS["export"][1], 77, in_seconds=3600)
        first = library.enqueue("low", "slow", 1)
        library.enqueue("default", FUNCTIONS["export"][1], 78, depends_on=first)
    assert Judge(ctx).by_row("export", 77, ago(5), HOUR).told == "its job is scheduled on default"
    assert Judge(ctx).by_row("export", 78, ago(5), HOUR).told == "its job is deferred on default"


def test_signs_of_a_redis(ctx: Context, session: Session) -> None:
    assert sign_of_redis(ctx) == ""
    make_reimport(session)
    assert "rows of reimports" in sign_of_redis(ctx)
    make_import(session)
    assert "rows of imports" in sign_of_redis(ctx)
    change_row(session, "io_storages_s3exportstorage", 1, last_sync_job="5f0c6a52")
    assert sign_of_redis(ctx) == "a storage keeps the id of its job"


def test_a_redis_of_nobody_knows_what(ctx: Context, raw: redis.Redis) -> None:
    raw.set("rq:queue:default", "a text")
    raw.sadd("rq:queues", "rq:queue:default")
    with pytest.raises(Unknown, match="of another type"):
        Judge(ctx).by_row("export", 77, ago(5), HOUR)
