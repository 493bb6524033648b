"""storage.target_slows_submit: uploads inside the request that saves an annotation."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from console.config import Settings
from console.diagnostics import NotApplicable, Severity
from console.diagnostics.check import Context
from console.diagnostics.storage.target_slows_submit import target_slows_submit
from tests.diagnostics.storage.sources import make_target, narrowed


def test_a_quick_bucket_is_healthy(ctx: Context, session: Session) -> None:
    narrowed(ctx, make_target(session, last_sync_count=100, meta={"duration": 4.0}))
    assert list(target_slows_submit.answers(ctx)) == []


def test_a_slow_bucket(ctx: Context, session: Session) -> None:
    target = narrowed(ctx, make_target(session, last_sync_count=100, meta={"duration": 40.0}))
    [finding] = target_slows_submit.run(ctx)
    assert (finding.subject, finding.severity) == (target.subject, Severity.WARNING)
    assert finding.summary == "An upload takes up to 3.2 s, and every submit waits for one"


def test_a_bucket_that_was_never_measured_is_a_note(ctx: Context, session: Session) -> None:
    narrowed(ctx, make_target(session, last_sync=datetime.now(UTC), meta={}))
    assert [finding.severity for finding in target_slows_submit.run(ctx)] == [Severity.INFO]


def test_jobs_tell_of_a_redis(ctx: Context, session: Session) -> None:
    narrowed(ctx, make_target(session, last_sync_job="x", meta={}))
    with pytest.raises(NotApplicable, match="not attached here"):
        list(target_slows_submit.answers(ctx))


class TestWithRedis:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.with_(redis_url="redis://127.0.0.1:1/0")

    def test_it_is_not_applicable(self, ctx: Context) -> None:
        with pytest.raises(NotApplicable, match="in a worker"):
            list(target_slows_submit.answers(ctx))
