"""Plans about jobs that a person chose: some by id, or all that match a filter. The same for page, command and API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .deployment.queues import Filter, JobState, QueueReader
from .diagnostics.job_functions import Again, known
from .diagnostics.queue_changes import ForgetWorker, JobChange
from .diagnostics.workers import OWN_QUEUE
from .errors import NotApplicable, NotFound, Refused
from .service import Console
from .state.models import PlanRow

#: Most jobs of one plan. What is over that is told, and left to the next plan.
MOST_JOBS = 10_000
#: What can be done with a job, by where it stands.
ACTIONS = {
    "queued": ("cancel", "delete"),
    "started": ("stop", "requeue"),
    "failed": ("requeue", "delete"),
    "deferred": ("requeue", "cancel", "delete"),
    "scheduled": ("requeue", "cancel", "delete"),
    "finished": ("requeue", "delete"),
    "canceled": ("requeue", "delete"),
}
VERBS = {"requeue": "Requeue", "cancel": "Cancel", "delete": "Delete", "stop": "Stop"}
#: States as an adjective of a job.
ADJECTIVES = {"queued": "waiting", "started": "running"}


@dataclass(frozen=True)
class Chosen:
    """Which jobs: these ids, or, when there are none, all that fit the filter."""

    queue: str
    state: str
    ids: tuple[str, ...] = ()
    wanted: Filter = Filter()


def need_redis(console: Console) -> QueueReader:
    """The reader; raises NotApplicable when no Redis is attached."""
    if console.deployment.redis is None:
        raise NotApplicable("No Redis is attached: name it with LSCONSOLE_REDIS_URL and start again.")
    return console.deployment.redis


def plan_jobs(console: Console, action: str, chosen: Chosen, *, by: str) -> PlanRow:
    """Plan one action on the chosen jobs. Raises Refused where the action does not fit, NotFound when no job is there."""
    reader = need_redis(console)
    if action not in ACTIONS.get(chosen.state, ()):
        raise Refused(f"A job that is {ADJECTIVES.get(chosen.state, chosen.state)} cannot be told to {action[:20]!r}; "
                      f"what can be done: {', '.join(ACTIONS.get(chosen.state, ())) or 'nothing'}.")  # fmt: skip
    if chosen.queue == OWN_QUEUE:
        raise Refused("These are the console's own jobs; stop them on the page Jobs.")
    total, ids = _ids(reader, chosen)
    if not ids:
        raise NotFound(f"No job of {chosen.queue} that is {ADJECTIVES.get(chosen.state, chosen.state)} fits any more.")
    jobs = reader.jobs(ids)
    changes = [JobChange(action, job.id, chosen.queue, chosen.state, job.function or "") for job in jobs]
    return console.plan_steps(
        changes, code="jobs", fix_id=action, by=by, subject=f"queue:{chosen.queue}", name=chosen.queue,
        title=title(action, chosen, len(changes)), left_out=total - len(changes),
    )  # fmt: skip


def _ids(reader: QueueReader, chosen: Chosen) -> tuple[int, list[str]]:
    """How many jobs are meant, and the ids of those that one plan holds."""
    if chosen.ids:
        return len(chosen.ids), list(dict.fromkeys(chosen.ids))[:MOST_JOBS]
    return reader.matching_ids(chosen.queue, chosen.state, chosen.wanted, MOST_JOBS)


def title(action: str, chosen: Chosen, number: int) -> str:
    """`Requeue 184 failed jobs of low`."""
    adjective = ADJECTIVES.get(chosen.state, chosen.state)
    what = f"{adjective} job {chosen.ids[0]}" if number == 1 and chosen.ids else (
        f"{number:,} {adjective} {'job' if number == 1 else 'jobs'}")  # fmt: skip
    return f"{VERBS[action]} {what} of {chosen.queue}"


def warnings(plan: PlanRow) -> list[str]:
    """What running these jobs again would do that nobody wants, by function."""
    if plan.fix_id != "requeue":
        return []
    counted = Counter(str(document.get("function", "")) for document in plan.changes)
    told = []
    for name, number in counted.most_common(10):
        function = known(name)
        if function is None:
            told.append(f"{name or 'A job whose function cannot be told'} ({number:,}): not one of Label Studio’s known "
                        "functions, so whether it may run twice is not known.")  # fmt: skip
        elif function.again is not Again.HARMLESS:
            word = "does nothing when run again" if function.again is Again.REFUSED else "is not safe to run again"
            told.append(f"{function.title} ({number:,}) {word}: {function.why}.")
    return told


def plan_forget(console: Console, names: Sequence[str], *, by: str) -> PlanRow:
    """Plan the removal of dead workers' registrations. Raises Refused for one that is alive, NotFound for none."""
    registered = {worker.name: worker for worker in need_redis(console).workers()}
    changes = []
    for name in dict.fromkeys(names):
        worker = registered.get(name)
        if worker is None:
            raise NotFound(f"No worker {name[:100]} is registered.")
        if worker.alive:
            raise Refused(f"Worker {name} is alive; stop its process, and it signs off by itself.")
        seen = worker.last_heartbeat.isoformat() if worker.last_heartbeat else ""
        changes.append(ForgetWorker(name, worker.queues, seen))
    what = f"worker {changes[0].name}" if len(changes) == 1 else f"{len(changes)} dead workers"
    return console.plan_steps(changes, code="jobs", fix_id="forget_worker", by=by, title=f"Forget {what}")


def job_or_raise(reader: QueueReader, job_id: str) -> JobState:
    """One job; raises NotFound when its hash is no more."""
    job = reader.job(job_id)
    if job is None:
        raise NotFound(f"There is no job {job_id[:100]} in Redis (any more): finished ones vanish after minutes.")
    return job
