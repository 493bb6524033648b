"""Requeue, cancel, delete and restore jobs of Label Studio's queues, for every rq from 1.10 to 3.x, by raw commands.

Nothing is unpickled and no class of rq is used. Each chunk of jobs is one WATCH … MULTI … EXEC: a job moves as a whole or
not at all, a job that has moved on since somebody looked is left alone, and the rest of the chunk is not held up by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ..errors import Conflict, ConsoleError, Refused
from . import queue_moves as moves
from . import queue_restoring as restoring
from .queue_keys import Keys
from .queue_standing import Standing, look
from .queue_workers import WorkerWriter
from .redis_writing import BrokenOff, Command, Transaction, WritingRedis

#: Jobs of one transaction.
CHUNK = 200
#: How often a chunk is tried on a queue that keeps changing, before it is cut in half; a single job is tried longer.
TRIES, TRIES_ALONE = 4, 40

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class JobAction:
    """`requeue`, `cancel` or `delete` a job that stands in `state` of `queue`; or `restore` what `kept` holds."""

    action: str
    job_id: str
    queue: str
    state: str
    kept: Mapping[str, Any] | None = None

    @property
    def job(self) -> bytes:
        return self.job_id.encode("utf-8", "surrogatepass")

    @property
    def on(self) -> bytes:
        return self.queue.encode("utf-8", "surrogatepass")


@dataclass(frozen=True)
class Outcome:
    """What became of one action, the `place`th of those that were given.

    `status`: done, left (it moved on, or must not be changed) or failed; `message` says why it was not done. `kept` is
    what `restore` needs.
    """

    place: int
    action: JobAction
    status: str
    message: str = ""
    kept: Mapping[str, Any] | None = None


class QueueWriter(WorkerWriter):
    """Writes to the queues behind one Redis URL. Threads may share it; `close` it.

    Every method raises Refused for what Redis does not let us do (with the ACL statement that would), Busy when Redis is
    away before anything was written, and `BrokenOff` when it went away in the middle.
    """

    def __init__(self, url: str, prefix: str = "rq", timeout_seconds: float = 5) -> None:
        self._redis = WritingRedis(url, timeout_seconds, prefix)
        self._keys = Keys(prefix)

    def close(self) -> None:
        self._redis.close()

    def requeue(self, job_id: str, queue: str, state: str = "failed") -> Mapping[str, Any]:
        """Put the job at the end of its queue again, as rq's own requeue leaves it. Returns what `restore` needs.

        `state` is where it stands: failed, canceled, finished, deferred, scheduled, or started when its worker is gone.
        Raises Conflict, naming where it is, when it stands elsewhere by now.
        """
        return self._one(JobAction("requeue", job_id, queue, state))

    def cancel(self, job_id: str, queue: str, state: str = "queued") -> Mapping[str, Any]:
        """Take a queued, deferred or scheduled job out of its place: no worker takes it any more."""
        return self._one(JobAction("cancel", job_id, queue, state))

    def delete(self, job_id: str, queue: str, state: str) -> Mapping[str, Any]:
        """Remove the job with its results and executions. Jobs that wait for it stay deferred, as in rq."""
        return self._one(JobAction("delete", job_id, queue, state))

    def restore(self, job_id: str, queue: str, kept: Mapping[str, Any]) -> None:
        """Take back what returned `kept`; bytes, places and time to live are as before."""
        self._one(JobAction("restore", job_id, queue, "", kept))

    def _one(self, action: JobAction) -> Mapping[str, Any]:
        [outcome] = self.apply_many([action])
        if outcome.status != "done":
            raise Conflict(outcome.message)
        return outcome.kept or {}

    def apply_many(
        self, actions: Sequence[JobAction], progress: Progress = lambda *_: None, stopped: Callable[[], bool] = lambda: False,
        *, intend: Callable[[Sequence[Outcome]], None] = lambda _: None,
        record: Callable[[Sequence[Outcome]], None] = lambda _: None,
    ) -> list[Outcome]:  # fmt: skip
        """Carry out many actions, a chunk at a time; `stopped` is asked between chunks.

        `intend` is told of a chunk before it is written, with what was kept; `record` of how it ended. The outcomes are
        those of the actions that were reached, in order.
        """
        done: list[Outcome] = []
        for start in range(0, len(actions), CHUNK):
            if stopped():
                break
            try:
                done += self._chunk(start, actions[start : start + CHUNK], intend, record)
            except ConsoleError as error:
                if not done:
                    raise
                raise _with_count(error, len(done), len(actions)) from None
            progress(len(done), len(actions), "jobs")
        return done

    def _chunk(
        self, start: int, actions: Sequence[JobAction], intend: Callable[[Sequence[Outcome]], None],
        record: Callable[[Sequence[Outcome]], None],
    ) -> list[Outcome]:  # fmt: skip
        with self._redis.transaction() as transaction:
            planned = self._plan(transaction, start, actions)
            ready = [outcome for outcome in planned if outcome.status == "ready"]
            ended = [outcome for outcome in planned if outcome.status != "ready"]
            if ready:
                intend(ready)
                ended += self._write(transaction, ready, TRIES if len(ready) > 1 else TRIES_ALONE)
        ordered = sorted(ended, key=lambda outcome: outcome.place)
        record(ordered)
        return ordered

    def _plan(self, transaction: Transaction, start: int, actions: Sequence[JobAction]) -> list[Outcome]:
        """Look once: what cannot be done is `left`, the rest `ready` with what must be kept of it."""
        standings = self._look(transaction, actions)
        why = self._refusals(transaction, actions, standings)
        seen: set[bytes] = set()
        for place, action in enumerate(actions):
            why[place] = f"Job {action.job_id} is named twice." if action.job in seen else why[place]
            seen.add(action.job)
        kept = self._keep(transaction, actions, standings, why)
        gone: dict[bytes, list[int]] = {}
        for standing, reason, keeping in zip(standings, why, kept, strict=True):
            if keeping and not reason:
                keeping["position"] = _position(standing, gone)
        return [
            Outcome(place, action, "left" if reason else "ready", reason, None if reason else keeping)
            for place, (action, reason, keeping) in enumerate(zip(actions, why, kept, strict=True), start)
        ]

    def _write(self, transaction: Transaction, ready: Sequence[Outcome], tries: int) -> list[Outcome]:
        """Try until nobody else touches what is watched; a chunk that finds no quiet moment is cut in half."""
        for _ in range(tries):
            written = self._try(transaction, ready)
            if written is not None:
                return written
        if len(ready) == 1:
            action = ready[0].action
            message = f"Job {action.job_id} was left alone: {action.queue} changes too quickly. Try again."
            return [replace(ready[0], status="failed", message=message, kept=None)]
        middle = len(ready) // 2
        halves = [self._write(transaction, half, TRIES if len(half) > 1 else TRIES_ALONE)
                  for half in (ready[:middle], ready[middle:])]  # fmt: skip
        return [outcome for half in halves for outcome in half]

    def _try(self, transaction: Transaction, ready: Sequence[Outcome]) -> list[Outcome] | None:
        """One WATCH … EXEC; None when somebody else was quicker."""
        actions = [outcome.action for outcome in ready]
        transaction.watch(list(dict.fromkeys(key for action in actions for key in self._watched(action))))
        standings = self._look(transaction, actions)
        why = self._refusals(transaction, actions, standings)
        fresh = self._keep(transaction, actions, standings, why)
        backs = [_back(one) for one in actions if one.action == "restore"]
        lines = restoring.lines(transaction.ask, self._keys, backs)
        commands: list[Command] = []
        ended: list[Outcome] = []
        gone: dict[bytes, list[int]] = {}
        for outcome, standing, reason, now in zip(ready, standings, why, fresh, strict=True):
            action, planned = outcome.action, outcome.kept or {}
            if not reason and action.action != "restore" and planned["digest"] != now["digest"]:
                reason = f"Job {action.job_id} changed while it was looked at. Look again."
            if reason:
                ended.append(replace(outcome, status="left", message=reason, kept=None))
            elif action.action == "restore":
                back = _back(action)
                commands += restoring.commands(self._keys, back, standing, lines.get(back.queue))
                ended.append(replace(outcome, status="done"))
            else:
                kept = now | {"stamp": planned["stamp"], "position": _position(standing, gone)}
                commands += moves.commands(action.action, self._keys, standing, kept)
                ended.append(replace(outcome, status="done", kept=kept))
        if commands and not transaction.commit(commands):
            return None
        return ended

    def settle(self, action: JobAction) -> str:
        """What became of an action whose process died: `done`, or `failed` when nothing was written."""
        with self._redis.transaction() as transaction:
            [standing] = self._look(transaction, [action])
            [digest] = moves.job_digests(transaction.ask, self._keys, [standing])
            if action.action == "restore":
                return "done" if restoring.is_back(_back(action), standing, digest) else "failed"
            before = restoring.Back(action.job, action.on, action.kept) if action.kept else None
            untouched = restoring.is_back(before, standing, digest) if before else standing.where == action.state
        if action.action == "cancel":
            return "done" if standing.status == "canceled" else "failed"
        if action.action == "delete":
            return "done" if standing.where == "gone" else "failed"
        return "failed" if untouched else "done"

    def _look(self, transaction: Transaction, actions: Sequence[JobAction]) -> list[Standing]:
        on = [_back(one).stands_on if one.action == "restore" else one.on for one in actions]
        return look(transaction.ask, self._keys, list(zip((one.job for one in actions), on, strict=True)))

    def _watched(self, action: JobAction) -> list[bytes]:
        if action.action == "restore":
            return restoring.watched(self._keys, _back(action))
        return [self._keys.job(action.job), self._keys.place(action.state, action.on)]

    def _refusals(
        self, transaction: Transaction, actions: Sequence[JobAction], standings: Sequence[Standing]
    ) -> list[str]:
        known = list(zip(actions, standings, strict=True))
        backs = [(_back(one), standing) for one, standing in known if one.action == "restore"]
        refused = iter(restoring.refusals(transaction.ask, self._keys, backs) if backs else ())
        return [
            next(refused) if one.action == "restore" else moves.refusal(one.action, one.state, standing)
            for one, standing in known
        ]

    def _keep(
        self, transaction: Transaction, actions: Sequence[JobAction], standings: Sequence[Standing], why: Sequence[str]
    ) -> list[dict[str, Any]]:
        """What is to be kept of each; empty for those that are refused, or restored."""
        kept: list[dict[str, Any]] = [{} for _ in actions]
        for name in moves.ALLOWED:
            chosen = [place for place, one in enumerate(actions) if one.action == name and not why[place]]
            theirs = [standings[place] for place in chosen]
            found = moves.keep(transaction.ask, name, self._keys, theirs, datetime.now(UTC))
            for place, one in zip(chosen, found, strict=True):
                kept[place] = one
        return kept


def _back(action: JobAction) -> restoring.Back:
    if action.kept is None or "action" not in action.kept:
        raise Refused(f"Job {action.job_id}: nothing was kept of it, so it cannot be brought back.")
    return restoring.Back(action.job, action.on, action.kept)


def _position(standing: Standing, gone: dict[bytes, list[int]]) -> int | None:
    """The job's place in its queue once those before it in this chunk are out of it; so undo, last first, fits."""
    if standing.waiting is None:
        return None
    before = gone.setdefault(standing.queue, [])
    place = standing.waiting - sum(1 for other in before if other < standing.waiting)
    before.append(standing.waiting)
    return place


def _with_count(error: ConsoleError, done: int, total: int) -> ConsoleError:
    so_far = f"{done:,} of {total:,} jobs were done before."
    kind = type(error) if isinstance(error, Refused | BrokenOff) else ConsoleError
    return kind(f"{str(error).replace('Nothing was written: ', '')} {so_far}")
