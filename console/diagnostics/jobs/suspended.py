"""All workers were told to take no new job.

`rq suspend` sets one key, and every worker of this Redis then ends its job and waits. It is meant for the minutes of an
upgrade or a backup. When somebody forgets `rq resume`, workers look healthy (alive, idle, with fresh heartbeats) and
jobs pile up.

What to do: ask who suspended them, then `rq resume --url redis://HOST:PORT/DB`, or in the worker's container
`python label_studio/manage.py shell -c "import django_rq; from rq.suspension import resume; resume(django_rq.get_connection())"`.
A suspension made with `--duration` ends by itself.

Source: the key `rq:suspended`, which every worker looks at before it takes a job.
"""

from collections.abc import Iterator

from .. import Context, Finding, Severity, check
from ..workers import queues, workers


@check(
    title="Workers may take jobs",
    severity=Severity.WARNING,
    impact="No worker begins a job",
    cause="Somebody ran `rq suspend` and nobody ran `rq resume` since.",
)
def suspended(ctx: Context) -> Iterator[Finding]:
    """One finding for the deployment. Rows: the live workers, which wait."""
    if not ctx.redis.suspended():
        return
    waiting = sum(queue.waiting for queue in queues(ctx))
    rows = [
        {"worker": worker.name, "queues": ", ".join(worker.queues), "state": worker.state,
         "last_heartbeat": worker.last_heartbeat}
        for worker in workers(ctx) if worker.alive
    ]  # fmt: skip
    jobs = f"{waiting:,} {'job waits' if waiting == 1 else 'jobs wait'}" if waiting else "nothing waits yet"
    yield Finding(
        subject="deployment:redis", name="Redis", severity=Severity.ERROR if waiting else Severity.WARNING,
        summary=f"Workers are suspended ({len(rows):,} alive), and {jobs}",
        evidence=ctx.evidence("EXISTS rq:suspended; HMGET rq:worker:<name>", rows),
    )  # fmt: skip
