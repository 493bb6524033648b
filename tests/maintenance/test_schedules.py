import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from console.errors import Invalid, NotFound
from console.maintenance import schedules
from tests.maintenance.conftest import make_slow_index

NIGHT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday


@pytest.fixture
def store(console):
    return console.store


@pytest.fixture
def nightly(store, deployment, busy):
    deployment.schema.columns.setdefault("busy", {})
    return schedules.create(store, deployment, action="vacuum_analyze", target={"tables": ["busy"]}, by="ann@example.com",
                            window_start="02:30", window_end="05:00", now=NIGHT)  # fmt: skip


def test_windows_begin_on_their_days_and_reach_over_midnight():
    assert schedules.next_start([], "02:30", NIGHT) == datetime(2026, 3, 3, 2, 30, tzinfo=UTC)
    assert schedules.next_start([6], "03:00", NIGHT) == datetime(2026, 3, 8, 3, 0, tzinfo=UTC)
    assert schedules.next_start([0], "12:00", NIGHT) == datetime(2026, 3, 9, 12, 0, tzinfo=UTC)
    late = SimpleNamespace(window_end="01:00")
    start = datetime(2026, 12, 31, 23, 0, tzinfo=UTC)
    assert schedules.window_end(late, start) == datetime(2027, 1, 1, 1, 0, tzinfo=UTC)


def test_nothing_is_due_before_its_window(store, deployment, nightly):
    assert nightly.next_at == datetime(2026, 3, 3, 2, 30, tzinfo=UTC)
    assert schedules.due(store, deployment, NIGHT) == []
    assert schedules.run_due(store, deployment, NIGHT) == []


def test_a_window_is_worked_through_once_and_written_down(store, deployment, nightly, other):
    now = NIGHT + timedelta(hours=15)
    assert [row.id for row in schedules.due(store, deployment, now)] == [nightly.id]
    [claim] = schedules.claim_due(store, deployment, now)
    run = schedules.carry_out(store, deployment, claim, clock=lambda: now)
    assert (run.status, run.steps_done, run.steps_total, run.by) == ("done", 1, 1, "ann@example.com")
    assert run.before_bytes > 0 and run.after_bytes > 0 and "dead rows 6,666 before, 0 after" in run.message
    assert schedules.due(store, deployment, now) == [] and schedules.claim_due(store, deployment, now) == []
    kept = schedules.get(store, deployment, nightly.id)
    assert kept.next_at == datetime(2026, 3, 4, 2, 30, tzinfo=UTC) and kept.last_at == now
    assert [row.id for row in schedules.history(store, deployment)] == [run.id]


def test_a_missed_window_is_told_and_not_made_up_for(store, deployment, nightly):
    now = NIGHT + timedelta(days=3)
    assert schedules.run_due(store, deployment, now) == []
    [run] = schedules.history(store, deployment, schedule_id=nightly.id)
    assert run.status == "skipped" and "went by while no console was running" in run.message
    assert schedules.get(store, deployment, nightly.id).next_at == datetime(2026, 3, 6, 2, 30, tzinfo=UTC)


def test_a_console_that_starts_inside_the_window_still_uses_it(store, deployment, nightly):
    assert len(schedules.claim_due(store, deployment, datetime(2026, 3, 3, 4, 59, tzinfo=UTC))) == 1


def test_two_consoles_never_claim_the_same_window(store, deployment, nightly):
    now, claims = NIGHT + timedelta(hours=15), []
    threads = [
        threading.Thread(target=lambda: claims.extend(schedules.claim_due(store, deployment, now))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claims) == 1


def test_the_end_of_the_window_stops_the_running_step(store, deployment, other, busy):
    make_slow_index(other, rows=20_000)
    for name in ("slow", "busy"):
        deployment.schema.columns.setdefault(name, {})
    schedules.create(store, deployment, action="reindex_table", target={"tables": ["slow", "busy"]}, by="ann@example.com",
                     window_start="02:30", window_end="05:00", now=NIGHT)  # fmt: skip
    begun = datetime.now(UTC)
    start = datetime(2026, 3, 3, 4, 59, 59, tzinfo=UTC)
    [claim] = schedules.claim_due(store, deployment, start)
    run = schedules.carry_out(store, deployment, claim, clock=lambda: start + (datetime.now(UTC) - begun))
    assert run.status == "stopped" and run.steps_done == 0 and run.steps_total == 2
    assert "The window ended at 05:00 UTC; 2 of 2 steps were not done." in run.message
    assert run.finished_at - run.started_at < timedelta(seconds=5)


def test_a_step_that_fails_does_not_stop_the_others(store, deployment, nightly, busy):
    claim = schedules.Claim(nightly, NIGHT + timedelta(days=1))
    nightly.target = {"tables": ["gone", "busy"]}
    run = schedules.carry_out(store, deployment, claim, clock=lambda: NIGHT)
    assert (run.status, run.steps_done) == ("partly", 1) and "There is no table gone" in run.message


def test_a_run_whose_process_died_is_closed_by_the_next(store, deployment, nightly):
    claim = schedules.Claim(nightly, NIGHT + timedelta(days=1))
    dead = schedules._open(store, deployment, "x", "ann@example.com", 1, NIGHT, schedule_id=nightly.id)
    schedules.carry_out(store, deployment, claim, clock=lambda: NIGHT)
    found = {row.id: row for row in schedules.history(store, deployment)}
    assert found[dead].status == "failed" and "process that ran it ended" in found[dead].message


def test_advice_is_followed(store, deployment, busy, other):
    other.execute("create index busy_ccnew on busy (a)")
    other.execute("update pg_index set indisvalid = false where indexrelid = 'busy_ccnew'::regclass")
    row = schedules.create(store, deployment, action="advice", target={"advice": True}, days=[6], by="ann@example.com",
                           window_start="23:00", window_end="01:00", now=NIGHT)  # fmt: skip
    assert row.title == "What the advisor says" and schedules.when(row) == "Sunday, 23:00–01:00"
    assert "drop_leftover" in [item.step.action for item in schedules.steps(deployment, row)]


def test_a_schedule_can_be_paused_resumed_and_removed(store, deployment, nightly):
    assert schedules.switch(store, deployment, nightly.id, enabled=False).next_at is None
    assert schedules.claim_due(store, deployment, NIGHT + timedelta(days=1)) == []
    again = schedules.switch(store, deployment, nightly.id, enabled=True, now=NIGHT)
    assert again.next_at == nightly.next_at
    schedules.remove(store, deployment, nightly.id)
    assert schedules.listed(store, deployment) == []
    with pytest.raises(NotFound):
        schedules.get(store, deployment, nightly.id)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"window_start": "2:30"}, "window_start"), ({"window_end": "24:00"}, "window_end"), ({"window_end": "02:30"}, "window_end"),
        ({"days": [7]}, "days"), ({"days": [True]}, "days"), ({"action": "drop table"}, "action"),
        ({"action": "vacuum_full"}, "action"), ({"action": "sqlite_analyze"}, "action"), ({"target": {"tables": []}}, "target"),
        ({"target": {"tables": ["no such", 3, None]}}, "target"), ({"target": {"tables": "task"}}, "target"),
        ({"action": "advice"}, "target"), ({"action": "reindex_index"}, "target"), ({"window_start": None}, "window_start"),
    ],
)  # fmt: skip
def test_bad_schedules_are_refused_field_by_field(store, deployment, changed, field):
    given = {
        "action": "vacuum",
        "target": {"tables": ["task"]},
        "window_start": "02:30",
        "window_end": "05:00",
        "by": "x",
    }
    with pytest.raises(Invalid) as raised:
        schedules.create(store, deployment, **(given | changed))
    assert list(raised.value.fields) == [field]
