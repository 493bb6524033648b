"""The clock starts what is due once, whoever asks; the history and the audit log tell what it did."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from console import clock, jobs, scheduled
from console.config import Settings
from console.diagnostics.server_changes import SetSequence
from console.maintenance import links, schedules
from console.service import Console
from console.state import leases
from console.state.models import (
    AuditEvent,
    JobRow,
    LeaseRow,
    MaintenanceRunRow,
    PlanRow,
    QueueSample,
    ScheduleRow,
    TableSample,
)
from console.state.store import this_process

ON_POSTGRESQL = pytest.mark.parametrize("engine", ["postgresql"])


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.with_(jobs="inline")


def schedule(console: Console, action: str, target: dict) -> ScheduleRow:
    """A schedule whose window began a minute ago and is open for hours."""
    now = datetime.now(UTC)
    made = schedules.create(
        console.store, console.deployment, action=action, target=target, window_start=f"{now - timedelta(minutes=1):%H:%M}",
        window_end=f"{now + timedelta(hours=3):%H:%M}", by="ann@example.com", reason="nightly care",
    )  # fmt: skip
    with console.store.session() as session:
        session.execute(update(ScheduleRow).values(next_at=now - timedelta(minutes=1)))
    return made


def audited(console: Console) -> list[AuditEvent]:
    with console.store.read() as session:
        return list(session.scalars(select(AuditEvent).order_by(AuditEvent.seq)))


@ON_POSTGRESQL
def test_what_is_due_is_done_once_and_told(console):
    made = schedule(console, "vacuum_analyze", {"tables": ["task", "prediction"]})
    [job] = scheduled.start_due(console)
    assert scheduled.start_due(console) == [], "one window is worked through once"
    job = jobs.get(console.store, job.id)
    assert (job.status, job.result["steps"], job.by) == ("done", 2, "schedule of ann@example.com")
    [run] = schedules.history(console.store, console.deployment, schedule_id=made.id)
    assert (run.status, run.steps_done, run.job_id) == ("done", 2, job.id) and run.after_bytes > 0
    begun, ended = audited(console)
    assert (begun.action, ended.action, ended.rows) == ("maintenance begun", "maintenance ended", 2)
    assert ended.reason == "nightly care" and "VACUUM" in ended.data["message"]
    assert ended.data["before_bytes"] and ended.data["after_bytes"]


def test_the_file_of_sqlite_is_counted_by_schedule(console):
    schedule(console, "sqlite_analyze", {})
    [job] = scheduled.start_due(console)
    job = jobs.get(console.store, job.id)
    assert job.status == "done" and job.result["status"] == "done", job.error or job.result


def test_a_run_outside_of_its_window_is_asked_for_by_somebody(console):
    made = schedule(console, "sqlite_analyze", {})
    job = scheduled.start_now(console, made.id, datetime.now(UTC) + timedelta(hours=1), by="bob@example.com")
    assert jobs.get(console.store, job.id).status == "done"
    assert audited(console)[0].actor == "bob@example.com"


def test_one_of_two_clocks_does_the_work(console, settings):
    other = Console(settings)
    clock.Clock(console).beat()
    with console.store.session() as session:
        session.execute(update(LeaseRow).values(owner="elsewhere:1:1"))
        samples = session.scalars(select(TableSample)).all()
        assert samples, "the holder of the lease looked"
        for sample in samples:
            session.delete(sample)
    clock.Clock(other).beat()
    with console.store.read() as session:
        assert not session.scalars(select(TableSample)).all(), "while another machine holds the lease we rest"
        assert not session.scalars(select(QueueSample)).all()
    other.close()


def test_a_deployment_that_does_not_answer_is_told_once(settings, caplog):
    console = Console(settings.with_(database_url="sqlite:////nowhere/label-studio.sqlite3"))
    beating = clock.Clock(console)
    beating.beat()
    beating.beat()
    assert [record.message.count("nowhere") for record in caplog.records if record.name == "console.clock"] == [1]
    console.close()


def test_a_mistake_of_ours_does_not_end_the_clock(console, monkeypatch, caplog):
    beating = clock.Clock(console, beat_seconds=0.02)
    monkeypatch.setattr(clock.sampler, "sample", lambda *_: int("no number"))
    beating.start()
    time.sleep(0.5)
    assert beating.is_alive()
    beating.stop()
    beating.join()
    assert sum(record.name == "console.clock" for record in caplog.records) == 1


def test_what_a_dead_process_left_is_settled_by_the_clock_alone(console):
    """A job, a run of maintenance and the plan of another process, all without a restart of ours."""
    now = datetime.now(UTC)
    dead, long_ago = f"{this_process().rsplit(':', 2)[0]}:1:0", now - timedelta(minutes=5)
    step = SetSequence("public", "task_id_seq", "task", "id", 1, 2)
    plan = console.plan_steps([step], code="sqlite", fix_id="advance", title="t", by="test")
    with console.store.session() as session:
        session.add(JobRow(id="lost", kind="apply", title="t", arguments={}, status="running", by="b", created_at=now,
                           heartbeat_at=now, owner=dead, result=None))  # fmt: skip
        session.add(
            MaintenanceRunRow(
                deployment=console.deployment.identity, title="t", by="b", started_at=long_ago, status="running"
            )
        )
        session.execute(
            update(PlanRow).where(PlanRow.id == plan.id).values(status="applying", owner=dead, applied_at=now)
        )
    clock.Clock(console).beat()
    with console.store.read() as session:
        assert session.get_one(JobRow, "lost").status == "failed"
        assert session.get_one(PlanRow, plan.id).status == "failed"
    [run] = schedules.history(console.store, console.deployment)
    assert run.status == "failed" and "process that ran it ended" in run.message


def test_a_run_that_is_worked_on_is_left_alone(console):
    long_ago = datetime.now(UTC) - timedelta(minutes=5)
    with console.store.session() as session:
        row = MaintenanceRunRow(
            deployment=console.deployment.identity, title="t", by="b", started_at=long_ago, status="running"
        )
        session.add(row)
        session.flush()
        number = row.id
    with leases.working(console.store, f"maintenance run {number}", lambda: False):
        schedules.settle(console.store, console.deployment)
        assert schedules.history(console.store, console.deployment)[0].status == "running"
    schedules.settle(console.store, console.deployment)
    assert schedules.history(console.store, console.deployment)[0].status == "failed"


@ON_POSTGRESQL
def test_a_window_waits_for_other_maintenance_of_the_database(console):
    made = schedule(console, "analyze", {"tables": ["task"]})
    with links.link(console.deployment) as other:
        links.take_turn(other)
        threading.Timer(3, other.close).start()
        scheduled.start_due(console)
    [run] = schedules.history(console.store, console.deployment, schedule_id=made.id)
    assert (run.status, run.steps_done) == ("done", 1), run.message


def test_a_window_whose_job_cannot_be_started_stands_in_the_history(settings):
    console = Console(settings.with_(jobs="rq", queue_url="redis://127.0.0.1:1/0"))
    made = schedule(console, "sqlite_analyze", {})
    assert scheduled.start_due(console) == []
    [run] = schedules.history(console.store, console.deployment, schedule_id=made.id)
    assert run.status == "failed" and "127.0.0.1:1" in run.message
    assert schedules.get(console.store, console.deployment, made.id).next_at > datetime.now(UTC)
    console.close()


def test_samples_can_be_switched_off(settings):
    console = Console(settings.with_(samples=False))
    clock.Clock(console).beat()
    with console.store.read() as session:
        assert not session.scalars(select(TableSample)).all()
    console.close()
