"""Redis is nearly full, or throws keys away when it is.

Redis keeps every job in memory. At `maxmemory` it does what `maxmemory-policy` says. `noeviction` refuses writes:
"OOM command not allowed", so nothing can be put into a queue, but nothing is lost. Every other policy throws keys away:
jobs vanish without a trace, rows of Label Studio wait for ever. The `volatile-…` policies take keys with a time to live
alone: registrations of workers, finished and failed jobs. `allkeys-…` takes waiting jobs too.

What to do: `CONFIG SET maxmemory-policy noeviction` and the same in redis.conf (a managed Redis has it in its parameter
group), more memory, and another Redis for software that wants a cache. Failed jobs stay 30 days and finished ones some
minutes; `RQ_FAILED_JOB_TTL` (seconds) shortens the former.

Source: `maxmemory`, `maxmemory_policy`, `used_memory`, `evicted_keys` of Redis' INFO; `maxmemory-policy` in the Redis
manual.
"""

from collections.abc import Iterator

from ...deployment.queues import RedisInfo
from .. import Context, Finding, Severity, Unknown, check
from ..redis_server import Problem, about_redis, megabytes


@check(
    title="Redis has room, and throws no job away",
    severity=Severity.WARNING,
    impact="Jobs vanish, or none can be put into a queue",
    cause="The memory limit of Redis is too small for its jobs, or its policy is made for a cache.",
)
def redis_memory(
    ctx: Context, used_share: float = 0.85, full_share: float = 0.97, host_share: float = 0.95
) -> Iterator[Finding]:
    """One finding for the deployment. Rows: field of INFO, value, what it means."""
    info = ctx.redis.info()
    if info.maxmemory_bytes is None or info.used_memory_bytes is None:
        raise Unknown("This Redis does not tell how much memory it uses and may use.")
    problems = [*_full(info, used_share, full_share, host_share), *_evicting(info)]
    if problems:
        yield about_redis(ctx, info, "INFO memory; INFO stats", problems)


def _full(info: RedisInfo, used_share: float, full_share: float, host_share: float) -> Iterator[Problem]:
    used, share = megabytes(info.used_memory_bytes), info.memory_share or 0.0
    if info.maxmemory_bytes and share > used_share:
        limit = megabytes(info.maxmemory_bytes)
        severity = Severity.ERROR if share >= full_share else Severity.WARNING
        yield Problem(severity, "used_memory", used, f"Redis uses {share:.0%} of the {limit} it may use")
    elif not info.maxmemory_bytes and share > host_share:
        yield Problem(Severity.WARNING, "used_memory", used,
                      f"Redis uses {share:.0%} of the memory of its machine, and has no limit")  # fmt: skip


def _evicting(info: RedisInfo) -> Iterator[Problem]:
    policy = info.maxmemory_policy or ""
    if not info.maxmemory_bytes or not info.evicts:
        return  # without a limit the policy never acts
    jobs = policy.startswith("allkeys")
    if info.evicted_keys:
        yield Problem(Severity.ERROR if jobs else Severity.WARNING, "evicted_keys", f"{info.evicted_keys:,}",
                      f"keys thrown away for lack of memory since Redis started: {info.evicted_keys:,}")  # fmt: skip
    takes = "waiting jobs too" if jobs else "registrations of workers and results of jobs"
    yield Problem(Severity.WARNING if jobs else Severity.INFO, "maxmemory_policy", policy,
                  f"when it is full, Redis throws keys away ({policy}), {takes}")  # fmt: skip
