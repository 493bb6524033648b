"""export.conversion_stuck: conversions that no job will end."""

from __future__ import annotations

import pytest
import redis
from sqlalchemy.orm import Session

from console.config import Settings
from console.diagnostics import NotApplicable
from console.diagnostics.check import Context, Scope
from console.diagnostics.export.conversion_stuck import conversion_stuck
from console.service import Console
from tests.diagnostics.under_way import make_conversion, put_job
from tests.factories import BOTH_ENGINES
from tests.round_trip import assert_round_trip


@BOTH_ENGINES
def test_a_conversion_belongs_to_the_project_of_its_snapshot(console: Console, ctx: Context, session: Session) -> None:
    conversion = make_conversion(session, export_id=2, status="created")
    ctx.scope = Scope(project_id=1)
    assert conversion_stuck.run(ctx) == []
    ctx.scope = Scope(project_id=4)
    [finding] = conversion_stuck.run(ctx)
    assert finding.subject == "project:4"
    assert finding.summary.startswith(f"Conversion {conversion.id} has waited for 5 h 0 min, and the request")
    [row] = finding.evidence
    assert (row["export_id"], row["export_type"]) == (2, "COCO")
    [change] = console.plan(finding, "mark_failed", by="test").changes
    assert change["after"]["traceback"].startswith("LS Console marked this conversion failed: the request that made it")
    ctx.scope = Scope()
    [finding] = conversion_stuck.run(ctx)
    assert_round_trip(console, ctx, conversion_stuck, "mark_failed", finding)


def test_healthy(ctx: Context, session: Session) -> None:
    make_conversion(session, status="completed")
    make_conversion(session, status="failed")
    make_conversion(session, hours=1)
    assert list(conversion_stuck.answers(ctx)) == []


class TestOldReleases:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """Before 1.8 there is no such table."""
        import sqlite3

        with sqlite3.connect(str(settings.database_url).removeprefix("sqlite:///")) as connection:
            connection.execute("drop table data_export_convertedformat")
        return settings

    def test_they_are_not_applicable(self, ctx: Context) -> None:
        with pytest.raises(NotApplicable, match="keeps no rows of conversions"):
            list(conversion_stuck.answers(ctx))


class TestWithRedis:
    @pytest.fixture
    def settings(self, with_redis: Settings) -> Settings:
        return with_redis

    def test_its_own_job_counts_and_no_other(self, ctx: Context, session: Session, raw: redis.Redis) -> None:
        conversion = make_conversion(session)
        put_job(raw, "export", conversion.id)
        assert len(conversion_stuck.run(ctx)) == 1
        put_job(raw, "conversion", conversion.id, "<Project: with (odd, text)>")
        assert list(conversion_stuck.answers(ctx)) == []
