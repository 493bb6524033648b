"""Workers are alive, and none of them listens to this queue.

Label Studio spreads its work over four queues: `critical` (statistics), `high`, `default` (exports, files written to
targets) and `low` (syncs of storages, webhooks, deletions). A worker takes jobs from the queues named when it was
started and from no other. With one worker group per queue, as in the Helm chart, one group can be down while the rest
works: exports end and syncs never start.

What to do: start a worker that names the queue, or add it to an existing one, and restart that:
`python label_studio/manage.py rqworker critical high default low`. The order is the order of precedence.

Source: the `queues` of each live worker (`rq:worker:<name>`), and the queue names of Label Studio's settings.
"""

from collections.abc import Iterator

from ...deployment.queues import LABEL_STUDIO_QUEUES
from .. import Context, Finding, NotApplicable, Severity, check
from ..workers import queues, workers

WORK = {
    "critical": "Statistics and the counters behind the Data Manager are not refreshed",
    "high": "Urgent background work is not done",
    "default": "Exports do not end, and annotations are not written to target storages",
    "low": "Syncs of storages never start; webhooks and deletions wait",
}


@check(
    title="A live worker listens to every queue",
    severity=Severity.ERROR,
    impact="Jobs in this queue wait for ever",
    cause="No live worker was started with this queue among its arguments.",
)
def queue_starved(ctx: Context) -> Iterator[Finding]:
    """One finding per queue. Rows: the live workers and the queues they do listen to."""
    living = [worker for worker in workers(ctx) if worker.alive]
    if not living:
        raise NotApplicable("No worker is alive at all: see jobs.no_worker.")
    rows = [
        {"worker": worker.name, "queues": ", ".join(worker.queues), "state": worker.state,
         "last_heartbeat": worker.last_heartbeat}
        for worker in living
    ]  # fmt: skip
    others = f"{len(living)} live {'worker listens' if len(living) == 1 else 'workers listen'} to other queues"
    for queue in queues(ctx):
        if queue.workers_alive or not (queue.waiting or queue.name in LABEL_STUDIO_QUEUES):
            continue
        waits = "job waits" if queue.waiting == 1 else "jobs wait"
        jobs = f"{queue.waiting:,} {waits}" if queue.waiting else "empty yet"
        yield Finding(
            subject=f"queue:{queue.name}", name=queue.name,
            summary=f"No worker listens to {queue.name} ({jobs}), while {others}",
            severity=Severity.CRITICAL if queue.waiting else Severity.ERROR, impact=WORK.get(queue.name, ""),
            evidence=ctx.evidence("SMEMBERS rq:workers; HMGET rq:worker:<name>; LLEN rq:queue:<name>", rows),
        )  # fmt: skip
