"""Every repair of queues on jobs that real workers of every rq release left: find, plan, apply, pass, undo, find again.

Afterwards a worker of the same release runs what was put back: the repair kept the job as it was.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import redis

from console.diagnostics import Check, Finding, registry
from console.diagnostics.check import Context
from console.service import Console
from tests import rq_releases
from tests.diagnostics.test_job_failures import UNREADABLE

EXPORT = "data_export.mixins.export_background(4, {}, {}, {})"
SYNC = "io_storages.base_models.import_sync_background(<class 'io_storages.s3.models.S3ImportStorage'>, 4)"


@dataclass
class Left:
    """What a day of trouble left behind, under short names."""

    library: rq_releases.Library
    release: str
    url: str
    jobs: dict[str, str]


@pytest.fixture(params=rq_releases.RELEASES)
def left(request: pytest.FixtureRequest, raw: redis.Redis, redis_url: str) -> Iterator[Left]:
    release = request.param
    with rq_releases.Library(release, redis_url) as library:
        jobs = {
            "failed export": library.enqueue("default", "fail", description=EXPORT),
            "failed sync": library.enqueue("default", "fail", description=SYNC),
            "unreadable": library.enqueue("default", "echo", 1, description=EXPORT),
            "killed": library.enqueue("default", "die", description=SYNC),
            "killed too": library.enqueue("default", "die", description=SYNC),
            "waits": library.enqueue("low", "ok", description=EXPORT),
        }
        jobs["in vain"] = library.enqueue("default", "ok", depends_on=jobs["failed sync"], description=EXPORT)
        raw.hset(f"rq:job:{jobs['unreadable']}", "data", zlib.compress(UNREADABLE))
        rq_releases.work(release, redis_url, ["default"])
        jobs |= {
            "copy": library.enqueue("default", "ok", description=SYNC),
            "delayed": library.enqueue("default", "ok", in_seconds=60, description=EXPORT),
            "left export": library.enqueue("high", "slow", 60, description=EXPORT),
            "left sync": library.enqueue("critical", "slow", 60, description=SYNC),
        }
        with (
            rq_releases.worker(release, redis_url, ["high"], name="lost-1") as one,
            rq_releases.worker(release, redis_url, ["critical"], name="lost-2") as two,
        ):
            one.wait_until(lambda: library.status(jobs["left export"]) == "started")
            two.wait_until(lambda: library.status(jobs["left sync"]) == "started")
            one.kill()
            two.kill()
        for name in ("lost-1", "lost-2"):  # as its time to live does within 90 s
            raw.delete(f"rq:worker:{name}", f"rq:worker:{name}:executions")
        yield Left(library, release, redis_url, jobs)


def everything(raw: redis.Redis) -> dict[bytes, object]:
    """Every key with its contents; the order of a hash's fields is nobody's."""
    read = {
        b"hash": raw.hgetall, b"set": raw.smembers, b"string": raw.get, b"stream": raw.xrange,
        b"list": lambda key: raw.lrange(key, 0, -1), b"zset": lambda key: raw.zrange(key, 0, -1, withscores=True),
    }  # fmt: skip
    return {key: read[raw.type(key)](key) for key in raw.scan_iter()}


def find(ctx: Context, code: str, subject: str) -> tuple[Check, Finding]:
    check = registry.get(code)
    return check, next(finding for finding in check.run(ctx) if finding.subject == subject)


def round_trip(console: Console, ctx: Context, raw: redis.Redis, code: str, fix: str, subject: str) -> None:
    """Undo brings back every key of Redis as it was; then the repair is made once more and stays."""
    check, finding = find(ctx, code, subject)
    assert fix in (finding.fixes or ())
    before = everything(raw)
    plan = console.plan(finding, fix, by="test")
    assert everything(raw) == before, "planning wrote to Redis"
    console.apply(plan.id, by="test", reason="round trip", seen=plan.fingerprint)
    assert everything(raw) != before
    if plan.reversible:
        console.undo(plan.id, by="test", reason="round trip", verify=False)
        assert everything(raw) == before, "undo did not bring back everything"
        assert find(ctx, code, subject)[1].evidence.rows == finding.evidence.rows
        plan = console.plan(finding, fix, by="test")
        console.apply(plan.id, by="test", reason="for good", seen=plan.fingerprint, verify=False)
    assert fix not in {one for found in check.run(ctx) if found.subject == subject for one in found.fixes or ()}


def test_all_repairs(console: Console, ctx: Context, raw: redis.Redis, left: Left) -> None:
    jobs = left.jobs
    raw.delete(f"rq:job:{jobs['waits']}")  # as a full Redis does
    raw.zadd("rq:scheduled:default", {jobs["delayed"]: (datetime.now(UTC) - timedelta(hours=1)).timestamp()})
    ctx.now = datetime.now(UTC) + timedelta(minutes=30)
    round_trip(console, ctx, raw, "jobs.poison", "cancel_copies", "queue:default")
    round_trip(console, ctx, raw, "jobs.scheduled_lost", "enqueue", "queue:default")
    round_trip(console, ctx, raw, "jobs.deferred_forever", "cancel", "queue:default")
    round_trip(console, ctx, raw, "jobs.unpickle", "discard", "queue:default")
    round_trip(console, ctx, raw, "jobs.failed", "requeue", "queue:default")
    round_trip(console, ctx, raw, "jobs.dead_entries", "drop", "queue:low")
    round_trip(console, ctx, raw, "jobs.abandoned", "requeue", "queue:high")
    round_trip(console, ctx, raw, "jobs.abandoned", "take_off", "queue:critical")
    round_trip(console, ctx, raw, "jobs.zombie_worker", "forget", "deployment:redis")
    assert left.library.status(jobs["failed export"]) == "queued" == left.library.status(jobs["delayed"])
    assert left.library.status(jobs["failed sync"]) == "failed"
    assert {left.library.status(jobs[name]) for name in ("copy", "in vain")} == {"canceled"}
    rq_releases.work(left.release, left.url, ["default"])
    assert left.library.status(jobs["delayed"]) == "finished" and left.library.status(jobs["left export"]) == "queued"
    assert left.library.status(jobs["failed export"]) == "failed"  # it ran again, and still cannot end well
