"""jobs.redis_persistence: whether jobs survive a restart of Redis."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.jobs.redis_persistence import redis_persistence
from console.diagnostics.runner import ask

OwnRedis = Callable[..., redis.Redis]


@pytest.mark.parametrize("options", [("--save", "3600", "1"), ("--appendonly", "yes")])
def test_snapshots_or_a_log_are_healthy(ctx: Context, own_redis: OwnRedis, options: tuple[str, ...]) -> None:
    own_redis(*options)
    assert redis_persistence.run(ctx) == []


def test_nothing_is_written(ctx: Context, own_redis: OwnRedis) -> None:
    own_redis()
    [finding] = redis_persistence.run(ctx)
    assert (finding.subject, finding.severity) == ("deployment:redis", Severity.WARNING)
    assert finding.summary == "Nothing is written to disk: a restart of Redis empties the queues"


def test_a_snapshot_that_fails(ctx: Context, own_redis: OwnRedis, tmp_path: Path) -> None:
    client = own_redis("--save", "3600", "1", "--dbfilename", "dump.rdb")
    (tmp_path / "dump.rdb").mkdir()  # nobody, not even root, replaces a directory by a file
    (tmp_path / "dump.rdb" / "full").touch()
    client.set("a", 1)
    client.bgsave()
    while client.info("persistence")["rdb_bgsave_in_progress"]:
        time.sleep(0.02)
    [finding] = redis_persistence.run(ctx)
    client.config_set("save", "")  # lets it end at once
    assert finding.severity == Severity.ERROR
    assert finding.summary == "The last snapshot failed; by default Redis then refuses all writes"


def test_without_the_right_to_ask_the_grant_is_named(ctx: Context, own_redis: OwnRedis) -> None:
    rights = ("looker", "on", ">pass", "~rq:*", "+@read", "+ping", "+info")
    own_redis("--user", *rights, url="redis://looker:pass@127.0.0.1:{port}/0")
    result = ask(redis_persistence, ctx)
    assert result.outcome == "unknown" and "ACL SETUSER USER +config|get" in result.reason
