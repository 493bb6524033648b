"""Redis does not write its data to disk, or cannot.

Without snapshots (RDB) and without a log (AOF) every restart of Redis empties the queues: jobs are gone, while rows in
Label Studio's database still say `queued` or `created`. Where snapshots are on and fail, it is worse: by default Redis
then refuses every write ("MISCONF Redis is configured to save RDB snapshots"), and nothing can be put into a queue.

What to do: for a failing snapshot look at the disk and the log of Redis (`df -h`, permissions of its directory; a fork
that gets no memory wants `vm.overcommit_memory=1`). To make jobs survive a restart: `CONFIG SET appendonly yes` and
`appendonly yes` in redis.conf, with a volume for its data.

Source: `aof_enabled`, `aof_last_write_status`, `rdb_last_bgsave_status` of Redis' INFO and its setting `save`.
"""

from collections.abc import Iterator
from datetime import timedelta

from ...deployment.queues import RedisInfo
from .. import Context, Finding, Severity, Unknown, check
from ..redis_server import Problem, about_redis


@check(
    title="Redis keeps its jobs over a restart",
    severity=Severity.WARNING,
    impact="After a restart of Redis the queues are empty, and syncs, exports and imports wait for ever",
    cause="Snapshots and the append-only file are off, or cannot be written.",
)
def redis_persistence(ctx: Context) -> Iterator[Finding]:
    """One finding for the deployment. Rows: field of INFO or setting, value, what it means."""
    info = ctx.redis.info()
    problems = list(_problems(info))
    if problems:
        yield about_redis(ctx, info, "INFO persistence; CONFIG GET save", problems)
    elif info.persistent is None and not _saved_lately(ctx, info):
        raise Unknown(
            "This Redis does not tell whether it makes snapshots. Let its user ask: ACL SETUSER USER +config|get"
            " (before Redis 7: +config), or look at the settings of the service that runs it."
        )


def _saved_lately(ctx: Context, info: RedisInfo) -> bool:
    """A server that made a snapshot since it started, and within a day, makes them, whatever it lets us ask."""
    if info.last_save_at is None or info.uptime_seconds is None:
        return False
    started = ctx.now - timedelta(seconds=info.uptime_seconds)
    return started + timedelta(minutes=1) < info.last_save_at and ctx.now - info.last_save_at < timedelta(hours=25)


def _problems(info: RedisInfo) -> Iterator[Problem]:
    # A server without any persistence keeps the word of a save that somebody asked for long ago.
    if info.last_save_ok is False and info.saves_snapshots is not False:
        yield Problem(Severity.ERROR, "rdb_last_bgsave_status", "err",
                      "the last snapshot failed; by default Redis then refuses all writes")  # fmt: skip
    if info.aof_enabled and info.aof_last_write_ok is False:
        yield Problem(Severity.ERROR, "aof_last_write_status", "err",
                      "the append-only file cannot be written; Redis refuses all writes")  # fmt: skip
    if info.persistent is False and not info.replicas:
        yield Problem(Severity.WARNING, "save, appendonly", "both off",
                      "nothing is written to disk: a restart of Redis empties the queues")  # fmt: skip
