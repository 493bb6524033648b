"""Redis is older than Label Studio and rq need.

rq keeps the results and tracebacks of jobs in streams, which Redis has since 5.0; before that workers fail at the end of
every job. Label Studio asks for 6.0.5 or newer. Redis below 6.2 lacks the command with which workers take a job over
safely, so a job can be lost in the moment a worker dies.

What to do: run Redis 7 or Valkey. The data may stay: a newer server reads the files of an older one. Stop the workers,
save (`redis-cli BGSAVE`), start the new server on the same directory, start the workers.

Source: Label Studio's requirements for Redis (6.0.5), rq's use of streams (5.0) and of `LMOVE`/`BLMOVE` (6.2).
"""

from collections.abc import Iterator

from .. import Context, Finding, Severity, Unknown, check
from ..redis_server import Problem, about_redis, release

STREAMS, LABEL_STUDIO = (5,), (6, 0, 5)


@check(
    title="Redis is new enough",
    severity=Severity.WARNING,
    impact="Workers fail or lose jobs",
    cause="The server was set up for an older Label Studio.",
)
def redis_version(ctx: Context) -> Iterator[Finding]:
    """One finding for the deployment. Rows: version and what needs a newer one."""
    info = ctx.redis.info()
    version = release(info.version)
    if not version:
        raise Unknown(f"This server does not tell a version of Redis (it says {info.version!r}).")
    if version >= LABEL_STUDIO:
        return
    problem = (
        Problem(Severity.ERROR, "redis_version", info.version,
                f"Redis {info.version} has no streams, which rq needs for results (5.0 or newer)")
        if version < STREAMS
        else Problem(Severity.WARNING, "redis_version", info.version,
                     f"Redis {info.version} is older than the 6.0.5 that Label Studio asks for")
    )  # fmt: skip
    yield about_redis(ctx, info, "INFO server", [problem])
