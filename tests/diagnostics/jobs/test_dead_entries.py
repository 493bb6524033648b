"""jobs.dead_entries: ids without a job."""

from __future__ import annotations

import time

import redis
from rq import Queue

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.jobs.dead_entries import dead_entries, drop
from console.diagnostics.queue_changes import JobChange
from tests.diagnostics.jobs.failing import fail


def test_what_expires_by_time_is_healthy(ctx: Context, raw: redis.Redis) -> None:
    Queue("low", connection=raw).enqueue("a.b")
    fail(raw, "there", "a.b(1)", "ValueError: x")
    raw.zadd("rq:failed:low", {"expired": time.time() - 60})
    raw.zadd("rq:wip:low", {"ended": time.time() - 60})
    raw.zadd("rq:finished:low", {"long-gone": time.time() + 60})
    assert dead_entries.run(ctx) == []


def test_lost_jobs_of_every_list(ctx: Context, raw: redis.Redis) -> None:
    queue = Queue("low", connection=raw)
    lost = queue.enqueue("a.b")
    queue.enqueue("a.b")
    raw.delete(lost.key)
    raw.zadd("rq:failed:low", {"f": time.time() + 9e5})
    raw.zadd("rq:wip:low", {"w:" + "0" * 32: time.time() + 90})
    raw.zadd("rq:deferred:low", {"d": time.time() - 90})
    raw.zadd("rq:scheduled:low", {"s": time.time() - 90})
    [finding] = dead_entries.run(ctx)
    assert (finding.subject, finding.severity) == ("queue:low", Severity.ERROR)
    assert finding.summary == "5 entries name jobs that are gone on low, 4 of them were still to be done"
    assert {row["job"]: row["list"] for row in finding.evidence} == {
        lost.id: "queued", "w": "started", "f": "failed", "d": "deferred", "s": "scheduled",
    }  # fmt: skip
    assert JobChange("delete", "d", "low", "deferred") in list(drop(ctx, finding))


def test_failed_ones_alone_are_a_warning_and_our_own_queue_is_left_out(ctx: Context, raw: redis.Redis) -> None:
    raw.sadd("rq:queues", "rq:queue:low", "rq:queue:lsconsole")
    raw.zadd("rq:failed:lsconsole", {"ours": time.time() + 9e5})
    raw.zadd("rq:failed:low", {"f": time.time() + 9e5})
    [finding] = dead_entries.run(ctx)
    assert (finding.subject, finding.severity) == ("queue:low", Severity.WARNING)
    assert finding.summary == "1 entry names a job that is gone on low, 0 of them were still to be done"


def test_a_key_of_another_type_is_no_job_that_is_gone(ctx: Context, raw: redis.Redis) -> None:
    raw.sadd("rq:queues", "rq:queue:low")
    raw.set("rq:job:odd", "text")
    raw.rpush("rq:queue:low", "odd")
    assert dead_entries.run(ctx) == []
