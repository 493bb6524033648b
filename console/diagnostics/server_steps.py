"""Carrying out changes of the database server, one by one: maintenance, sequences, sessions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from ..deployment import Deployment
from ..deployment.postgres.naming import qualified, quoted
from ..errors import Conflict, ConsoleError, Refused
from .clear_expired import ClearExpired
from .documents import StepChange
from .server_changes import EndSession, Maintain, SetSequence

if TYPE_CHECKING:
    from .plan_steps import Journal, Progress, Step

#: What the bar of a whole plan counts to.
WHOLE = 1000


def apply(
    deployment: Deployment, steps: Sequence[Step], journal: Journal, progress: Progress, stopped: Callable[[], bool]
) -> None:
    """Do each step; one that fails or moved on is written down, and the next is done all the same."""
    for number, (position, change) in enumerate(steps):
        if stopped():
            return
        where = f"{number + 1} of {len(steps)}: {change.label}" if len(steps) > 1 else change.label
        journal.intend([(position, change)])
        try:
            message = _do(deployment, change, journal, _labelled(progress, where, number, len(steps)), stopped)
        except Conflict as moved:
            journal.record([(position, "left", str(moved), change)])
        except ConsoleError as error:
            journal.record([(position, "failed", str(error), change)])
        else:
            journal.record([(position, "done", message, change)])


def _labelled(progress: Progress, where: str, number: int, total: int) -> Progress:
    """One bar for all steps, in thousandths: what they count (pages, rows, indexes) cannot be added up."""

    def show(done: int, of: int, label: str) -> None:
        part = min(1.0, done / of) if of > 0 else 0.0
        progress(int((number + part) * WHOLE / total), WHOLE, f"{where}, {label}" if label else where)

    return show


def _do(
    deployment: Deployment, change: StepChange, journal: Journal, progress: Progress, stopped: Callable[[], bool]
) -> str:
    """What was done, in a sentence for the audit log."""
    if isinstance(change, Maintain):
        return _maintain(deployment, change, journal, progress, stopped)
    if isinstance(change, ClearExpired):
        return change.carry_out(deployment, progress, stopped)
    if isinstance(change, SetSequence):
        return _set_sequence(deployment, change)
    if isinstance(change, EndSession):
        return _end_session(deployment, change)
    raise Refused(f"{change.label} is nothing the database server could do.")


def _maintain(
    deployment: Deployment, change: Maintain, journal: Journal, progress: Progress, stopped: Callable[[], bool]
) -> str:
    """Run it, and put it into the history of maintenance however it ended."""
    from ..maintenance import run, schedules

    try:
        outcome = run.run(
            deployment, change.action, table=change.table, index=change.index, schema=change.schema,
            progress=progress, stopped=stopped,
        )  # fmt: skip
    except run.NotDone as error:
        schedules.record(journal.store, deployment, error.outcome, by=journal.by, plan_id=journal.plan_id)
        raise
    schedules.record(journal.store, deployment, outcome, by=journal.by, plan_id=journal.plan_id)
    return outcome.told


def _last_value(session: Session, change: SetSequence) -> int:
    """The last number given; what RESTART has set was not given yet."""
    name = qualified(change.schema, change.sequence)
    statement = f"select case when is_called then last_value else last_value - 1 end from {name}"  # noqa: S608
    return int(_as_it_stands(session, statement).scalar_one())


def _as_it_stands(session: Session, statement: str) -> Any:
    """A statement with names in it: a `:` or `%` of a name is no placeholder."""
    return session.connection().exec_driver_sql(statement, execution_options={"no_parameters": True})


def _set_sequence(deployment: Deployment, change: SetSequence) -> str:
    """The table is locked against inserts for the moment between looking and setting."""
    with deployment.write() as session:
        _as_it_stands(session, f"lock table {qualified(change.schema, change.table)} in share row exclusive mode")
        now = _last_value(session, change)
        if now != change.before:
            raise Conflict(
                f"Sequence {change.sequence} moved on since this plan was made (it stands at {now:,}). "
                "Run the check again and review the new plan."
            )
        name = qualified(change.schema, change.sequence)
        session.execute(text("select setval(cast(:name as regclass), :value, :called)"),
                        {"name": name, "value": max(change.after, 1), "called": change.after > 0})  # fmt: skip
    return f"The next id of {change.table} is {change.after + 1:,}."


_SESSION = "from pg_stat_activity where pid = :pid and backend_start = :since and pid <> pg_backend_pid()"
_UNCHANGED = " and coalesce(xact_start, state_change) = :unchanged_since"
_NOW = "select current_user as role, backend_start from pg_stat_activity where pid = :pid"


def _end_session(deployment: Deployment, change: EndSession) -> str:
    """Nobody is ended for what he did in a transaction that is over."""
    function = "pg_cancel_backend" if change.how == "cancel" else "pg_terminate_backend"
    given = {"pid": change.pid, "since": datetime.fromisoformat(change.backend_start)}
    statement = f"select {function}(pid) {_SESSION}"
    if change.unchanged_since:
        statement += _UNCHANGED
        given["unchanged_since"] = datetime.fromisoformat(change.unchanged_since)
    with deployment.write() as session:
        answer = session.scalar(text(statement), given)
        now = session.execute(text(_NOW), given).one_or_none() if answer is None else None
    if answer is None:
        raise _why_kept(change, now)
    if not answer:
        raise Refused(f"PostgreSQL could not reach session {change.pid}; see its own log.")
    return f"Session {change.pid}: {'its statement was cancelled' if change.how == 'cancel' else 'ended'}."


def _why_kept(change: EndSession, now: Any) -> ConsoleError:
    """Why the session of a plan was not found, from what has its process id now (None: nobody)."""
    if now is not None and now.backend_start is None:
        grant = f"GRANT pg_read_all_stats TO {quoted(now.role)};"
        return Refused(f"Session {change.pid} cannot be looked into by {now.role}; nothing was done. Needs: {grant}")
    if now is not None and now.backend_start == datetime.fromisoformat(change.backend_start):
        return Conflict(
            f"Session {change.pid} has gone on to something else since this plan was made; nothing was done. "
            "Run the check again and review the new plan."
        )
    return Conflict(f"Session {change.pid} has ended by itself; nothing was done.")


def settle(deployment: Deployment, change: StepChange) -> str:
    """What became of a step whose process died: `done` or `failed`."""
    if isinstance(change, SetSequence):
        with deployment.read() as session:
            return "done" if _last_value(session, change) == change.after else "failed"
    if isinstance(change, EndSession):
        given = {"pid": change.pid, "since": datetime.fromisoformat(change.backend_start)}
        with deployment.read() as session:
            there = session.scalar(text(f"select count(*) {_SESSION}"), given)
        return "failed" if there else "done"
    return "failed"
