"""Carrying out changes of Label Studio's queues: jobs in chunks of one transaction each, workers one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING

from ..deployment import Deployment
from ..deployment.queue_writes import JobAction, Outcome, QueueWriter
from ..errors import Conflict, ConsoleError, Refused
from .documents import StepChange
from .queue_changes import ForgetWorker, JobChange, QueueChange, RestoreJob

if TYPE_CHECKING:
    from .plan_steps import Journal, Progress, Result, Step

#: How long a worker is waited for that was told to stop its job.
STOP_SECONDS = 15.0


@contextmanager
def writing(deployment: Deployment) -> Iterator[QueueWriter]:
    """A writer on Label Studio's Redis. Raises Refused when none is named."""
    url = deployment.settings.fix_redis_url or deployment.settings.redis_url
    if not url:
        raise Refused("No Redis is named, so there are no queues to change. Give --redis-url or LSCONSOLE_REDIS_URL.")
    writer = QueueWriter(url)
    try:
        yield writer
    finally:
        writer.close()


def apply(
    deployment: Deployment, steps: Sequence[Step], journal: Journal, progress: Progress, stopped: Callable[[], bool]
) -> None:
    """Do the steps until the end or until `stopped()`. A job or worker that moved on is written down and left alone.

    Raises ConsoleError when Redis does not let us write or goes away: the journal tells what was done before.
    """
    done = 0
    with writing(deployment) as writer:
        for in_chunks, group in groupby(steps, key=lambda step: _is_moved(step[1])):
            run = list(group)
            if in_chunks:
                _move(writer, run, journal, _shifted(progress, done, len(steps)), stopped)
                done += len(run)
                continue
            for step in run:
                if stopped():
                    return
                _single(writer, step, journal, stopped)
                done += 1
                progress(done, len(steps), step[1].label)


def settle(deployment: Deployment, change: StepChange) -> str:
    """What became of a step whose process died: `done`, or `failed` when nothing was written."""
    with writing(deployment) as writer:
        if isinstance(change, ForgetWorker):
            return "failed" if writer.knows_worker(change.name) else "done"
        if isinstance(change, JobChange) and change.action == "stop":
            return "failed" if writer.is_running(change.job_id, change.queue) else "done"
        return writer.settle(_action(change))


def _is_moved(change: StepChange) -> bool:
    """Whether Redis alone does it: these go many at a time. What a worker has to do goes one by one."""
    return isinstance(change, RestoreJob) or (isinstance(change, JobChange) and change.action != "stop")


def _action(change: StepChange) -> JobAction:
    if isinstance(change, RestoreJob):
        return JobAction("restore", change.job_id, change.queue, change.state, change.kept)
    if isinstance(change, JobChange):
        return JobAction(change.action, change.job_id, change.queue, change.state, change.kept)
    raise Refused(f"{change.label} is nothing that could be done to a queue.")


def _move(
    writer: QueueWriter, steps: Sequence[Step], journal: Journal, progress: Progress, stopped: Callable[[], bool]
) -> None:
    """Many jobs, each chunk journaled before and after it is written."""
    intended: set[int] = set()

    def intend(ready: Sequence[Outcome]) -> None:
        intended.update(outcome.place for outcome in ready)
        journal.intend([(steps[one.place][0], _kept(steps[one.place][1], one)) for one in ready])

    def record(outcomes: Sequence[Outcome]) -> None:
        never = [steps[one.place] for one in outcomes if one.place not in intended]
        if never:  # what is left alone has its line in the journal too
            journal.intend(never)
        journal.record([_result(steps[one.place], one) for one in outcomes])

    writer.apply_many([_action(change) for _, change in steps], progress, stopped, intend=intend, record=record)


def _kept(change: StepChange, outcome: Outcome) -> StepChange:
    return change.with_kept(outcome.kept) if isinstance(change, JobChange) and outcome.kept else change


def _result(step: Step, outcome: Outcome) -> Result:
    position, change = step
    return position, outcome.status, outcome.message, _kept(change, outcome)


def _single(writer: QueueWriter, step: Step, journal: Journal, stopped: Callable[[], bool]) -> None:
    """Something a worker is asked to do, or a registration; one that fails does not hold up the next."""
    position, change = step
    journal.intend([step])
    try:
        told = _do(writer, change, stopped)
    except Conflict as moved:
        journal.record([(position, "left", str(moved), change)])
    except ConsoleError as error:
        journal.record([(position, "failed", str(error), change)])
    else:
        journal.record([(position, "done", told, change)])


def _do(writer: QueueWriter, change: QueueChange | StepChange, stopped: Callable[[], bool]) -> str:
    if isinstance(change, ForgetWorker):
        writer.forget_worker(change.name, change.last_heartbeat)
        return ""
    if isinstance(change, JobChange) and change.action == "stop":
        return writer.stop(change.job_id, change.queue, STOP_SECONDS, stopped)
    raise Refused(f"{change.label} is nothing that could be done to a queue.")


def _shifted(progress: Progress, before: int, total: int) -> Progress:
    return lambda done, _, label: progress(before + done, total, label)
