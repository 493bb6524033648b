"""import.reimport_stuck: rows without a time are judged by their job alone."""

from __future__ import annotations

import pytest
import redis
from sqlalchemy.orm import Session

from console.config import Settings
from console.diagnostics import Unknown, registry
from console.diagnostics.check import Context
from console.service import Console
from tests.diagnostics.under_way import make_reimport, put_job
from tests.factories import BOTH_ENGINES
from tests.round_trip import assert_round_trip

reimport_stuck = registry.get("import.reimport_stuck")


def test_without_redis_it_cannot_be_told(ctx: Context, session: Session) -> None:
    assert list(reimport_stuck.answers(ctx)) == []
    make_reimport(session)
    [answer] = list(reimport_stuck.answers(ctx))
    assert isinstance(answer, Unknown) and "there are rows of reimports" in str(answer)


class TestWithRedis:
    @pytest.fixture
    def settings(self, with_redis: Settings) -> Settings:
        return with_redis

    @BOTH_ENGINES
    def test_no_job(self, console: Console, ctx: Context, session: Session, raw: redis.Redis) -> None:
        healthy = make_reimport(session)
        put_job(raw, "reimport", healthy.id, "<User: alice>")
        row = make_reimport(session, project_id=4)
        put_job(raw, "import", row.id)
        [finding] = reimport_stuck.run(ctx)
        assert finding.subject == "project:4"
        assert finding.summary == f"Reimport {row.id} has waited, and no job of it is in Redis"
        assert finding.evidence.rows[0]["arrived"] == 5
        assert_round_trip(console, ctx, reimport_stuck, "mark_failed", finding)
