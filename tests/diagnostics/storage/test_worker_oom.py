"""storage.worker_oom: told by Label Studio's text, and by what rq says of the job."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.config import Settings
from console.diagnostics.check import Context
from console.diagnostics.storage.worker_oom import worker_oom
from tests.diagnostics.storage.sources import make_state, narrowed

JOB = "5f0c6a52-6d0e-4a7e-9f5b-6a1d6f1f2c13"
OOM = (
    "It appears the job was terminated unexpectedly, and no traceback information is available.\n"
    "This typically occurs due to an out-of-memory (OOM) error."
)


@pytest.mark.parametrize(
    "text", [OOM, "MemoryError", "Work-horse terminated unexpectedly; waitpid returned 9 (signal 9)"]
)
def test_the_text_tells(ctx: Context, session: Session, text: str) -> None:
    storage = narrowed(
        ctx, make_state(session, "failed", traceback=text, last_sync_count=1200, meta={"duration": 71.4})
    )
    [finding] = worker_oom.run(ctx)
    assert finding.subject == storage.subject
    assert finding.summary == "The process that ran the sync was killed after 71 s, 1,200 tasks made by then"


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ("completed", OOM),
        ("queued", OOM),
        ("failed", "re.error: nothing to repeat"),
        ("failed", None),
        ("failed", "ROOM 5"),
    ],
)
def test_anything_else_is_healthy(ctx: Context, session: Session, status: str, text: str | None) -> None:
    narrowed(ctx, make_state(session, status, traceback=text))
    assert list(worker_oom.answers(ctx)) == []


class TestWithRedis:
    @pytest.fixture
    def settings(self, settings: Settings, redis_url: str) -> Settings:
        return settings.with_(redis_url=redis_url)

    def test_the_job_tells_while_the_row_still_says_in_progress(
        self, ctx: Context, session: Session, keys: Any
    ) -> None:
        text = "Work-horse terminated unexpectedly; waitpid returned 9 (signal 9); "
        keys.hset(f"rq:job:{JOB}", mapping={"status": "failed", "origin": "low", "exc_info": text})
        narrowed(ctx, make_state(session, "in_progress", last_sync_job=JOB))
        [finding] = worker_oom.run(ctx)
        assert finding.evidence.rows[0]["job"] == text.strip()

    def test_a_job_that_failed_otherwise_is_healthy(self, ctx: Context, session: Session, keys: Any) -> None:
        keys.hset(f"rq:job:{JOB}", mapping={"status": "failed", "exc_info": "re.error: nothing to repeat"})
        narrowed(ctx, make_state(session, "in_progress", last_sync_job=JOB))
        assert list(worker_oom.answers(ctx)) == []
