"""import.stuck: imports that no job will end, and how much of them arrived."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
from rq import SimpleWorker
from sqlalchemy.orm import Session

from console.config import Settings
from console.diagnostics import Unknown, registry
from console.diagnostics.check import Context
from console.service import Console
from tests.diagnostics.under_way import make_import, put_job, start_job
from tests.factories import BOTH_ENGINES
from tests.round_trip import assert_round_trip

stuck = registry.get("import.stuck")


def test_without_redis_it_cannot_be_told(ctx: Context, session: Session) -> None:
    """Only an edition with workers leaves such rows."""
    assert list(stuck.answers(ctx)) == []
    make_import(session)
    [answer] = list(stuck.answers(ctx))
    assert isinstance(answer, Unknown) and "LSCONSOLE_REDIS_URL" in str(answer)


class TestWithRedis:
    @pytest.fixture
    def settings(self, with_redis: Settings) -> Settings:
        return with_redis

    @BOTH_ENGINES
    def test_no_job(self, console: Console, ctx: Context, session: Session) -> None:
        row = make_import(session, url="https://example.com/tasks.json")
        [finding] = stuck.run(ctx)
        assert finding.subject == "project:1"
        assert finding.summary == f"Import {row.id} has been in progress for 5 h 0 min, and no job of it is in Redis"
        [evidence] = finding.evidence
        assert (evidence["files"], evidence["arrived"], evidence["url"]) == (1, 5, "https://example.com/tasks.json")
        assert_round_trip(console, ctx, stuck, "mark_failed", finding)

    def test_the_row_looks_as_after_a_failed_import(self, console: Console, ctx: Context, session: Session) -> None:
        make_import(session)
        [finding] = stuck.run(ctx)
        [change] = console.plan(finding, "mark_failed", by="test").changes
        assert set(change["after"]) == {"status", "traceback", "error"}
        assert change["after"]["error"] == "LS Console marked this import failed: no job of it is in Redis."

    @pytest.mark.parametrize("files", [[], None, "broken", {"a": 1}, [True, "x", None, 10**20]])
    def test_files_that_are_no_list_of_ids(self, ctx: Context, session: Session, files: Any) -> None:
        make_import(session, file_upload_ids=files if files is not None else [])
        [finding] = stuck.run(ctx)
        assert finding.evidence.rows[0]["files"] == 0 and finding.evidence.rows[0]["arrived"] is None

    def test_a_job_that_runs_is_healthy(
        self, ctx: Context, session: Session, raw: redis.Redis, worker_on: Callable[..., SimpleWorker]
    ) -> None:
        waits, runs = make_import(session, status="created"), make_import(session)
        put_job(raw, "import", waits.id)
        start_job(raw, put_job(raw, "import", runs.id), worker_on("high"))
        assert list(stuck.answers(ctx)) == []

    def test_other_states_are_healthy(self, ctx: Context, session: Session) -> None:
        for status in ("completed", "failed"):
            make_import(session, status=status)
        make_import(session, hours=0.5)
        assert list(stuck.answers(ctx)) == []
