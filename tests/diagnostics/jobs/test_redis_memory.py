"""jobs.redis_memory: full, or of a policy that throws jobs away."""

from __future__ import annotations

from collections.abc import Callable

import redis

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.jobs.redis_memory import redis_memory

OwnRedis = Callable[..., redis.Redis]


def fill(client: redis.Redis, megabytes: float) -> None:
    for number in range(int(megabytes * 10)):
        client.set(f"other:{number}", b"x" * 100_000)


def test_a_cache_policy_without_a_limit_never_acts(ctx: Context, own_redis: OwnRedis) -> None:
    own_redis("--maxmemory", "0", "--maxmemory-policy", "allkeys-lru")
    assert redis_memory.run(ctx) == []


def test_room_and_noeviction_are_healthy(ctx: Context, own_redis: OwnRedis) -> None:
    own_redis("--maxmemory", "100mb", "--maxmemory-policy", "noeviction")
    assert redis_memory.run(ctx) == []


def test_nearly_full(ctx: Context, own_redis: OwnRedis) -> None:
    client = own_redis("--maxmemory", "100mb")
    fill(client, 2)
    client.config_set("maxmemory", int(client.info("memory")["used_memory"] / 0.9))
    [finding] = redis_memory.run(ctx)
    assert finding.subject == "deployment:redis" and finding.severity == Severity.WARNING
    assert finding.summary.startswith("Redis uses 9") and finding.summary.endswith("MB it may use")
    client.config_set("maxmemory", client.info("memory")["used_memory"])
    [finding] = redis_memory.run(ctx)
    assert finding.severity == Severity.ERROR


def test_jobs_that_were_thrown_away(ctx: Context, own_redis: OwnRedis) -> None:
    client = own_redis("--maxmemory", "8mb", "--maxmemory-policy", "allkeys-lru")
    [finding] = redis_memory.run(ctx)
    assert (finding.severity, len(finding.evidence)) == (Severity.WARNING, 1)
    fill(client, 12)
    [finding] = redis_memory.run(ctx)
    assert finding.severity == Severity.ERROR
    fields = {row["field"]: row["means"] for row in finding.evidence}
    assert "keys thrown away for lack of memory" in fields["evicted_keys"]
    assert fields["maxmemory_policy"].endswith("(allkeys-lru), waiting jobs too")


def test_a_policy_that_spares_waiting_jobs_is_a_remark(ctx: Context, own_redis: OwnRedis) -> None:
    own_redis("--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru")
    [finding] = redis_memory.run(ctx)
    assert finding.severity == Severity.INFO
