"""Plans about jobs that a person chose: some by id, or all that match a filter. The same for page, command and API."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .deployment.queues import Filter, JobState, QueueReader
from .diagnostics.job_functions import Again, known
from .diagnostics.plan import PLAN_LIMIT
from .diagnostics.queue_changes import ForgetWorker, JobChange
from .diagnostics.workers import OWN_QUEUE
from .errors import NotApplicable, NotFound, Refused, Unknown
from .service import Console
from .state.models import PlanRow

#: Most jobs of one plan. What is over that is told, and left to the next plan.
MOST_JOBS = PLAN_LIMIT
#: Longer names of a queue are not kept as what a plan is about.
LONGEST_SUBJECT = 250
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
#: Errors that a second run meets again, unless somebody mends what they name.
_LASTING = re.compile(r"\b(?:FileNotFoundError|ModuleNotFoundError|ImportError|\w*DoesNotExist|AccessDenied\w*)\b")
#: Jobs of a plan whose errors are read.
ERRORS_READ = 500
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
    return plan_groups(console, action, [chosen], by=by)


def plan_groups(console: Console, action: str, groups: Sequence[Chosen], *, by: str) -> PlanRow:
    """One plan for several choices, of one queue or of many; a job that is meant twice is done once. Raises as `plan_jobs`."""
    reader = need_redis(console)
    total = 0
    changes: dict[str, JobChange] = {}
    for chosen in groups:
        _need_sense(action, chosen)
        number, ids = _ids(reader, chosen, MOST_JOBS - len(changes))
        total += number
        for job in reader.jobs(ids):
            changes[job.id] = JobChange(action, job.id, chosen.queue, chosen.state, job.function or "")
    if not changes:
        where = ", ".join(dict.fromkeys(chosen.queue[:100] for chosen in groups))
        raise NotFound(f"No job of {where} that is {_adjective(groups[0].state)} fits any more.")
    queues = list(dict.fromkeys(change.queue for change in changes.values()))
    one = len(queues) == 1 and len(queues[0]) <= LONGEST_SUBJECT
    return console.plan_steps(
        list(changes.values()), code="jobs", fix_id=action, by=by,
        subject=f"queue:{queues[0]}" if one else "", name=queues[0] if one else "",
        title=title(action, groups, list(changes), queues), left_out=max(total - len(changes), 0),
    )  # fmt: skip


def _need_sense(action: str, chosen: Chosen) -> None:
    can_be = ACTIONS.get(chosen.state, ())
    if action not in can_be:
        raise Refused(f"A job that is {_adjective(chosen.state)} cannot be told to {action[:20]!r}; "
                      f"what can be done: {', '.join(can_be) or 'nothing'}.")  # fmt: skip
    if chosen.queue == OWN_QUEUE:
        raise Refused("These are the console's own jobs; stop them on the page Jobs.")


def _adjective(state: str) -> str:
    return ADJECTIVES.get(state, state[:20])


def _ids(reader: QueueReader, chosen: Chosen, most: int) -> tuple[int, list[str]]:
    """How many jobs are meant, and the ids of those that one plan holds."""
    if chosen.ids:
        ids = list(dict.fromkeys(chosen.ids))
        return len(ids), ids[:most]
    return reader.matching_ids(chosen.queue, chosen.state, chosen.wanted, most)


def title(action: str, groups: Sequence[Chosen], ids: Sequence[str], queues: Sequence[str]) -> str:
    """`Requeue 184 failed jobs of low`."""
    adjective, number = _adjective(groups[0].state), len(ids)
    what = f"{adjective} job {ids[0][:60]}" if number == 1 and groups[0].ids else (
        f"{number:,} {adjective} {'job' if number == 1 else 'jobs'}")  # fmt: skip
    names = [name[:60] for name in queues]
    named = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{VERBS[action]} {what} of {named if len(names) < 5 else f'{len(names)} queues'}"


def warnings(plan: PlanRow, reader: QueueReader | None = None) -> list[str]:
    """What running these jobs again would do that nobody wants: by function and, with a reader, by their last error."""
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
    return told + (_lasting(plan, reader) if reader and plan.status == "planned" else [])


def _lasting(plan: PlanRow, reader: QueueReader) -> list[str]:
    """Errors these jobs ended with that are still there when they run again, the most frequent first."""
    ids = [str(document["job_id"]) for document in plan.changes[:ERRORS_READ] if document.get("job_id")]
    try:
        errors = [job.exception_line or "" for job in reader.jobs(ids)]
    except Unknown:  # Redis does not answer: then nothing can be applied either, and that is said there
        return []
    counted = Counter(error[:200] for error in errors if _LASTING.search(error))
    return [
        f"They failed with {error.rstrip('.')} ({number:,}): a second run meets it again. Mend that first."
        for error, number in counted.most_common(3)
    ]


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
