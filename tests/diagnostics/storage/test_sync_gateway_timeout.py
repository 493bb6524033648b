"""storage.sync_gateway_timeout: syncs inside a request that take longer than a proxy waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from console.config import Settings
from console.diagnostics import NotApplicable
from console.diagnostics.check import Context
from console.diagnostics.storage.sync_gateway_timeout import sync_gateway_timeout
from tests.diagnostics.storage.sources import make_state, narrowed


def test_a_long_sync(ctx: Context, session: Session) -> None:
    storage = narrowed(
        ctx, make_state(session, "completed", meta={"duration": 95.4, "tasks_existed": 9000}, last_sync_count=1000)
    )
    [finding] = sync_gateway_timeout.run(ctx)
    assert finding.subject == storage.subject
    assert finding.summary == "The last sync took 95 s inside its request, for 10,000 objects"
    assert finding.evidence.rows[0]["milliseconds_each"] == 9.5


def test_told_by_its_times(ctx: Context, session: Session) -> None:
    ended = datetime.now(UTC) - timedelta(minutes=27)
    narrowed(ctx, make_state(session, "completed", meta={"time_completed": str(ended)}))
    assert "took 180 s" in sync_gateway_timeout.run(ctx)[0].summary


def test_a_short_sync_is_healthy(ctx: Context, session: Session) -> None:
    narrowed(ctx, make_state(session, "completed", meta={"duration": 59.0}))
    assert list(sync_gateway_timeout.answers(ctx)) == []


def test_a_sync_that_was_a_job_is_healthy(ctx: Context, session: Session) -> None:
    narrowed(ctx, make_state(session, "completed", meta={"duration": 950.0}, last_sync_job="x"))
    assert list(sync_gateway_timeout.answers(ctx)) == []


class TestWithRedis:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.with_(redis_url="redis://127.0.0.1:1/0")

    def test_it_is_not_applicable(self, ctx: Context) -> None:
        with pytest.raises(NotApplicable, match="in a worker"):
            list(sync_gateway_timeout.answers(ctx))
