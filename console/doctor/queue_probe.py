"""The test of the queues: a harmless job on each of them, and how long it takes until a worker has done it.

It writes to Label Studio's Redis, so it runs only where the operator allows probes (LSCONSOLE_WRITE_PROBES), is audited,
and takes everything away again whatever happens.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ..deployment import Deployment
from ..deployment.probe_jobs import ProbeState, ProbeWriter, probe_id
from ..deployment.queues import LABEL_STUDIO_QUEUES
from ..errors import Busy, ConsoleError, Refused, Unknown
from ..state import Store, audit
from ..state.models import AuditEvent

SECONDS = 10.0
LOOK_EVERY_SECONDS = 0.03
#: How long a job that was taken may take to end: it sleeps for no time at all.
END_SECONDS = 2.0
#: Most queues of one probe.
MOST_QUEUES = 50
NEEDS_LEAVE = (
    "A probe puts a job on Label Studio's queues, which nobody has allowed here. Set LSCONSOLE_WRITE_PROBES=true for the "
    "console, or test by hand: in Label Studio open the Data Manager, click Export and create a snapshot."
)

_AUDITED = ("queue probe intended", "queue probe ended")
#: No probe takes so long; what it left is removed then.
LEFT_AFTER = timedelta(minutes=15)
PROBES_LOOKED_AT = 20

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Probe:
    """How one queue did. `outcome`: taken, failed (a worker took it and could not do it), waiting or refused.

    `milliseconds` is the time until a worker had it. `ahead` counts jobs before it when nobody took it.
    """

    queue: str
    outcome: str
    summary: str
    milliseconds: int | None = None
    worker: str = ""
    ahead: int | None = None
    workers_alive: int | None = None


def need_leave(deployment: Deployment) -> str:
    """The Redis to probe. Raises Refused when nobody allowed it, or none is named."""
    if not deployment.settings.write_probes:
        raise Refused(NEEDS_LEAVE)
    url = deployment.settings.fix_redis_url or deployment.settings.redis_url
    if not url:
        raise Refused("No Redis is named, so there are no queues to probe. Give --redis-url or LSCONSOLE_REDIS_URL.")
    return url


def probe(
    deployment: Deployment, store: Store, queues: Sequence[str] = LABEL_STUDIO_QUEUES, *, by: str, seconds: float = SECONDS,
    progress: Progress = lambda *_: None, stopped: Callable[[], bool] = lambda: False,
) -> list[Probe]:  # fmt: skip
    """Probe these queues side by side. Audited before and after; raises Refused without leave, or without the right."""
    url = need_leave(deployment)
    chosen = list(dict.fromkeys(queues))
    if not 0 < len(chosen) <= MOST_QUEUES:
        raise Refused(f"Name 1 to {MOST_QUEUES} queues to probe.")
    told = {"queues": chosen, "jobs": [probe_id(queue) for queue in chosen]}
    audit.record(store, actor=by, action="queue probe intended", subject="deployment", code="jobs", data=told)
    writer = ProbeWriter(url)
    found: list[Probe] = []
    error = ""
    try:
        found = _Run(deployment, writer, seconds, progress, stopped).run(chosen)
    except ConsoleError as failure:
        error = str(failure)
        raise
    finally:
        writer.close()
        data = told | {"probes": [asdict(one) for one in found]} | ({"message": error} if error else {})
        audit.record(store, actor=by, action="queue probe ended", subject="deployment", code="jobs", data=data)
    return found


def run(
    deployment: Deployment, store: Store, arguments: Mapping[str, Any], *, by: str, progress: Progress,
    stopped: Callable[[], bool],
) -> dict[str, Any]:  # fmt: skip
    """What a job does. `arguments`: `queues` (Label Studio's four without it) and `seconds`. Returns `{"probes": [...]}`."""
    queues = arguments.get("queues") or LABEL_STUDIO_QUEUES
    found = probe(
        deployment, store, queues, by=by, seconds=float(arguments.get("seconds") or SECONDS), progress=progress,
        stopped=stopped,
    )  # fmt: skip
    return {"probes": [asdict(one) for one in found], "taken": sum(one.outcome == "taken" for one in found)}


def clear_left(deployment: Deployment, store: Store, now: datetime | None = None) -> None:
    """Take away what a probe left whose process was killed: it was announced in the audit log, and never ended."""
    settings = deployment.settings
    url = settings.fix_redis_url or settings.redis_url
    if not settings.write_probes or not url:
        return
    with store.read() as session:
        events = audit.latest(session, actions=_AUDITED, code="jobs", limit=PROBES_LOOKED_AT)
    begun: dict[tuple[str, ...], AuditEvent] = {}
    for event in reversed(events):
        probed = (event.actor, *event.data["jobs"])
        if event.action == _AUDITED[0]:
            begun[probed] = event
        else:
            begun.pop(probed, None)
    for event in begun.values():
        if (now or datetime.now(UTC)) - event.at > LEFT_AFTER:
            _clear(url, store, event)


def _clear(url: str, store: Store, event: AuditEvent) -> None:
    writer, told = ProbeWriter(url), "The process that probed ended before its time; what it left was removed."
    try:
        for queue in event.data["queues"]:
            writer.remove(queue)
    except Busy:
        return  # Redis is away; the next beat tries again
    except ConsoleError as error:
        told = f"The process that probed ended before its time; what it left could not be removed: {error}"
    finally:
        writer.close()
    data = {"queues": event.data["queues"], "jobs": event.data["jobs"], "probes": [], "message": told}
    audit.record(store, actor=event.actor, action=_AUDITED[1], subject="deployment", code="jobs", data=data)


class _Run:
    """One probe of several queues."""

    def __init__(
        self, deployment: Deployment, writer: ProbeWriter, seconds: float, progress: Progress, stopped: Callable[[], bool]
    ) -> None:  # fmt: skip
        self._deployment, self._writer = deployment, writer
        self._seconds, self._progress, self._stopped = seconds, progress, stopped

    def run(self, queues: Sequence[str]) -> list[Probe]:
        found: dict[str, Probe] = {}
        put: dict[str, float] = {}
        try:
            for queue in queues:
                put[queue] = time.monotonic()  # before it is written: whatever happens then, it is removed
                try:
                    self._writer.put(queue, self._seconds)
                except Refused as refusal:
                    del put[queue]
                    found[queue] = Probe(queue, "refused", str(refusal))
            self._watch(put, found)
        finally:
            left = self._remove(put)
        if not put:
            raise Refused(found[queues[0]].summary)
        told = {queue: f"{found[queue].summary} {left[queue]}" for queue in left}
        return [replace(found[queue], summary=told.get(queue, found[queue].summary)) for queue in queues]

    def _watch(self, put: Mapping[str, float], found: dict[str, Probe]) -> None:
        open_ = dict(put)
        while open_:
            for queue, began in list(open_.items()):
                waited = time.monotonic() - began
                state = self._writer.state(queue)
                over = waited > self._seconds or self._stopped()
                if state is not None and state.status == "started" and waited < self._seconds + END_SECONDS:
                    continue  # it takes a moment to end
                if state is None or state.status != "queued" or over:
                    found[queue] = self._judge(queue, state, waited)
                    del open_[queue]
            self._progress(len(found), len(found) + len(open_), "queues")
            time.sleep(LOOK_EVERY_SECONDS if open_ else 0)

    def _judge(self, queue: str, state: ProbeState | None, waited: float) -> Probe:
        if state is None:
            why = "Redis evicts keys, or somebody emptied the queue"
            return Probe(queue, "failed", f"The probe's record was gone after {waited:.1f} s: {why}.")
        if state.status == "queued":
            return self._not_taken(queue, state, waited)
        took = int(waited * 1000)
        if state.started_at and state.ended_at:
            took = max(0, took - int((state.ended_at - state.started_at).total_seconds() * 1000))
        worker = state.worker or self._only_listener(queue)
        by = f"worker {worker}" if worker else "a worker"
        if state.status == "finished":
            return Probe(queue, "taken", f"Taken and done after {took:,} ms by {by}.", took, worker)
        if state.status == "started":
            return Probe(queue, "taken", f"Taken after {took:,} ms by {by}, and not ended yet.", took, worker)
        told = f"Taken after {took:,} ms by {by}, and then {state.status}: {self._why(queue)}"
        return Probe(queue, "failed", told, took, worker)

    def _why(self, queue: str) -> str:
        """The last line of the exception, as the worker left it."""
        reader = self._deployment.redis
        try:
            job = reader.job(probe_id(queue)) if reader else None
        except Unknown as unknown:
            return str(unknown)
        return (job.exception_line if job else None) or "it left no exception."

    def _not_taken(self, queue: str, state: ProbeState, waited: float) -> Probe:
        waiting = f"Not taken within {waited:.1f} s"
        try:
            alive = len(self._listeners(queue))
            suspended = self._deployment.redis.suspended() if self._deployment.redis else False
        except Unknown as unknown:
            return Probe(queue, "waiting", f"{waiting}. {unknown}", ahead=state.ahead)
        if state.ahead is None:
            told = "a worker took it off the queue and has not begun."
        elif suspended:
            told = "all workers are suspended (rq suspend). Resume them with: rq resume"
        elif not alive:
            told = "no worker listens to this queue. Start one that does."
        else:
            told = f"{alive} worker{'s' * (alive != 1)} listen{'s' * (alive == 1)}, {state.ahead:,} jobs are before it."
        return Probe(queue, "waiting", f"{waiting}: {told}", ahead=state.ahead, workers_alive=alive)

    def _only_listener(self, queue: str) -> str:
        """Who took it when the job does not say, as with rq 1: known when one worker alone listens."""
        try:
            names = self._listeners(queue)
        except Unknown:
            return ""
        return names[0] if len(names) == 1 else ""

    def _listeners(self, queue: str) -> list[str]:
        workers = self._deployment.redis.workers() if self._deployment.redis else []
        return [worker.name for worker in workers if worker.alive and queue in worker.queues]

    def _remove(self, put: Mapping[str, float]) -> dict[str, str]:
        """Take every probe away, whatever became of it. What could not be removed, with a sentence."""
        left = {}
        for queue in put:
            try:
                self._writer.remove(queue)
            except ConsoleError as error:
                left[queue] = f"The probe could not be removed ({error}); its record expires within minutes."
        return left
