"""jobs.connections: how many are left."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.jobs.connections import connections

OwnRedis = Callable[..., redis.Redis]


def test_few_of_many_are_healthy(ctx: Context, own_redis: OwnRedis) -> None:
    own_redis()
    assert connections.run(ctx) == []


def test_nearly_all_are_in_use_and_some_were_refused(ctx: Context, own_redis: OwnRedis) -> None:
    client = own_redis("--maxclients", "10")
    ctx.redis.ping()
    port = client.connection_pool.connection_kwargs["port"]
    held = [redis.Redis(port=port, retry=Retry(NoBackoff(), 0)) for _ in range(9)]
    try:
        client.ping()
        for other in held[:7]:
            other.ping()
        [finding] = connections.run(ctx)
        assert (finding.severity, finding.summary) == (Severity.WARNING, "9 of 10 connections are in use")
        held[7].ping()
        with pytest.raises(redis.ConnectionError):
            held[8].ping()
        [finding] = connections.run(ctx)
        assert finding.severity == Severity.ERROR and finding.summary.startswith("Redis turned 1 connection away")
        for other in held:
            other.close()
        while client.info("clients")["connected_clients"] > 2:
            time.sleep(0.01)
        [finding] = connections.run(ctx)
        assert finding.severity == Severity.INFO  # it was, and is not any more
    finally:
        for other in held:
            other.close()
