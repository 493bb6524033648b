"""storage.stale_ping: syncs that say nothing, dead or slow, and those that Label Studio gave up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.config import Settings
from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.storage.stale_ping import stale_ping
from console.service import Console
from tests.diagnostics.storage.sources import make_source, make_state, narrowed
from tests.factories import BOTH_ENGINES
from tests.round_trip import assert_round_trip

JOB = "5f0c6a52-6d0e-4a7e-9f5b-6a1d6f1f2c12"
TOO_OLD = (
    "It appears the job was failed because the last ping time is too old, and no traceback information is available."
)


@pytest.mark.parametrize("seconds", [0, 60, 119])
def test_a_recent_sign_is_healthy(ctx: Context, session: Session, seconds: float) -> None:
    narrowed(ctx, make_state(session, "in_progress", minutes_ago=seconds / 60))
    assert list(stale_ping.answers(ctx)) == []


@pytest.mark.parametrize("status", ["queued", "completed", "failed", "initialized"])
def test_other_states_are_healthy(ctx: Context, session: Session, status: str) -> None:
    narrowed(ctx, make_state(session, status, minutes_ago=9000))
    assert list(stale_ping.answers(ctx)) == []


@BOTH_ENGINES
def test_an_old_sign_without_a_job(console: Console, ctx: Context, session: Session) -> None:
    storage = narrowed(ctx, make_state(session, "in_progress", minutes_ago=190.5))
    [finding] = stale_ping.run(ctx)
    assert (finding.subject, finding.severity, finding.fixes) == (storage.subject, Severity.ERROR, ("mark_failed",))
    assert finding.summary == "In progress without a sign of life for 3 h 10 min, and no job was started for it"
    assert_round_trip(console, ctx, stale_ping, "mark_failed", finding)


@pytest.mark.parametrize("meta", [None, {}, [1], {"time_last_ping": "soon"}])
def test_no_time_at_all(console: Console, ctx: Context, session: Session, meta: Any) -> None:
    narrowed(ctx, make_source(session, status="in_progress", meta=meta))
    [finding] = stale_ping.run(ctx)
    assert finding.summary.startswith("In progress, with no time recorded")
    assert_round_trip(console, ctx, stale_ping, "mark_failed", finding)


def test_a_sync_that_was_given_up(ctx: Context, session: Session) -> None:
    narrowed(ctx, make_state(session, "failed", traceback=TOO_OLD, meta={"duration": 44.0, "tasks_existed": 91_000}))
    [finding] = stale_ping.run(ctx)
    assert finding.summary.startswith("Given up for want of a sign of life, the last one ")
    assert "STORAGE_IN_PROGRESS_TIMER" in finding.cause and finding.fixes == ()
    assert finding.evidence.rows[0]["tasks_existed"] == 91_000


class TestASlowTimer:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.with_(storage_ping_seconds=600.0)

    def test_label_studios_own_patience_counts(self, ctx: Context, session: Session) -> None:
        narrowed(ctx, make_state(session, "in_progress", minutes_ago=49))
        assert list(stale_ping.answers(ctx)) == []


class TestWithRedis:
    @pytest.fixture
    def settings(self, settings: Settings, redis_url: str) -> Settings:
        return settings.with_(redis_url=redis_url)

    def test_a_worker_that_is_slow_is_a_warning_without_repair(self, ctx: Context, session: Session, keys: Any) -> None:
        keys.hset(f"rq:job:{JOB}", mapping={"status": "started", "origin": "low"})
        narrowed(ctx, make_state(session, "in_progress", last_sync_job=JOB))
        [finding] = stale_ping.run(ctx)
        assert (finding.severity, finding.fixes) == (Severity.WARNING, ())
        assert "alive in Redis" in finding.summary

    def test_a_false_alarm(self, ctx: Context, session: Session, keys: Any) -> None:
        keys.hset(f"rq:job:{JOB}", mapping={"status": "started", "origin": "low"})
        narrowed(ctx, make_state(session, "failed", traceback=TOO_OLD, last_sync_job=JOB))
        [finding] = stale_ping.run(ctx)
        assert finding.severity == Severity.WARNING and finding.summary.endswith("a false alarm")

    def test_a_job_that_died(self, console: Console, ctx: Context, session: Session, keys: Any) -> None:
        ended = datetime.now(UTC) - timedelta(hours=1)
        keys.hset(f"rq:job:{JOB}", mapping={"status": "failed", "ended_at": ended.isoformat()})
        narrowed(ctx, make_state(session, "in_progress", last_sync_job=JOB))
        [finding] = stale_ping.run(ctx)
        assert finding.summary.endswith("and its job has ended in Redis (failed)")
        assert_round_trip(console, ctx, stale_ping, "mark_failed", finding)
