"""jobs.failed: one finding per queue, grouped by function and exception."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import redis
from rq import Queue, SimpleWorker

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.jobs.failed import failed, requeue
from console.diagnostics.queue_changes import JobChange
from console.diagnostics.runner import ask
from tests.diagnostics.jobs.failing import KILLED, UNREADABLE, fail


def deny(secret: str) -> None:
    raise PermissionError(f"AccessDenied with {secret}")


def work() -> None:
    """Ends well."""


def test_jobs_that_ended_well_are_healthy(ctx: Context, raw: redis.Redis) -> None:
    queue = Queue("high", connection=raw)
    queue.enqueue(work)
    SimpleWorker([queue], connection=raw).work(burst=True)
    assert failed.run(ctx) == []


def test_real_failures_are_grouped(ctx: Context, raw: redis.Redis) -> None:
    queue = Queue("low", connection=raw)
    jobs = [queue.enqueue(deny, "password=hunter2") for _ in range(3)]
    queue.enqueue(deny)
    SimpleWorker([queue], connection=raw).work(burst=True)
    ctx.now = datetime.now(UTC)
    [finding] = failed.run(ctx)
    assert (finding.subject, finding.severity) == ("queue:low", Severity.WARNING)
    assert finding.summary == "4 jobs of low failed, 4 in the last 24 h"
    first, second = finding.evidence.rows
    assert first["function"].endswith("deny") and (first["jobs"], first["new_24_h"]) == (3, 3)
    assert first["exception"] == "PermissionError: AccessDenied with password=••••••••"
    assert first["example"] in {job.id for job in jobs}
    assert second["exception"].startswith("TypeError")
    assert "hunter2" not in str(finding)


def test_the_layout_of_rq_1_and_a_job_that_is_gone(ctx: Context, raw: redis.Redis) -> None:
    raw.sadd("rq:queues", "rq:queue:default")
    raw.zadd("rq:failed:default", {"old": 1, "new": 2})
    ended = (datetime.now(UTC) - timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    raw.hset("rq:job:new", mapping={
        "status": "failed", "description": "data_export.mixins.export_background(4)", "ended_at": ended,
        "exc_info": zlib.compress(b"Traceback\nFileNotFoundError: 'x'"),
    })  # fmt: skip
    [finding] = failed.run(ctx)
    assert finding.summary == "2 jobs of default failed, 0 in the last 24 h"
    rows = {row["function"]: row for row in finding.evidence}
    assert rows["data_export.mixins.export_background"]["exception"] == "FileNotFoundError: 'x'"
    assert rows["a job whose data has expired"]["example"] == "old"


def test_the_exception_stream_of_rq_2(ctx: Context, raw: redis.Redis) -> None:
    raw.sadd("rq:queues", "rq:queue:low")
    raw.zadd("rq:failed:low", {"a": 1})
    raw.hset("rq:job:a", mapping={"status": "failed", "description": "tasks.bulk.delete(1)", "data": "x"})
    text = base64.b64encode(zlib.compress(b"Traceback\nrq.timeouts.JobTimeoutException: too long"))
    raw.xadd("rq:results:a", {"type": "2", "created_at": "1", "exc_string": text})
    [finding] = failed.run(ctx)
    [row] = finding.evidence
    assert (row["function"], row["exception"]) == ("tasks.bulk.delete", "rq.timeouts.JobTimeoutException: too long")


def test_only_the_newest_are_read(ctx: Context, raw: redis.Redis) -> None:
    raw.sadd("rq:queues", "rq:queue:low")
    raw.zadd("rq:failed:low", {f"job-{number}": number for number in range(1500)})
    [finding] = failed.run(ctx)
    assert finding.summary == "1,500 jobs of low failed, 0 in the last 24 h; the newest 500 were read"
    assert finding.evidence.rows[0]["jobs"] == 500


def test_our_own_queue_is_left_out(ctx: Context, raw: redis.Redis) -> None:
    raw.sadd("rq:queues", "rq:queue:lsconsole")
    raw.zadd("rq:failed:lsconsole", {"ours": 1})
    assert failed.run(ctx) == []


def test_a_redis_that_does_not_answer_is_unknown(ctx: Context, redis_url: str, raw: redis.Redis) -> None:
    from console.deployment.queues import QueueReader

    ctx.deployment.redis = QueueReader("redis://127.0.0.1:1/0", timeout_seconds=1)
    result = ask(failed, ctx)
    assert result.outcome == "unknown" and "127.0.0.1" in result.reason


def test_looking_changes_nothing(ctx: Context, raw: redis.Redis, worker_on: Callable[..., SimpleWorker]) -> None:
    raw.zadd("rq:failed:low", {"old": 1})
    raw.sadd("rq:queues", "rq:queue:low")
    before = {key: raw.dump(key) for key in raw.scan_iter()}
    assert len(failed.run(ctx)) == 1
    assert {key: raw.dump(key) for key in raw.scan_iter()} == before


def test_only_what_may_run_twice_is_put_back(ctx: Context, raw: redis.Redis) -> None:
    export = "data_export.mixins.export_background"
    fail(raw, "export", f"{export}(4)", "Traceback\nOSError: disk full")
    fail(raw, "killed", f"{export}(5)", KILLED)
    fail(raw, "unread", f"{export}(6)", UNREADABLE)
    fail(raw, "sync", "io_storages.base_models.import_sync_background(1, 2)", "Traceback\nValueError: x")
    fail(raw, "hook", "webhooks.utils.emit_webhooks_sync(1)", "Traceback\nValueError: x")
    fail(raw, "foreign", "mail.send(1)", "Traceback\nValueError: x")
    raw.zadd("rq:failed:low", {"gone": 4e9})
    [finding] = failed.run(ctx)
    assert finding.fixes == ("requeue",)
    assert list(requeue(ctx, finding)) == [JobChange("requeue", "export", "low", "failed", export)]
    told = {row["function"]: row["second_run"] for row in finding.evidence}
    assert told[export] == "harmless" and told["webhooks.utils.emit_webhooks_sync"].startswith("no: the receiver")
    assert told["a job whose data has expired"] == "not possible"


def test_syncs_alone_offer_no_repair(ctx: Context, raw: redis.Redis) -> None:
    fail(raw, "sync", "io_storages.base_models.import_sync_background(1, 2)", "Traceback\nValueError: x")
    [finding] = failed.run(ctx)
    assert finding.fixes == ()
