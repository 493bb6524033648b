"""jobs.unpickle: jobs of another version, which no worker can read."""

from __future__ import annotations

import redis

from console.diagnostics.check import Context
from console.diagnostics.jobs.unpickle import discard, unpickle
from console.diagnostics.queue_changes import JobChange
from tests.diagnostics.jobs.failing import UNREADABLE, fail


def test_a_module_that_the_job_itself_misses_is_its_own_affair(ctx: Context, raw: redis.Redis) -> None:
    fail(
        raw, "a", "x.work(1)", 'Traceback\n  File "/app/x.py", line 3, in work\nModuleNotFoundError: No module named y'
    )
    fail(raw, "b", "x.work(1)", UNREADABLE, hours_ago=24 * 8)
    assert unpickle.run(ctx) == []


def test_unread_jobs_are_told_and_discarded(ctx: Context, raw: redis.Redis) -> None:
    fail(raw, "a", "data_export.exports.export_background(4)", UNREADABLE, queue="default")
    fail(raw, "b", "data_export.exports.export_background(5)", UNREADABLE, queue="default", in_hash=True)
    fail(raw, "c", "x.work(1)", "Traceback\nValueError: broken", queue="default")
    [finding] = unpickle.run(ctx)
    assert finding.summary == (
        "2 jobs of default could not be read by a worker in the last 7 days:"
        " ModuleNotFoundError: No module named 'data_export.exports'"
    )
    assert [(row["jobs"], row["missing"]) for row in finding.evidence] == [
        (2, "the snapshot stays in progress and cannot be downloaded")
    ]
    assert {change.job_id for change in discard(ctx, finding)} == {"a", "b"}
    assert JobChange("delete", "a", "default", "failed", "data_export.exports.export_background") in [
        *discard(ctx, finding)
    ]
