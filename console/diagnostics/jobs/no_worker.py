"""No worker is alive, so nothing that Label Studio puts into its queues is ever done.

Syncs stay queued, exports never end, webhooks and counters lag. The worker process is down, has run out of memory, or
listens to another Redis (host, port or database number) than the one Label Studio writes to.

A worker that was killed leaves its registration in Redis for up to 8 minutes. It counts as dead when it has signed off,
or when its last heartbeat is older than ten minutes; a live one says something at least every 405 seconds.

What to do: look at the worker's own log (`docker compose logs rqworkers`, `kubectl logs deploy/…-rqworker`), compare
its `REDIS_LOCATION` with that of the application, start it again: `python label_studio/manage.py rqworker critical high
default low`. The jobs in the queues are still there and will be done.

Source: rq's set `rq:workers` and the hash `rq:worker:<name>` with `last_heartbeat` and `death`.
"""

from collections.abc import Iterator

from .. import Context, Finding, Severity, Unknown, check
from ..workers import queues, workers


@check(
    title="At least one worker is alive",
    severity=Severity.ERROR,
    impact="Syncs, exports, webhooks and counters wait until a worker runs",
    cause="No worker process is connected to this Redis.",
)
def no_worker(ctx: Context) -> Iterator[Finding]:
    """One finding for the deployment. Rows: every registration left, and why it counts as dead."""
    registered = workers(ctx)
    if any(worker.alive for worker in registered):
        return
    waiting = sum(queue.waiting for queue in queues(ctx))
    rows = [
        {"worker": worker.name, "host": worker.hostname, "queues": ", ".join(worker.queues), "state": worker.state,
         "last_heartbeat": worker.last_heartbeat, "why_dead": worker.why_dead}
        for worker in registered
    ]  # fmt: skip
    dead = f"{len(rows)} registered and dead" if rows else "none is registered"
    jobs = f"{waiting:,} {'job waits' if waiting == 1 else 'jobs wait'}" if waiting else "nothing waits yet"
    yield Finding(
        subject="deployment:redis", name="Redis", summary=f"No worker is alive ({dead}), and {jobs}",
        severity=Severity.CRITICAL if waiting else Severity.ERROR, cause=_other_database(ctx),
        evidence=ctx.evidence("SMEMBERS rq:workers; HMGET rq:worker:<name>", rows),
    )  # fmt: skip


def _other_database(ctx: Context) -> str:
    """A hint that workers or Label Studio may use another numbered database of the same server; empty without one."""
    try:
        info = ctx.redis.info()
    except Unknown:
        return ""
    others = [f"{space.number} ({_keys(space.keys)})" for space in info.keyspaces if space.number != info.database]
    if not others:
        return ""
    here = sum(space.keys for space in info.keyspaces if space.number == info.database)
    return (
        f"No worker process is connected to database {info.database} of this Redis ({_keys(here)}). The server also holds"
        f" {'database' if len(others) == 1 else 'databases'} {', '.join(others[:5])}: do the workers use another number?"
    )


def _keys(number: int) -> str:
    return "1 key" if number == 1 else f"{number:,} keys"
