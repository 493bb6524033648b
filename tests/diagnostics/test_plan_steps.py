"""Step-wise plans: each step is written down as it is done, stops halfway keep what is done, undo takes back that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, text, update

from console.diagnostics import plan as plans
from console.diagnostics import plan_steps
from console.diagnostics.documents import from_dict, to_dict
from console.diagnostics.queue_changes import ForgetWorker, JobChange
from console.diagnostics.server_changes import EndSession, Maintain, SetSequence
from console.errors import Conflict, Refused
from console.service import Console
from console.state import leases
from console.state.models import AuditEvent, PlanRow, PlanStep
from console.state.store import this_process

pytestmark = pytest.mark.parametrize("engine", ["postgresql"])

TABLES = ("task", "task_completion", "prediction")


def sequence_of(console: Console, table: str) -> tuple[str, int]:
    with console.deployment.read() as session:
        name = session.scalar(text("select pg_get_serial_sequence(:table, 'id')"), {"table": table}).split(".")[-1]
        value = session.scalar(text("select last_value from pg_sequences where sequencename = :name"), {"name": name})
    return name, value or 0


@pytest.fixture
def steps(console: Console) -> list[SetSequence]:
    """Three sequences to be moved on by a thousand."""
    found = [(table, *sequence_of(console, table)) for table in TABLES]
    return [SetSequence("public", name, table, "id", value, value + 1000) for table, name, value in found]


def planned(console: Console, changes: list[Any]) -> PlanRow:
    return console.plan_steps(changes, code="pg", fix_id="advance", title="Advance sequences", by="test")


def values(console: Console) -> list[int]:
    return [sequence_of(console, table)[1] for table in TABLES]


def apply(console: Console, plan: PlanRow, stopped: Callable[[], bool] = lambda: False) -> plans.Outcome:
    return console.apply(plan.id, by="test", reason="t", seen=plan.fingerprint, verify=False, stopped=stopped)


def statuses(console: Console, plan: PlanRow) -> list[str]:
    return [status for _, status, _, _ in plan_steps.read(console.store, console.deployment, plan.id)]


def test_every_step_is_done_told_and_taken_back(console, steps):
    before = values(console)
    plan = planned(console, steps)
    assert plan.reversible and plans.family(plan) == "server" and values(console) == before
    outcome = apply(console, plan)
    assert (outcome.status, outcome.rows, outcome.message) == ("applied", 3, "")
    assert values(console) == [value + 1000 for value in before]
    undone = console.undo(plan.id, by="test", reason="t", verify=False)
    assert (undone.status, undone.rows) == ("undone", 3)
    assert values(console) == before
    with console.store.read() as session:
        events = session.scalars(select(AuditEvent).order_by(AuditEvent.seq)).all()
    assert [event.action for event in events] == ["apply intended", "applied", "undo intended", "undone"]
    assert [line["message"] for line in events[1].data["steps"]] == [
        f"The next id of {step.table} is {step.after + 1:,}." for step in steps
    ]


def test_a_step_that_moved_on_is_left_alone_and_told(console, steps, session):
    plan = planned(console, steps)
    session.execute(text("select nextval(:name)"), {"name": steps[1].sequence})
    session.commit()
    outcome = apply(console, plan)
    assert (outcome.status, outcome.rows) == ("applied", 2)
    assert outcome.message.startswith("2 of 3 done, 1 moved on since and left alone. Sequence ")
    assert statuses(console, plan) == ["done", "left", "done"]
    assert plans.get(console.store, plan.id).message == outcome.message
    assert console.undo(plan.id, by="test", reason="t", verify=False).rows == 2


def test_when_everything_moved_on_it_is_a_conflict_and_nothing_was_done(console, steps, session):
    plan = planned(console, steps[:1])
    session.execute(text("select nextval(:name)"), {"name": steps[0].sequence})
    session.commit()
    with pytest.raises(Conflict, match="Nothing was done, 1 moved on since and left alone"):
        apply(console, plan)
    assert plans.get(console.store, plan.id).status == "conflict"


def test_a_stop_halfway_keeps_what_is_done_and_undo_takes_back_exactly_that(console, steps):
    before, asked = values(console), []

    def stopped() -> bool:
        asked.append(1)
        return len(asked) > 1

    plan = planned(console, steps)
    outcome = apply(console, plan, stopped)
    assert (outcome.status, outcome.rows, outcome.message) == ("applied", 1, "1 of 3 done, 2 not begun.")
    assert values(console) == [before[0] + 1000, *before[1:]]
    console.undo(plan.id, by="test", reason="t", verify=False)
    assert values(console) == before


def test_an_undo_that_takes_nothing_back_is_told_as_that(console, steps, session):
    plan = planned(console, steps[:1])
    apply(console, plan)
    session.execute(text("select nextval(:name)"), {"name": steps[0].sequence})
    session.commit()
    with pytest.raises(Conflict, match="0 of 1 taken back"):
        console.undo(plan.id, by="test", reason="t", verify=False)
    kept = plans.get(console.store, plan.id)
    assert (kept.status, kept.message) == ("applied", "")
    with console.store.read() as reading:
        events = reading.scalars(select(AuditEvent).order_by(AuditEvent.seq)).all()
    assert [event.action for event in events][-2:] == ["undo intended", "undo failed"]
    assert kept.audit_seq == events[1].seq, "the event to undo is the one that applied"


@pytest.mark.parametrize("was_done", [True, False])
def test_what_a_killed_process_left_is_settled_by_looking(console, steps, was_done):
    plan = planned(console, steps)
    with console.store.session() as session:
        session.execute(update(PlanRow).where(PlanRow.id == plan.id).values(status="applying", owner="gone:1:1",
                                                                            applied_at=datetime(2026, 1, 1, tzinfo=UTC)))  # fmt: skip
    journal = plan_steps.Journal(console.store, console.deployment, plan.id, "apply")
    journal.intend([(0, steps[0])])
    if was_done:
        with console.deployment.write() as session:
            session.execute(text("select setval(:name, :value)"), {"name": steps[0].sequence, "value": steps[0].after})
    [outcome] = console.recover()
    assert outcome.rows == int(was_done)
    assert outcome.status == ("applied" if was_done else "failed")
    assert "2 not begun" in outcome.message and "The process stopped before all was done." in outcome.message
    assert statuses(console, plan) == ["done" if was_done else "failed"]


def under_way(console: Console, steps: list[SetSequence], owner: str, since: datetime) -> PlanRow:
    """A plan whose first step was intended by that process, and not ended."""
    plan = planned(console, steps)
    with console.store.session() as session:
        session.execute(
            update(PlanRow).where(PlanRow.id == plan.id).values(status="applying", owner=owner, applied_at=since)
        )
    plan_steps.Journal(console.store, console.deployment, plan.id, "apply").intend([(0, steps[0])])
    return plan


def test_a_plan_that_another_machine_works_on_for_hours_is_left_alone(console, steps):
    plan = under_way(console, steps, "elsewhere:1:1", datetime(2026, 1, 1, tzinfo=UTC))
    leases.take(console.store, f"plan {plan.id}", "elsewhere:1:1", 600)
    assert console.recover() == []
    leases.give_back(console.store, f"plan {plan.id}", "elsewhere:1:1")
    assert [outcome.plan_id for outcome in console.recover()] == [plan.id]


def test_what_this_process_broke_off_is_settled_without_a_restart(console, steps):
    plan = under_way(console, steps, this_process(), datetime.now(UTC))
    with plans._at_work(plan.id):
        assert console.recover() == []
    assert [outcome.status for outcome in console.recover()] == ["failed"]


def test_what_cannot_be_found_out_yet_is_found_out_later(console, steps, monkeypatch):
    now = datetime.now(UTC)
    plan = under_way(console, steps, "", now)

    def away(*_: object) -> str:
        raise Refused("the database is away")

    with monkeypatch.context() as broken:
        broken.setattr("console.diagnostics.server_steps.settle", away)
        assert [outcome.status for outcome in console.recover()] == ["applying"]
        assert "the database is away" in plans.get(console.store, plan.id).message
        with pytest.raises(Refused, match="is applying"):
            console.undo(plan.id, by="test", reason="t")
    assert [outcome.status for outcome in console.recover()] == ["failed"]
    assert statuses(console, plan) == ["failed"]


def test_what_can_never_be_found_out_is_said_after_a_day(console, steps, monkeypatch):
    plan = under_way(console, steps, "", datetime(2026, 1, 1, tzinfo=UTC))
    monkeypatch.setattr("console.diagnostics.server_steps.settle", lambda *_: plans.get(console.store, "nowhere"))
    [outcome] = console.recover()
    assert outcome.status == "failed" and "What became of the last steps is not known" in outcome.message
    assert plans.get(console.store, plan.id).status == "failed"


def test_a_session_is_ended_once_and_only_the_one_that_was_meant(console, session):
    victim = console.deployment.fix_engine.connect()
    pid = victim.scalar(text("select pg_backend_pid()"))
    since = session.scalar(text("select backend_start from pg_stat_activity where pid = :pid"), {"pid": pid})
    other = EndSession(pid, "2020-01-01T00:00:00+00:00", "postgres", "psql", "terminate")
    with pytest.raises(Conflict, match=f"Session {pid} has ended by itself"):
        apply(console, planned(console, [other]))
    plan = planned(console, [EndSession(pid, since.isoformat(), "postgres", "psql", "terminate")])
    assert not plan.reversible
    assert apply(console, plan).rows == 1
    victim.invalidate()
    victim.close()
    with pytest.raises(Refused, match="cannot be undone"):
        console.undo(plan.id, by="test", reason="t")


def test_one_plan_is_of_one_family(console, steps):
    with pytest.raises(Refused, match="cannot change queue and server together"):
        planned(console, [steps[0], JobChange("cancel", "a", "low", "queued")])
    with pytest.raises(Refused, match="Nothing was chosen"):
        planned(console, [])


def everything() -> Iterator[Any]:
    yield JobChange("delete", "a\x1b", "low", "failed", "f", {"keys": {"a": "b"}})
    yield JobChange("requeue", "a", "low", "failed").with_kept({"x": 1}).inverse()
    yield ForgetWorker("w", ("low", "high"), "2026-01-01T00:00:00Z")
    yield Maintain("vacuum", 'odd "name"', size_bytes=12)
    yield SetSequence("public", "s", "t", "id", 1, 2)
    yield EndSession(1, "2026-01-01T00:00:00+00:00", "u", "a", "cancel")
    yield EndSession(1, "2026-01-01T00:00:00+00:00", "u", "a", "terminate", "2026-01-01T00:00:07.123456+00:00")


def test_what_is_kept_reads_back_the_same(console):
    for change in everything():
        assert from_dict(to_dict(change)) == change
        assert all(set(line) == {"label", "op", "column", "before", "after"} for line in change.lines())
    older = {name: value for name, value in to_dict(change).items() if name != "unchanged_since"}
    assert from_dict(older) == replace(change, unchanged_since=""), "plans of before are readable"


def test_what_undo_needs_is_kept_sealed(console):
    plan = planned(console, [JobChange("delete", "a", "low", "failed")])
    change = JobChange("delete", "a", "low", "failed", "", {"dump": "s3cret-bytes"})
    plan_steps.Journal(console.store, console.deployment, plan.id, "apply").intend([(0, change)])
    with console.store.read() as session:
        assert "s3cret" not in str(session.scalar(select(PlanStep.document)))
    assert plan_steps.read(console.store, console.deployment, plan.id)[0][3] == change
