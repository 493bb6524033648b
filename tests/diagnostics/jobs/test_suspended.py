"""jobs.suspended: workers that were told to wait."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import redis
from rq import SimpleWorker
from rq.suspension import resume, suspend

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.jobs.suspended import suspended


def test_suspended_and_resumed(
    ctx: Context, raw: redis.Redis, worker_on: Callable[..., SimpleWorker], wait_since: Callable[..., None]
) -> None:
    worker_on("low", name="w")
    assert suspended.run(ctx) == []
    suspend(raw)
    [finding] = suspended.run(ctx)
    assert finding.severity == Severity.WARNING
    assert finding.summary == "Workers are suspended (1 alive), and nothing waits yet"
    wait_since("low", datetime.now(UTC), "a.b")
    [finding] = suspended.run(ctx)
    assert finding.severity == Severity.ERROR and finding.summary.endswith("1 job waits")
    assert [row["worker"] for row in finding.evidence] == ["w"]
    resume(raw)
    assert suspended.run(ctx) == []
