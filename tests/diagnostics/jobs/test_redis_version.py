"""jobs.redis_version: old servers, told by what they say of themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import redis

from console.deployment.queues import QueueReader, RedisInfo
from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.jobs.redis_version import redis_version
from console.diagnostics.runner import ask


@pytest.fixture
def says(ctx: Context, own_redis: Callable[..., redis.Redis], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """The running server claims another version: no package brings a Redis 4 any more."""
    own_redis()
    info = ctx.redis.info()

    def claim(version: str) -> None:
        def told(_: QueueReader) -> RedisInfo:
            return replace(info, version=version)

        monkeypatch.setattr(QueueReader, "info", told)

    return claim


def test_the_installed_server_is_new_enough(ctx: Context, raw: redis.Redis) -> None:
    assert redis_version.run(ctx) == []


@pytest.mark.parametrize(
    ("said", "severity"),
    [("4.0.14", Severity.ERROR), ("5.0.14", Severity.WARNING), ("6.0.4", Severity.WARNING)],
)
def test_old_ones(ctx: Context, says: Callable[[str], None], said: str, severity: Severity) -> None:
    says(said)
    [finding] = redis_version.run(ctx)
    assert finding.severity == severity and said in finding.summary


@pytest.mark.parametrize("said", ["6.0.5", "7.2.4", "255.255.255", "8.0-rc1"])
def test_new_ones_and_those_of_others(ctx: Context, says: Callable[[str], None], said: str) -> None:
    says(said)
    assert redis_version.run(ctx) == []


def test_no_version_is_unknown(ctx: Context, says: Callable[[str], None]) -> None:
    says("unstable build")
    assert ask(redis_version, ctx).outcome == "unknown"
