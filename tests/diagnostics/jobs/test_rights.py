"""Every check of queues under a user with few rights, and over keys that no rq wrote: an answer, never a crash."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import redis

from console.diagnostics import registry
from console.diagnostics.check import Context
from console.diagnostics.report import CheckResult
from console.diagnostics.runner import ask
from tests.diagnostics.jobs.failing import fail

OwnRedis = Callable[..., redis.Redis]
CHECKS = registry.by_area()["jobs"]
URL = "redis://looker:pass@127.0.0.1:{port}/0"


def outcomes(ctx: Context) -> dict[str, CheckResult]:
    return {check.code: ask(check, ctx) for check in CHECKS}


def troubled(client: redis.Redis) -> None:
    stamp = (datetime.now(UTC) - timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    client.sadd("rq:queues", "rq:queue:low")
    client.hset("rq:job:w", mapping={"status": "queued", "enqueued_at": stamp, "description": "a.b(1)", "data": "x"})
    client.rpush("rq:queue:low", "w", "gone")
    fail(client, "f", "a.b(1)", "Traceback\nValueError: x")


def test_the_right_to_read_is_enough_for_jobs(ctx: Context, own_redis: OwnRedis) -> None:
    client = own_redis("--user", "looker", "on", ">pass", "~rq:*", "+@read", "+ping", "+info", "+select", url=URL)
    troubled(client)
    found = outcomes(ctx)
    assert not [code for code, result in found.items() if result.outcome == "crashed"]
    assert {found[code].outcome for code in ("jobs.failed", "jobs.backlog", "jobs.no_worker", "jobs.dead_entries")} == {
        "findings"
    }
    assert [code for code, result in found.items() if result.outcome == "unknown"] == ["jobs.redis_persistence"]


def test_without_it_the_grant_is_named(ctx: Context, own_redis: OwnRedis) -> None:
    troubled(own_redis("--user", "looker", "on", ">pass", "~other:*", "+ping", url=URL))
    for code, result in outcomes(ctx).items():
        if result.outcome in ("not_applicable", "pass") and code in ("jobs.redis_tls", "jobs.job_without_row"):
            continue
        assert result.outcome == "unknown", (code, result)
        assert "ACL SETUSER looker +@read +ping +info" in result.reason and "pass@" not in result.reason, code


def test_a_wrong_password_is_told_as_such(ctx: Context, own_redis: OwnRedis) -> None:
    own_redis("--requirepass", "right", url="redis://:hunter2secret@127.0.0.1:{port}/0")
    for code, result in outcomes(ctx).items():
        assert result.outcome == "unknown" and "password" in result.reason, (code, result)
        assert "hunter2secret" not in result.reason


def test_keys_that_no_rq_wrote(ctx: Context, raw: redis.Redis) -> None:
    raw.sadd("rq:queues", "rq:queue:low", "rq:queue:high", b"rq:queue:\xff\x00 'x\"", "nothing")
    raw.sadd("rq:workers", "rq:worker:text", "rq:worker:junk", b"rq:worker:\xfe", "", "rq:worker:")
    raw.set("rq:worker:text", "x")
    raw.hset("rq:worker:junk", mapping={"last_heartbeat": "yesterday", "queues": ",,\xff", "state": "busy", "pid": "-"})
    raw.set("rq:failed:low", "text")
    raw.rpush("rq:wip:low", "a")
    raw.sadd("rq:queue:high", "a")
    raw.zadd("rq:scheduled:high", {b"\xff:": float("-inf"), "": float("inf"), "b": 1e300})
    raw.zadd("rq:deferred:high", {"junk": 1, "list": 2})
    raw.zadd("rq:wip:high", {"junk": 4e9})
    raw.zadd("rq:failed:high", {"junk": 4e9, "list": 4e9})
    raw.rpush("rq:job:list", "x")
    raw.hset("rq:job:junk", mapping={
        "status": b"\xff", "created_at": "9999-99-99", "started_at": "0001-01-01T00:00:00Z", "timeout": "for ever",
        "exc_info": b"x\x9c\xff\xff", "description": b"\xff" * 1000, "data": b"\x80\x05.", "dependency_ids": "[[[[1",
        "ended_at": "9999-12-31T23:59:59+00:00", "worker_name": "\x00",
    })  # fmt: skip
    crashed = {code: result.reason for code, result in outcomes(ctx).items() if result.outcome == "crashed"}
    assert not crashed
