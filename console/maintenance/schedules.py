"""Maintenance by the clock: windows of the night or the week in UTC, kept in our own store, with a history of runs.

A window begins at `window_start` of its day and may reach over midnight. What did not start inside its window (the console
was off) is not made up for outside of it: it is written down as skipped and waits for the next one. At the end of the window
no new step begins and a running one is cancelled, so that the morning finds a quiet database; what was done stays done.
Two consoles never start the same window: moving `next_at` on is the claim, and only one of them can.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, update

from ..deployment import Deployment
from ..errors import ConsoleError, NotFound
from ..state import Store, leases
from ..state.models import MaintenanceRunRow, ScheduleRow
from . import actions, advice, links, run
from .progress import Progress
from .schedule_rules import MOST_STEPS, need_valid

BY = "schedule"
#: Runs of the history kept for each deployment.
KEPT_RUNS = 1000
#: How often a window asks whether other maintenance of the database is over.
TURN_SECONDS = 2.0
#: A run that has begun has its lease within this.
BEGUN_WITHIN = timedelta(minutes=1)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Claim:
    """A window that is ours to work in, until `until`."""

    schedule: ScheduleRow
    until: datetime


def _now() -> datetime:
    return datetime.now(UTC)


def _quiet(done: int, total: int, label: str) -> None:
    """No progress wanted."""


# --- keeping


def create(
    store: Store, deployment: Deployment, *, title: str = "", action: str, target: Mapping[str, Any], days: Sequence[int] = (),
    window_start: str, window_end: str, by: str, reason: str = "", enabled: bool = True, now: datetime | None = None,
) -> ScheduleRow:  # fmt: skip
    """Keep a new schedule. `target`: `{"tables": [names]}` or `{"advice": True}`; `action` a name of the catalogue, or
    `advice` for all the advisor says. Its first window is the next to begin. Raises Invalid, by field."""
    need_valid(deployment, action, target, days, window_start, window_end)
    at = now or _now()
    row = ScheduleRow(
        deployment=deployment.identity, title=title or describe(action, target), action=action, target=dict(target),
        days=sorted(set(days)), window_start=window_start, window_end=window_end, enabled=enabled, reason=reason, by=by,
        created_at=at, next_at=next_start(days, window_start, at) if enabled else None, last_at=None,
    )  # fmt: skip
    with store.session() as session:
        session.add(row)
    return row


def listed(store: Store, deployment: Deployment) -> list[ScheduleRow]:
    """All schedules of this deployment, the next to begin first."""
    with store.read() as session:
        rows = session.scalars(select(ScheduleRow).where(ScheduleRow.deployment == deployment.identity)).all()
    return sorted(rows, key=lambda row: (row.next_at is None, row.next_at or row.created_at, row.id))


def get(store: Store, deployment: Deployment, schedule_id: int) -> ScheduleRow:
    """One schedule of this deployment; raises NotFound."""
    with store.read() as session:
        row = session.get(ScheduleRow, schedule_id)
    if row is None or row.deployment != deployment.identity:
        raise NotFound(f"There is no schedule {schedule_id}.")
    return row


def switch(
    store: Store, deployment: Deployment, schedule_id: int, *, enabled: bool, now: datetime | None = None
) -> ScheduleRow:
    """Pause a schedule, or let it run again from its next window on."""
    row = get(store, deployment, schedule_id)
    with store.session() as session:
        kept = session.get_one(ScheduleRow, row.id)
        kept.enabled = enabled
        kept.next_at = next_start(kept.days, kept.window_start, now or _now()) if enabled else None
    return get(store, deployment, schedule_id)


def remove(store: Store, deployment: Deployment, schedule_id: int) -> None:
    """Forget a schedule; its runs stay in the history."""
    row = get(store, deployment, schedule_id)
    with store.session() as session:
        session.execute(delete(ScheduleRow).where(ScheduleRow.id == row.id))


def history(
    store: Store, deployment: Deployment, *, schedule_id: int | None = None, most: int = 50
) -> list[MaintenanceRunRow]:
    """Runs of this deployment, the newest first."""
    chosen = select(MaintenanceRunRow).where(MaintenanceRunRow.deployment == deployment.identity)
    if schedule_id is not None:
        chosen = chosen.where(MaintenanceRunRow.schedule_id == schedule_id)
    with store.read() as session:
        return list(
            session.scalars(
                chosen.order_by(MaintenanceRunRow.started_at.desc(), MaintenanceRunRow.id.desc()).limit(most)
            )
        )


# --- windows


def next_start(days: Sequence[int], window_start: str, after: datetime) -> datetime:
    """The first beginning of a window later than `after`. `days`: Monday 0; empty is every day."""
    hour, minute = _parsed(window_start)
    start = after.astimezone(UTC).replace(hour=hour, minute=minute, second=0, microsecond=0)
    while start <= after or (days and start.weekday() not in days):
        start += timedelta(days=1)
    return start


def window_end(schedule: ScheduleRow, start: datetime) -> datetime:
    """When the window that began at `start` ends."""
    hour, minute = _parsed(schedule.window_end)
    end = start.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return end if end > start else end + timedelta(days=1)


def due(store: Store, deployment: Deployment, now: datetime | None = None) -> list[ScheduleRow]:
    """Schedules whose window is open and was not started yet. Changes nothing."""
    at = now or _now()
    return [row for row in _begun(store, deployment, at) if row.next_at and at < window_end(row, row.next_at)]


def claim_due(store: Store, deployment: Deployment, now: datetime | None = None) -> list[Claim]:
    """Take what is due for ourselves; windows that went by unused are written down as skipped."""
    at = now or _now()
    claims = []
    for row in _begun(store, deployment, at):
        start = row.next_at or at
        until = window_end(row, start)
        missed = at >= until
        if not _moved_on(store, row, at, missed):
            continue  # another console was quicker
        if missed:
            told = (
                f"The window of {start:%Y-%m-%d %H:%M} UTC went by while no console was running; it is not made up for."
            )
            _close(store, _open(store, deployment, row.title, BY, 0, at, schedule_id=row.id), "skipped", told, at)
        else:
            claims.append(Claim(row, until))
    return claims


def _begun(store: Store, deployment: Deployment, at: datetime) -> list[ScheduleRow]:
    with store.read() as session:
        return list(
            session.scalars(
                select(ScheduleRow)
                .where(ScheduleRow.deployment == deployment.identity, ScheduleRow.enabled, ScheduleRow.next_at <= at)
                .order_by(ScheduleRow.next_at, ScheduleRow.id)
            )
        )


def _moved_on(store: Store, row: ScheduleRow, at: datetime, missed: bool) -> bool:
    """Whether we were the one to move the schedule on to its next window."""
    values: dict[str, Any] = {"next_at": next_start(row.days, row.window_start, at)}
    if not missed:
        values["last_at"] = at
    with store.session() as session:
        moved: Any = session.execute(
            update(ScheduleRow)
            .where(ScheduleRow.id == row.id, ScheduleRow.next_at == row.next_at, ScheduleRow.enabled)
            .values(**values)
        )
        return bool(moved.rowcount == 1)


def not_begun(store: Store, deployment: Deployment, schedule: ScheduleRow, why: str) -> MaintenanceRunRow:
    """Write down that a claimed window could not be begun."""
    at = _now()
    return _close(
        store, _open(store, deployment, schedule.title, BY, 0, at, schedule_id=schedule.id), "failed", why, at
    )


# --- running


def run_due(
    store: Store, deployment: Deployment, now: datetime | None = None, *, progress: Progress = _quiet,
    stopped: Callable[[], bool] = lambda: False,
) -> list[MaintenanceRunRow]:  # fmt: skip
    """Claim and carry out what is due, one window after the other; the rows of the history."""
    return [
        carry_out(store, deployment, claim, progress=progress, stopped=stopped)
        for claim in claim_due(store, deployment, now)
    ]


def carry_out(
    store: Store, deployment: Deployment, claim: Claim, *, progress: Progress = _quiet,
    stopped: Callable[[], bool] = lambda: False, job_id: str | None = None, clock: Callable[[], datetime] = _now,
    by: str = "",
) -> MaintenanceRunRow:  # fmt: skip
    """Work through a claimed window; every step's outcome is in the message of the run. Does not raise for a step.

    `by` is who asked for it, when it was not the clock.
    """
    schedule = claim.schedule
    _settle_dead_runs(store, schedule.id, clock())
    run_id = _open(
        store, deployment, schedule.title, by or schedule.by, 0, clock(), schedule_id=schedule.id, job_id=job_id
    )
    with leases.working(store, _lease(run_id), stopped) as still:
        return _carried_out(store, deployment, claim, run_id, progress, still, clock)


def _lease(run_id: int) -> str:
    """Tells whoever looks at the history that the run is being worked on."""
    return f"maintenance run {run_id}"


def _carried_out(
    store: Store, deployment: Deployment, claim: Claim, run_id: int, progress: Progress, stopped: Callable[[], bool],
    clock: Callable[[], datetime],
) -> MaintenanceRunRow:  # fmt: skip
    try:
        todo = steps(deployment, claim.schedule)
    except ConsoleError as error:
        return _close(store, run_id, "failed", str(error), clock())
    _note(store, run_id, steps_total=len(todo))
    told: list[str] = []
    before, after, done, failed = 0, 0, 0, 0
    for number, item in enumerate(todo):
        if stopped() or clock() >= claim.until:
            break
        where = f"{number + 1} of {len(todo)}: "
        try:
            outcome = _in_turn(
                deployment, item.step,
                progress=lambda part, total, label, where=where: progress(part, total, where + label),  # type: ignore[misc]
                stopped=lambda: stopped() or clock() >= claim.until,
            )  # fmt: skip
        except ConsoleError as error:
            failed += 1
            told.append(f"{item.step.action} {item.step.label}: {error}")
            continue
        told.append(outcome.told)
        if outcome.before and outcome.after:
            before, after = before + outcome.before.total_bytes, after + outcome.after.total_bytes
        done, failed = done + outcome.done, failed + (outcome.status in {"failed", "gave_up"})
        _note(store, run_id, steps_done=done, before_bytes=before, after_bytes=after, message="\n".join(told))
    if done + failed < len(todo):
        why = "Stopped when asked to" if stopped() else f"The window ended at {claim.until:%H:%M} UTC"
        told.append(f"{why}; {len(todo) - done - failed} of {len(todo)} steps were not done.")
    return _close(store, run_id, _status(len(todo), done, failed), "\n".join(told) or "Nothing wanted doing.", clock())


def _in_turn(
    deployment: Deployment, step: advice.Maintain, progress: Progress, stopped: Callable[[], bool]
) -> run.Outcome:
    """Do a step once other maintenance of this database is over. Raises as `run.attempt` does."""
    while True:
        try:
            return run.attempt(deployment, step.action, step.table, step.index, step.schema, progress=progress,
                               stopped=stopped)  # fmt: skip
        except links.TurnTaken as error:
            if stopped():
                raise
            progress(0, 0, f"waits: {error}")
            time.sleep(TURN_SECONDS)


def steps(deployment: Deployment, schedule: ScheduleRow) -> list[advice.Advised]:
    """What a schedule comes down to now: its tables, or what the advisor says."""
    if schedule.target.get("advice"):
        return advice.steps_of(advice.advice(deployment, most=MOST_STEPS), schedule.action)
    if deployment.kind == "sqlite":
        return [advice.Advised(advice.Maintain(schedule.action, ""), "")]
    names = schedule.target.get("tables") or []
    return [advice.Advised(advice.Maintain(schedule.action, name, schema=""), "") for name in names[:MOST_STEPS]]


def record(
    store: Store, deployment: Deployment, outcome: run.Outcome, *, by: str, plan_id: str | None = None,
    job_id: str | None = None, now: datetime | None = None,
) -> MaintenanceRunRow:  # fmt: skip
    """Put a run by hand into the history."""
    at = now or _now()
    title = f"{actions.get(outcome.action).title} of {outcome.subject}"
    started = at - timedelta(seconds=outcome.seconds)
    run_id = _open(store, deployment, title, by, 1, started, plan_id=plan_id, job_id=job_id)
    sizes = {"before_bytes": outcome.before.total_bytes} if outcome.before else {}
    sizes |= {"after_bytes": outcome.after.total_bytes} if outcome.after else {}
    _note(store, run_id, steps_done=int(outcome.done), **sizes)
    status = {"done": "done", "stopped": "stopped"}.get(outcome.status, "failed")
    return _close(store, run_id, status, outcome.told, at)


def _status(total: int, done: int, failed: int) -> str:
    if done == total:
        return "done"
    if done:
        return "partly"
    return "failed" if failed else "stopped"


def _open(
    store: Store, deployment: Deployment, title: str, by: str, total: int, at: datetime, *, schedule_id: int | None = None,
    plan_id: str | None = None, job_id: str | None = None,
) -> int:  # fmt: skip
    row = MaintenanceRunRow(
        deployment=deployment.identity, schedule_id=schedule_id, plan_id=plan_id, job_id=job_id, title=title, by=by,
        started_at=at, finished_at=None, status="running", steps_done=0, steps_total=total, before_bytes=None,
        after_bytes=None, message="",
    )  # fmt: skip
    with store.session() as session:
        session.add(row)
        session.flush()
        oldest = session.scalar(
            select(MaintenanceRunRow.id).where(MaintenanceRunRow.deployment == deployment.identity)
            .order_by(MaintenanceRunRow.id.desc()).offset(KEPT_RUNS).limit(1)
        )  # fmt: skip
        if oldest is not None:
            session.execute(delete(MaintenanceRunRow).where(MaintenanceRunRow.deployment == deployment.identity,
                                                            MaintenanceRunRow.id <= oldest))  # fmt: skip
        return row.id


def _note(store: Store, run_id: int, **values: Any) -> None:
    with store.session() as session:
        session.execute(update(MaintenanceRunRow).where(MaintenanceRunRow.id == run_id).values(**values))


def _close(store: Store, run_id: int, status: str, message: str, at: datetime) -> MaintenanceRunRow:
    _note(store, run_id, status=status, message=message, finished_at=at)
    with store.read() as session:
        return session.get_one(MaintenanceRunRow, run_id)


def settle(store: Store, deployment: Deployment, now: datetime | None = None) -> None:
    """Runs that never came to an end, as their process died. Safe to call at any time, from any console."""
    at = now or _now()
    with store.read() as session:
        running = session.scalars(
            select(MaintenanceRunRow)
            .where(MaintenanceRunRow.deployment == deployment.identity, MaintenanceRunRow.status == "running")
        ).all()  # fmt: skip
    for row in running:
        # One that has just been opened has not got its lease yet.
        if at - row.started_at > BEGUN_WITHIN and not leases.is_held(store, _lease(row.id)):
            _end_dead(store, MaintenanceRunRow.id == row.id, at)


def _settle_dead_runs(store: Store, schedule_id: int, at: datetime) -> None:
    """Runs of an earlier window of this schedule."""
    _end_dead(store, MaintenanceRunRow.schedule_id == schedule_id, at)


def _end_dead(store: Store, which: ColumnElement[bool], at: datetime) -> None:
    with store.session() as session:
        session.execute(
            update(MaintenanceRunRow)
            .where(which, MaintenanceRunRow.status == "running")
            .values(status="failed", finished_at=at,
                    message=func.trim(MaintenanceRunRow.message + "\nThe process that ran it ended; what it had finished stays."))
        )  # fmt: skip


# --- words and rules


def describe(action: str, target: Mapping[str, Any]) -> str:
    """A title for a schedule."""
    title = "What the advisor says" if action == "advice" else actions.get(action).title
    if target.get("advice"):
        return title if action == "advice" else f"{title}, where the advisor says so"
    return f"{title} of {', '.join(target.get('tables') or ['the file'])}"


def when(schedule: ScheduleRow) -> str:
    """Its windows in words, in UTC."""
    named = ", ".join(DAYS[day] for day in schedule.days)
    return f"{named or 'every day'}, {schedule.window_start}–{schedule.window_end}"


def _parsed(moment: str) -> tuple[int, int]:
    hour, _, minute = moment.partition(":")
    return int(hour), int(minute)
