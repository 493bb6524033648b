"""The clock starts what is due once, whoever asks; the history and the audit log tell what it did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from console import clock, jobs, scheduled
from console.config import Settings
from console.maintenance import schedules
from console.service import Console
from console.state.models import AuditEvent, LeaseRow, QueueSample, ScheduleRow, TableSample

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


def test_samples_can_be_switched_off(settings):
    console = Console(settings.with_(samples=False))
    clock.Clock(console).beat()
    with console.store.read() as session:
        assert not session.scalars(select(TableSample)).all()
    console.close()
