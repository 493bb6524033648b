"""jobs.poison: the same call, again and again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import redis
from rq import Queue

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.jobs.poison import cancel_copies, poison
from tests.diagnostics.jobs.failing import KILLED, fail

SYNC = "io_storages.base_models.import_sync_background(<class 'io_storages.s3.models.S3ImportStorage'>, 4)"
BROKEN = "Traceback\nPermissionError: AccessDenied"


def test_many_failures_of_different_calls_are_an_outage_and_no_poison(ctx: Context, raw: redis.Redis) -> None:
    for number in range(20):
        fail(raw, f"s{number}", f"io_storages.s3.models.async_export_annotation_to_s3_storages({number})", BROKEN)
    for number in range(4):
        fail(raw, f"f{number}", SYNC, BROKEN)
    for number in range(9):
        fail(raw, f"old{number}", "x.work(1)", BROKEN, hours_ago=24 * 9)
        fail(raw, f"stopped{number}", "x.work(2)", "Job stopped by user, work-horse terminated.")
    fail(raw, "one-kill", "x.work(3)", KILLED)
    assert poison.run(ctx) == []


def test_the_same_sync_five_times(ctx: Context, raw: redis.Redis) -> None:
    for number in range(5):
        fail(raw, f"f{number}", SYNC, BROKEN)
    [finding] = poison.run(ctx)
    assert (finding.severity, finding.fixes) == (Severity.WARNING, ())
    assert finding.summary == (
        "The same call of io_storages.base_models.import_sync_background failed 5 times in the last 7 days"
    )
    [row] = finding.evidence
    assert (row["call"], row["exception"], row["waiting"]) == (SYNC, "PermissionError: AccessDenied", 0)


def test_two_kills_and_copies_that_wait(ctx: Context, raw: redis.Redis, wait_since: Callable[..., None]) -> None:
    for number in range(2):
        fail(raw, f"k{number}", SYNC, KILLED)
    for number in range(6):
        fail(raw, f"f{number}", "x.work(1)", BROKEN)
    copy = Queue("low", connection=raw).enqueue("io_storages.base_models.import_sync_background", description=SYNC)
    wait_since("low", datetime.now(UTC), "another.call")
    [finding] = poison.run(ctx)
    assert finding.severity == Severity.ERROR
    assert finding.summary == (
        "The same call of io_storages.base_models.import_sync_background killed its process 2 times in the last 7 days"
        "; 1 more call on low; 1 copy waits in the queue"
    )
    [change] = cancel_copies(ctx, finding)
    assert (change.action, change.job_id, change.state) == ("cancel", copy.id, "queued")
