"""jobs.deferred_forever: waiting for a job that will not end well, of every rq release."""

from __future__ import annotations

from datetime import timedelta

import pytest
import redis

from console.diagnostics.check import Context
from console.diagnostics.jobs.deferred_forever import cancel, deferred_forever
from console.diagnostics.queue_changes import JobChange
from tests import rq_releases


@pytest.mark.parametrize("release", rq_releases.RELEASES)
def test_failed_and_gone(ctx: Context, raw: redis.Redis, redis_url: str, release: str) -> None:
    with rq_releases.Library(release, redis_url) as library:
        first, gone = library.enqueue("low", "fail"), library.enqueue("default", "ok")
        second = library.enqueue("low", "ok", depends_on=first)
        third = library.enqueue("low", "ok", depends_on=gone)
        ctx.now += timedelta(minutes=30)
        assert deferred_forever.run(ctx) == []  # what they wait for may still run
        rq_releases.work(release, redis_url, ["low"])
    raw.delete(f"rq:job:{gone}")
    [finding] = deferred_forever.run(ctx)
    assert finding.subject == "queue:low" and finding.summary.startswith("2 jobs wait for others on low in vain")
    assert {row["job"]: (row["waits_for"], row["became"]) for row in finding.evidence} == {
        second: (first, "has failed"), third: (gone, "is gone"),
    }  # fmt: skip
    changes = list(cancel(ctx, finding))
    assert JobChange("cancel", second, "low", "deferred", "jobs_for_tests.ok") in changes and len(changes) == 2


def test_young_ones_are_given_time(ctx: Context, raw: redis.Redis, redis_url: str) -> None:
    with rq_releases.Library("3", redis_url) as library:
        first = library.enqueue("low", "ok")
        library.enqueue("low", "ok", depends_on=first)
    raw.delete(f"rq:job:{first}")
    assert deferred_forever.run(ctx) == []
