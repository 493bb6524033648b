"""perf.old_sessions: expired sessions that nobody clears away."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from console.deployment import expired
from console.diagnostics import plan as plans
from console.diagnostics.check import Context, Severity
from console.diagnostics.perf.old_sessions import old_sessions
from console.service import Console
from console.state import audit
from tests.factories import BOTH_ENGINES

NOW = datetime.now(UTC)
CONTENT = "gAJ9cQFVBHVzZXJxAlgKAAAAc2VjcmV0"


@pytest.fixture
def sensitive(ctx: Context) -> Context:
    ctx.deployment.settings = replace(ctx.settings, thresholds={"perf.old_sessions.expired_over": 1000})
    return ctx


def make_sessions(session: Session, number: int, *, days: float) -> None:
    table = session.info["schema"].table("django_session")
    rows = [
        {"session_key": f"key-{days}-{at:06d}", "session_data": CONTENT,
         "expire_date": NOW - timedelta(days=days, seconds=at % 50)}
        for at in range(number)
    ]  # fmt: skip
    session.execute(table.insert(), rows)
    session.commit()


def left(session: Session) -> int:
    number = session.scalar(select(func.count()).select_from(session.info["schema"].table("django_session")))
    session.rollback()
    return number or 0


@BOTH_ENGINES
def test_live_sessions_are_no_finding(sensitive: Context, session: Session) -> None:
    make_sessions(session, 1200, days=-10)
    make_sessions(session, 300, days=0.5)  # of today: somebody may be looking into it
    make_sessions(session, 900, days=30)
    assert old_sessions.run(sensitive) == []


@BOTH_ENGINES
def test_clearing_takes_the_expired_alone(console: Console, sensitive: Context, session: Session) -> None:
    make_sessions(session, 2600, days=30)
    make_sessions(session, 40, days=0.5)
    make_sessions(session, 50, days=-10)
    [finding] = old_sessions.run(sensitive)
    assert (finding.subject, finding.severity) == ("table:django_session", Severity.INFO)
    assert finding.summary == "2,600 sessions expired over a day ago and are still kept, beside 90 others"
    sensitive.close()

    plan = console.plan(finding, "clear_sessions", by="test")
    assert not plan.reversible
    assert left(session) == 2690
    seen: list[tuple[int, int, str]] = []
    outcome = plans.apply(console.store, console.deployment, plan.id, by="test", reason="ticket 7",
                          progress=lambda *told: seen.append(told))  # fmt: skip
    assert outcome.status == "applied"
    assert left(session) == 90
    assert len(seen) >= 3
    assert old_sessions.run(sensitive) == []

    event = audit.get(console.store, outcome.audit_seq)
    assert "2,600 rows removed" in str(event.data)
    kept = str(plans.get(console.store, plan.id).changes) + str(event.data) + str(finding) + str(seen)
    assert CONTENT not in kept
    assert "key-" not in kept


@BOTH_ENGINES
def test_it_stops_between_two_chunks_and_goes_on_later(console: Console, sensitive: Context, session: Session) -> None:
    make_sessions(session, 3500, days=30)
    kind, asked = expired.KINDS["sessions"], []

    def stop_after_two() -> bool:
        asked.append(1)
        return len(asked) > 2

    def quiet(done: int, total: int, label: str) -> None:
        assert done <= total == 3500

    before = NOW - timedelta(days=1)
    assert (
        expired.remove(console.deployment, kind, before, expected=3500, progress=quiet, stopped=stop_after_two) == 2000
    )
    assert left(session) == 1500
    rest = expired.remove(console.deployment, kind, before, expected=1500, progress=lambda *told: None,
                          stopped=lambda: False)  # fmt: skip
    assert (rest, left(session)) == (1500, 0)


def test_equal_moments_over_more_than_a_chunk(console: Console, sensitive: Context, session: Session) -> None:
    table = session.info["schema"].table("django_session")
    session.execute(table.insert(), [
        {"session_key": f"k{at}", "session_data": "", "expire_date": NOW - timedelta(days=9)} for at in range(2500)
    ])  # fmt: skip
    session.commit()
    before = NOW - timedelta(days=1)
    assert expired.remove(console.deployment, expired.KINDS["sessions"], before, expected=0,
                          progress=lambda *told: None, stopped=lambda: False) == 2500  # fmt: skip


def test_a_plan_that_is_stopped_keeps_what_it_did(console: Console, sensitive: Context, session: Session) -> None:
    make_sessions(session, 4500, days=30)
    [finding] = old_sessions.run(sensitive)
    sensitive.close()
    plan = console.plan(finding, "clear_sessions", by="test")
    chunks: list[int] = []
    outcome = plans.apply(console.store, console.deployment, plan.id, by="test", reason="ticket 7",
                          progress=lambda done, total, label: chunks.append(done),
                          stopped=lambda: len(chunks) >= 2)  # fmt: skip
    assert outcome.status == "applied"
    assert left(session) == 2500
    assert "2,000 rows removed from django_session. Stopped before the end" in str(
        audit.get(console.store, outcome.audit_seq).data
    )
    [again] = old_sessions.run(sensitive)
    assert again.summary.startswith("2,500 sessions expired")
