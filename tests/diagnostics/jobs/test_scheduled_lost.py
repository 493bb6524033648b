"""jobs.scheduled_lost: due, and nobody puts them into the queue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import redis
from rq import Queue

from console.diagnostics.check import Context
from console.diagnostics.jobs.scheduled_lost import enqueue, scheduled_lost
from console.diagnostics.queue_changes import JobChange
from tests import rq_releases


def test_what_is_to_come_and_what_is_just_due_are_healthy(ctx: Context, raw: redis.Redis) -> None:
    queue = Queue("default", connection=raw)
    queue.enqueue_in(timedelta(hours=1), "a.b")
    queue.enqueue_at(datetime.now(UTC) - timedelta(minutes=2), "a.b")
    raw.zadd("rq:scheduled:low", {"gone": 1})
    raw.sadd("rq:queues", "rq:queue:low", "rq:queue:default")
    assert scheduled_lost.run(ctx) == []


def test_overdue_jobs_are_put_into_their_queue(ctx: Context, raw: redis.Redis) -> None:
    queue = Queue("default", connection=raw)
    queue.enqueue_at(datetime.now(UTC) + timedelta(hours=2), "a.b")
    first = queue.enqueue_at(datetime.now(UTC) - timedelta(minutes=90.5), "core.migration_helpers.execute_sql_job")
    queue.enqueue_at(datetime.now(UTC) - timedelta(minutes=20), "core.utils.bulk_update")
    [finding] = scheduled_lost.run(ctx)
    assert finding.summary == "2 delayed jobs of default are due, the first for 1 h 30 min"
    assert finding.evidence.rows[0]["missing"] == "an index, a column or its contents are missing"
    changes = list(enqueue(ctx, finding))
    expected = JobChange("requeue", first.id, "default", "scheduled", "core.migration_helpers.execute_sql_job")
    assert changes[0] == expected and len(changes) == 2


@pytest.mark.parametrize("release", rq_releases.OLD_RELEASES)
def test_jobs_of_other_releases(ctx: Context, raw: redis.Redis, redis_url: str, release: str) -> None:
    with rq_releases.Library(release, redis_url) as library:
        job = library.enqueue("low", "ok", in_seconds=60)
    assert scheduled_lost.run(ctx) == []
    ctx.now += timedelta(minutes=30)
    [finding] = scheduled_lost.run(ctx)
    assert [row["job"] for row in finding.evidence] == [job]
