"""Other software in the same Redis raises no alarm: its queues, workers, prefixes and keys are its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import redis
from rq import SimpleWorker

from console.diagnostics import NotApplicable, registry
from console.diagnostics.check import Context
from tests.diagnostics.jobs.failing import KILLED, TIMEOUT, UNREADABLE, fail

#: About the server, which is everybody's.
OF_THE_SERVER = {"jobs.redis_persistence"}


def test_a_busy_neighbour(
    ctx: Context, raw: redis.Redis, worker_on: Callable[..., SimpleWorker], wait_since: Callable[..., None]
) -> None:
    worker_on("critical", "high", "default", "low", name="ours")
    worker_on("emails", name="dead-neighbour")
    raw.hset("rq:worker:dead-neighbour", "last_heartbeat", "2026-01-01T00:00:00Z")
    wait_since("emails", datetime.now(UTC) - timedelta(hours=5), "shop.mails.send")
    for number, exception in enumerate([TIMEOUT, UNREADABLE, *[KILLED] * 5]):
        fail(raw, f"mail-{number}", "shop.mails.send(1)", exception, queue="emails")
    raw.zadd("rq:scheduled:emails", {"mail-1": 1})
    raw.zadd("rq:wip:emails", {"gone": time.time() + 90})
    raw.hset("rq:job:odd", mapping={"status": "started", "started_at": "2026-01-01T00:00:00Z"})
    raw.zadd("rq:wip:emails", {"odd": time.time() + 90})
    for key in ("celery", "bull:queue:wait", "other:rq:queues", "arq:queue"):
        raw.rpush(key, "job")
    alarms = {}
    for check in registry.by_area()["jobs"]:
        try:
            alarms[check.code] = [finding.summary for finding in check.run(ctx)]
        except NotApplicable:
            continue
    assert {code for code, findings in alarms.items() if findings} <= OF_THE_SERVER, alarms
    assert len(alarms) >= 18
