"""The audit log: who did what to what, and why. Append-only and hash-chained.

Every event's hash covers its own columns and the hash of the event before it, and `audit_head` remembers where the
chain ends; so an edited, removed, reordered or cut-off event is found by `verify`. An intent is written before an
effect and an outcome after it: an intent without an outcome is work that was interrupted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import Table, bindparam, func, insert, or_, select, update
from sqlalchemy.orm import Session

from ..errors import NotFound
from ..masking import mask_text
from .models import AuditEvent, AuditHead, PlanRow
from .store import Store
from .texts import fitted

GENESIS = "0" * 64
_EVENTS, _HEADS = cast(Table, AuditEvent.__table__), cast(Table, AuditHead.__table__)
_COLUMNS = tuple(column.key for column in _EVENTS.c)
_LOCK_HEAD = update(_HEADS).where(_HEADS.c.id == 1).values(id=1).returning(_HEADS.c.seq, _HEADS.c.hash)
_ADD = insert(_EVENTS)
_MOVE_HEAD = update(_HEADS).where(_HEADS.c.id == 1).values(seq=bindparam("new_seq"), hash=bindparam("new_hash"))


@dataclass(frozen=True)
class Verdict:
    """Whether the chain holds, and if not, at which event and why."""

    ok: bool
    events: int
    problem: str = ""


def append(
    session: Session, *, actor: str, action: str, subject: str = "", code: str = "", reason: str = "",
    plan_id: str | None = None, rows: int = 0, data: Mapping[str, Any] | None = None,
) -> AuditEvent:  # fmt: skip
    """Add one event inside the session's transaction; the head row is locked until it ends.

    The event that is returned is no longer the session's: nothing is loaded again. Every change through the API passes
    here, so the statements are built once and run below the ORM.
    """
    if session.new or session.dirty:
        session.flush()  # what the event refers to comes before it
    connection = session.connection()
    # This update comes first: it takes the write lock on either engine, so two writers cannot read the same head.
    head = connection.execute(_LOCK_HEAD).one()
    event = AuditEvent(
        seq=head.seq + 1, at=datetime.now(UTC), actor=fitted(actor, 254), action=action, subject=fitted(subject, 300),
        code=code, reason=mask_text(fitted(reason)), plan_id=plan_id, rows=rows, data=dict(data or {}), previous_hash=head.hash, hash="",
    )  # fmt: skip
    event.hash = digest(event)
    connection.execute(_ADD, {name: getattr(event, name) for name in _COLUMNS})
    connection.execute(_MOVE_HEAD, {"new_seq": event.seq, "new_hash": event.hash})
    return event


def record(store: Store, **event: Any) -> AuditEvent:
    """Append one event in a transaction of its own."""
    with store.session() as session:
        return append(session, **event)


def digest(event: AuditEvent) -> str:
    """SHA-256 over every column but the hash itself, in canonical JSON."""
    document = {
        "seq": event.seq, "at": event.at.astimezone(UTC).isoformat(), "actor": event.actor, "action": event.action,
        "subject": event.subject, "code": event.code, "reason": event.reason, "plan_id": event.plan_id,
        "rows": event.rows, "data": event.data, "previous_hash": event.previous_hash,
    }  # fmt: skip
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def verify(store: Store) -> Verdict:
    """Walk the whole chain, then compare with its head and with the plans that say they were applied."""
    expected, previous, seen_plans = 1, GENESIS, set()
    with store.read() as session:
        for event in session.scalars(select(AuditEvent).order_by(AuditEvent.seq).execution_options(yield_per=1000)):
            if event.seq != expected:
                gap = (
                    f"event {expected} is missing"
                    if event.seq == expected + 1
                    else f"events {expected} to {event.seq - 1} are missing"
                )
                return Verdict(False, expected - 1, f"Before event {event.seq}, {gap}.")
            if event.previous_hash != previous:
                return Verdict(
                    False,
                    expected - 1,
                    f"Event {event.seq} does not follow event {event.seq - 1}: one of them was replaced or moved.",
                )
            if digest(event) != event.hash:
                return Verdict(False, expected - 1, f"Event {event.seq} was edited after it was written.")
            if event.plan_id and event.action in {"applied", "undone"}:
                seen_plans.add(event.plan_id)
            expected, previous = expected + 1, event.hash
        head = session.get(AuditHead, 1)
        if head is None or head.seq != expected - 1 or head.hash != previous:
            count = "unknown" if head is None else str(head.seq)
            return Verdict(
                False,
                expected - 1,
                f"The chain ends at event {expected - 1}, its head says {count}: events were removed from the end.",
            )
        plans = session.scalars(select(PlanRow.id).where(PlanRow.status.in_(["applied", "undone"])))
        lost = [plan for plan in plans if plan not in seen_plans]
    if lost:
        return Verdict(False, expected - 1, f"Plan {lost[0]} was applied, but no event says so: events were removed.")
    return Verdict(True, expected - 1)


def latest(
    session: Session, *, actions: Sequence[str] = (), plan_id: str | None = None, subject: str | None = None,
    code: str | None = None, limit: int = 20,
) -> list[AuditEvent]:  # fmt: skip
    """The newest events, newest first, narrowed by what is given."""
    statement = select(AuditEvent).order_by(AuditEvent.seq.desc()).limit(limit)
    if actions:
        statement = statement.where(AuditEvent.action.in_(actions))
    if plan_id is not None:
        statement = statement.where(AuditEvent.plan_id == plan_id)
    if subject is not None:
        statement = statement.where(AuditEvent.subject == subject)
    if code is not None:
        statement = statement.where(AuditEvent.code == code)
    return list(session.scalars(statement))


def verify_recent(store: Store, events: int = 500) -> Verdict:
    """As `verify`, of the newest events alone: what a page can afford on a long chain."""
    with store.read() as session:
        newest = list(session.scalars(select(AuditEvent).order_by(AuditEvent.seq.desc()).limit(events)))
        head = session.get(AuditHead, 1)
    last = newest[0] if newest else None
    if head is None or (head.seq, head.hash) != ((last.seq, last.hash) if last else (0, GENESIS)):
        return Verdict(False, last.seq if last else 0, "The chain does not end where its head says: events were removed.")  # fmt: skip
    for event, before in zip(newest, [*newest[1:], None], strict=True):
        if digest(event) != event.hash:
            return Verdict(False, event.seq - 1, f"Event {event.seq} was edited after it was written.")
        if before is not None and (before.seq, before.hash) != (event.seq - 1, event.previous_hash):
            return Verdict(False, event.seq - 1, f"Event {event.seq} does not follow the event before it.")
    return Verdict(True, last.seq if last else 0)


def fits(store: Store, event: AuditEvent) -> bool:
    """Whether one event holds its own hash and follows the event before it."""
    with store.read() as session:
        before = session.get(AuditEvent, event.seq - 1) if event.seq > 1 else None
    expected = GENESIS if event.seq == 1 else before.hash if before else None
    return digest(event) == event.hash and event.previous_hash == expected


def search(store: Store, text: str = "", *, before: int = 0, limit: int = 50) -> tuple[list[AuditEvent], int]:
    """Events newest first, `before` of them left out, and how many there are; `text` is looked for in every part."""
    statement = select(AuditEvent)
    if text:
        columns = (AuditEvent.actor, AuditEvent.action, AuditEvent.subject, AuditEvent.code, AuditEvent.reason)
        statement = statement.where(or_(*(column.icontains(text, autoescape=True) for column in columns)))
    with store.read() as session:
        total = session.scalar(select(func.count()).select_from(statement.subquery())) or 0
        rows = session.scalars(statement.order_by(AuditEvent.seq.desc()).offset(before).limit(limit)).all()
    return list(rows), total


def last_of_plan(store: Store, plan_id: str, action: str, *, before: int) -> int | None:
    """Number of the newest event of this kind about a plan, older than event `before`."""
    with store.read() as session:
        return session.scalar(
            select(func.max(AuditEvent.seq))
            .where(AuditEvent.plan_id == plan_id, AuditEvent.action == action, AuditEvent.seq < before)
        )  # fmt: skip


def get(store: Store, seq: int) -> AuditEvent:
    with store.read() as session:
        event = session.get(AuditEvent, seq) if 0 < seq < 2**31 else None
    if event is None:
        raise NotFound(f"There is no audit event {seq}.")
    return event
