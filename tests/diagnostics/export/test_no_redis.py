"""export.no_redis: projects that a request is too short for."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from console.config import Settings
from console.diagnostics import NotApplicable, Severity
from console.diagnostics.check import Context, Scope
from console.diagnostics.export.no_redis import no_redis
from tests.diagnostics.under_way import ago, make_snapshot
from tests.factories import change_row


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """As if a proxy waited a fifth of a second."""
    return settings.with_(thresholds={"export.no_redis.gateway_seconds": 0.2})


def test_small_projects_are_healthy(ctx: Context) -> None:
    object.__setattr__(ctx.settings, "thresholds", {})
    assert no_redis.run(ctx) == []


def test_a_large_project(ctx: Context, session: Session) -> None:
    found = no_redis.run(ctx)
    assert [finding.subject for finding in found] == ["project:1", "project:4"]
    first = found[0]
    assert first.summary == "A snapshot of 85 tasks takes about 0 s, and a proxy waits 0.2 s"
    assert first.severity == Severity.INFO and first.evidence.rows[0]["measured_here"] is False
    make_snapshot(session)
    assert no_redis.run(ctx)[0].severity == Severity.WARNING
    ctx.scope = Scope(project_id=5)
    assert no_redis.run(ctx) == []


def test_the_pace_is_measured(ctx: Context, session: Session) -> None:
    begun = ago(10)
    make_snapshot(session, status="completed", created_at=begun, finished_at=begun + timedelta(seconds=100),
                  counters={"task_number": 10_000})  # fmt: skip
    [*_, finding] = no_redis.run(ctx)
    assert finding.evidence.rows[0]["ms_per_task"] == 10 and finding.evidence.rows[0]["measured_here"] is True


def test_with_workers_there_is_nothing_to_ask(ctx: Context, session: Session) -> None:
    change_row(session, "io_storages_s3importstorage", 1, last_sync_job="5f0c6a52")
    with pytest.raises(NotApplicable, match="a storage keeps the id of its job"):
        list(no_redis.answers(ctx))
