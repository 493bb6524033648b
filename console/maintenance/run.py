"""Carries out one maintenance action: retries while somebody holds the table, tells how far it is, stops when asked.

Nobody waits for us longer than about a second. Locks are asked for with a short time limit, so that nobody queues up
behind us; and a session that has to wait for a statement of ours that runs already (a change of the table, by an upgrade
of Label Studio say) makes us step back, as autovacuum does, and try again later. Only VACUUM FULL, which is asked for
twice, keeps its table to itself until it ends.

Source: PostgreSQL's manual on `lock_timeout`, REINDEX CONCURRENTLY ("Rebuilding Indexes Concurrently") and VACUUM.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from psycopg2 import errors, sql

from ..deployment import Deployment
from ..errors import ConsoleError, Refused
from ..masking import mask_text
from . import actions, leftovers, links, others, preview, targets
from .outcome import NotDone, Outcome, Sizes
from .progress import Follower, Progress
from .steps import Step, Target, need_same

#: How often `stopped` is asked, and how often (every second time) the server is asked how far it is.
TICK_SECONDS = 0.25
WATCH_SECONDS = 0.5
LOOK_SECONDS = 2.0
#: After a stop the server is given this long to give up, and the clean-up this long.
CANCEL_SECONDS = 20.0
TIDY_SECONDS = 1.2
#: PostgreSQL tells the numbers of dead rows with this delay before 15.
STATISTICS_SECONDS = 0.6


@dataclass(frozen=True)
class Limits:
    """How patient and how gentle a run is.

    `lock_seconds`: longest wait for the table's lock. `transaction_seconds`: how long a concurrent REINDEX waits for one
    older transaction; nobody waits for us meanwhile. `cost_delay_ms` after each `cost_limit` points of reading and
    writing: at the pace of autovacuum (2 ms) the flushes of a VACUUM doubled or trebled the p99 of other sessions, whose
    commits wait for the same disk; at 10 ms that was within what a shared machine varies by itself, and VACUUM takes about
    three times as long (`tests/bench/maintenance.py`). `build_workers` help to build an index: none, so that a server of
    two cores keeps one for its users.
    """

    lock_seconds: float = 1.0
    attempts: int = 6
    first_pause_seconds: float = 1.0
    longest_pause_seconds: float = 30.0
    transaction_seconds: float = 300.0
    cost_delay_ms: float = 10.0
    cost_limit: int = 200
    build_workers: int = 0


GENTLE = Limits()


class _Stopped(Exception):
    """The run was asked to stop."""


class _Held(Exception):
    """Others hold what we need, or waited for us; the message says so. Worth another try."""


def _quiet(done: int, total: int, label: str) -> None:
    """No progress wanted."""


def run(
    deployment: Deployment, action: str, table: str = "", index: str = "", schema: str = "", *,
    progress: Progress = _quiet, stopped: Callable[[], bool] = lambda: False, limits: Limits = GENTLE,
) -> Outcome:  # fmt: skip
    """Do one action on a table, an index, or (SQLite) the file. Blocks until it is done.

    Raises as `attempt` does, and NotDone when it was begun and then stopped, given up, or failed.
    """
    outcome = attempt(deployment, action, table, index, schema, progress=progress, stopped=stopped, limits=limits)
    if not outcome.done:
        raise NotDone(outcome)
    return outcome


def attempt(
    deployment: Deployment, action: str, table: str = "", index: str = "", schema: str = "", *,
    progress: Progress = _quiet, stopped: Callable[[], bool] = lambda: False, limits: Limits = GENTLE,
) -> Outcome:  # fmt: skip
    """The same, but whatever becomes of it once it was begun is told by the outcome.

    Raises before anything was done: NotFound, Refused (a rule, a missing right, too little room), Busy (other
    maintenance holds this database), CannotAttach.
    """
    chosen = actions.get(action)
    preview.need_engine(deployment, chosen)
    if chosen.engine == "sqlite":
        from . import sqlite

        return sqlite.attempt(deployment, action, progress=progress, stopped=stopped)
    with links.link(deployment) as worker, contextlib.ExitStack() as watching:
        notes = links.prepare(worker)
        links.take_turn(worker)

        def watcher() -> links.Link:
            return watching.enter_context(contextlib.closing(links.open_link(deployment)))

        first = watcher()
        found = preview.examine(deployment, first, chosen, table, index, schema)
        targets.need(list(found.refusals))
        work = _Work(found.target, worker, first, watcher, progress, stopped, limits, [*found.target.notes, *notes])
        return work.perform(chosen)


@dataclass
class _Work:
    """One run: its two connections and what happened so far."""

    target: Target
    worker: links.Link
    watcher: links.Link
    another_watcher: Callable[[], links.Link]
    progress: Progress
    stopped: Callable[[], bool]
    limits: Limits
    messages: list[str]
    retries: int = 0
    done_pages: int = 0
    statements: list[str] = field(default_factory=list)
    _known: frozenset[int] = frozenset()

    def perform(self, action: actions.Action) -> Outcome:
        started = time.monotonic()
        table = self.target.table
        before = Sizes(table.heap_bytes, table.index_bytes, table.dead_rows)
        self._known = frozenset(index.oid for index in table.indexes if not index.valid)
        status = "done"
        try:
            self._set_pace()
            for step in self.target.steps:
                self._with_retries(step)
                self.done_pages += step.pages
        except _Stopped:
            status = "stopped"
            self.messages.append("Stopped when asked to.")
        except _Held as error:
            status = "gave_up"
            self.messages.append(f"{error} Gave up after {self.retries + 1} attempts; try again at a quieter time.")
        except (ConsoleError, psycopg2.Error) as error:
            status = "failed"
            self.messages.append(_explained(error))
        left = self._tidy() if status != "done" else ()
        return Outcome(
            status, action.name, self.target.subject, tuple(self.statements), before, self._measured(),
            time.monotonic() - started, self.retries + 1, tuple(self.messages), left,
        )  # fmt: skip

    # --- one statement

    def _with_retries(self, step: Step) -> None:
        """Carry a step out; once more after a growing pause as long as others are in the way. Raises _Held at last."""
        pause = self.limits.first_pause_seconds
        for attempt in range(1, self.limits.attempts + 1):
            follower = self._follower(step)
            try:
                return self._carry_out(step, follower)
            except _Held as error:
                self._drop_own_leftovers()
                if attempt == self.limits.attempts:
                    raise
                self.retries += 1
                self._pause(pause, follower, str(error))
                pause = min(pause * 2, self.limits.longest_pause_seconds)
        return None

    def _carry_out(self, step: Step, follower: Follower) -> None:
        need_same(self.worker, step)
        self._ask_for_lock(step)
        self.statements.append(self.worker.text(step.statement))
        try:
            self.worker.start(step.statement)
            self._watch(step, follower)
        except errors.LockNotAvailable:
            raise _Held(self._who_held(step)) from None
        except errors.DeadlockDetected:
            raise _Held(f"{step.title}: it and another session waited for each other.") from None
        self._need_no_skip()
        follower.finish()

    def _ask_for_lock(self, step: Step) -> None:
        """Set how long to wait for locks. A concurrent build waits for older transactions with the same limit, and
        much longer; so it does not even queue up while somebody holds the table."""
        seconds = self.limits.lock_seconds
        if step.concurrently:
            if others.holding(self.watcher, step.table_oid, exclusive=False):
                raise _Held(self._who_held(step))
            seconds = self.limits.transaction_seconds
        self.worker.set(lock_timeout=int(seconds * 1000))

    def _watch(self, step: Step, follower: Follower) -> None:
        """Until the statement ended: tell how far it is, stop it when asked to, or when others wait for us."""
        looked, waited = 0.0, False
        while not self.worker.done(TICK_SECONDS):
            if self.stopped():
                self._cancel()
                raise _Stopped
            if time.monotonic() - looked < WATCH_SECONDS - 0.01:
                continue
            looked = time.monotonic()
            waiting = self._look(step, follower)
            if waiting and waited:
                self._cancel()
                raise _Held(f"{step.title}: stepped back, as server process {waiting[0]} had to wait for it.")
            waited = bool(waiting)

    def _look(self, step: Step, follower: Follower) -> list[int]:
        """Tell how far the statement is; the server processes that wait for it. The work outlives a lost look."""
        try:
            follower.follow(self._seen(follower))
            return others.waiting_for(self.watcher, self.worker.pid) if step.action != "vacuum_full" else []
        except (links.Lost, psycopg2.Error):
            with contextlib.suppress(ConsoleError, psycopg2.Error):
                self.watcher = self.another_watcher()
            return []

    def _seen(self, follower: Follower) -> dict[str, Any]:
        found = {}
        for view in follower.views:
            statement = sql.SQL("select row_to_json(p) as row from {} p where p.pid = %(pid)s").format(
                sql.Identifier(view)
            )
            rows = self.watcher.run(statement, {"pid": self.worker.pid}, seconds=LOOK_SECONDS)
            if rows:
                found[view] = rows[0]["row"]
        return found

    def _cancel(self) -> None:
        """Make the server give up the statement, and wait until it has."""
        try:
            self.watcher.run("select pg_cancel_backend(%(pid)s)", {"pid": self.worker.pid})
        except (links.Lost, psycopg2.Error):
            self.worker.cancel()
            self.watcher = self.another_watcher()
        try:
            if not self.worker.done(CANCEL_SECONDS):
                raise links.Lost(f"The server did not stop within {CANCEL_SECONDS:.0f} s (process {self.worker.pid}).")
        except (errors.QueryCanceled, errors.LockNotAvailable):
            return

    def _need_no_skip(self) -> None:
        """VACUUM and ANALYZE pass over what they may not touch with no more than a warning."""
        skipped = [line for line in self.worker.notices if "skipping" in line or "permission denied" in line]
        if skipped:
            raise Refused(f"PostgreSQL did not do it: {skipped[0].removeprefix('WARNING:').strip()}")

    def _pause(self, seconds: float, follower: Follower, why: str) -> None:
        until = time.monotonic() + seconds
        follower.say(f"{why} Next attempt in {seconds:.0f} s")
        while (left := until - time.monotonic()) > 0:
            if self.stopped():
                raise _Stopped
            time.sleep(min(TICK_SECONDS, left))

    def _who_held(self, step: Step) -> str:
        holding = others.holding(self.watcher, step.table_oid, exclusive=step.action == "vacuum_full")
        holding = [session for session in holding if session.pid != self.worker.pid]
        if holding:
            return f"{step.title}: the table is held by {others.named(holding)}."
        long = [session for session in others.long_transactions(self.watcher, self.limits.lock_seconds)
                if session.pid != self.worker.pid]  # fmt: skip
        if step.concurrently and long:
            return f"{step.title}: an older transaction did not end in time: {others.named(long)}."
        return f"{step.title}: another session held the table."

    def _follower(self, step: Step) -> Follower:
        total = sum(other.pages for other in self.target.steps)
        return Follower(step.action, step.title, self.done_pages, step.pages, total, step.indexes, self.progress)

    def _set_pace(self) -> None:
        self.worker.set(vacuum_cost_delay=self.limits.cost_delay_ms, vacuum_cost_limit=self.limits.cost_limit,
                        max_parallel_maintenance_workers=self.limits.build_workers)  # fmt: skip

    # --- afterwards

    def _drop_own_leftovers(self) -> list[str]:
        """Drop what a failed attempt of this run left behind; the names of what could not be dropped."""
        kept: list[str] = []
        if not any(step.action == "reindex_index" for step in self.target.steps):
            return kept
        for index in leftovers.left_on(self.watcher, self.target.table.oid):
            if index.oid in self._known:
                continue
            try:
                leftovers.drop(
                    self.watcher, index, lock_seconds=min(1.0, self.limits.lock_seconds), seconds=TIDY_SECONDS
                )
            except psycopg2.Error:
                kept.append(index.name)
        return kept

    def _tidy(self) -> tuple[str, ...]:
        """Clean up after a run that did not get through; the names of the leftovers of the table that remain."""
        if not any(step.concurrently for step in self.target.steps):
            return ()
        try:
            self._drop_own_leftovers()
            left = [index for index in targets.indexes_of(self.watcher, self.target.table.oid) if index.leftover]
        except (ConsoleError, psycopg2.Error) as error:
            self.messages.append(f"Whether an unfinished index is left could not be seen: {_explained(error)}")
            return ()
        if left:
            names = ", ".join(index.name for index in left)
            self.messages.append(f"Left behind, unfinished and invalid: {names}. Drop it with drop_leftover.")
        return tuple(index.name for index in left)

    def _measured(self) -> Sizes | None:
        table = self.target.table
        try:
            if self.watcher.version < 150000:
                time.sleep(STATISTICS_SECONDS)
            now = targets.find_table(self.watcher, table.name, table.schema, version=self.watcher.version)
        except (ConsoleError, psycopg2.Error):
            return None
        self._tell_what_stays(table.dead_rows, now.dead_rows)
        return Sizes(now.heap_bytes, now.index_bytes, now.dead_rows)

    def _tell_what_stays(self, before: int | None, after: int | None) -> None:
        """A vacuum that ends well and clears little is held back by somebody."""
        ended = self.target.steps[-1].action if self.target.steps else ""
        if not ended.startswith("vacuum") or not before or not after or after * 2 < before:
            return
        long = others.long_transactions(self.watcher, 1.0)
        by = [*([f"transactions still open: {others.named(long)}"] if long else []), *others.held_back_by(self.watcher)]
        if by:
            self.messages.append(f"{after:,} dead rows are kept alive. {'; '.join(by)}.")


def _explained(error: Exception) -> str:
    """One sentence for a person."""
    if isinstance(error, ConsoleError):
        return str(error)
    text = mask_text(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
    if isinstance(error, errors.QueryCanceled):
        return "Somebody else cancelled the statement."
    if isinstance(error, errors.DiskFull):
        return f"The disk is full: {text}."
    if isinstance(error, errors.UniqueViolation):
        return (
            f"The table holds rows that the unique index forbids: {text}. The old index is damaged; clear them first."
        )
    return f"PostgreSQL refused: {text}."
