"""Failed jobs as rq writes them, without a worker that fails."""

from __future__ import annotations

import base64
import zlib
from datetime import UTC, datetime, timedelta

import redis

STAMP = "%Y-%m-%dT%H:%M:%S.%fZ"
TIMEOUT = "Traceback\nrq.timeouts.JobTimeoutException: Task exceeded maximum timeout value (180 seconds)"
KILLED = "Work-horse terminated unexpectedly; waitpid returned 9 (signal 9); "
UNREADABLE = (
    "Traceback\nModuleNotFoundError: No module named 'data_export.exports'\n\nThe above exception was the direct cause\n"
    "rq.exceptions.DeserializationError"
)


def fail(
    raw: redis.Redis, job: str, call: str, exception: str, *, queue: str = "low", hours_ago: float = 1,
    limit_seconds: int = 180, in_hash: bool = False,
) -> None:  # fmt: skip
    """A failed job; `in_hash` for the place where rq before 1.12 keeps the traceback."""
    ended = (datetime.now(UTC) - timedelta(hours=hours_ago)).strftime(STAMP)
    fields = {"status": "failed", "origin": queue, "description": call, "ended_at": ended, "timeout": limit_seconds,
              "data": "x"}  # fmt: skip
    if in_hash:
        fields["exc_info"] = zlib.compress(exception.encode())  # type: ignore[assignment]
    else:
        text = base64.b64encode(zlib.compress(exception.encode()))
        raw.xadd(f"rq:results:{job}", {"type": "2", "created_at": "1", "exc_string": text})
    raw.hset(f"rq:job:{job}", mapping=fields)
    raw.sadd("rq:queues", f"rq:queue:{queue}")
    raw.zadd(f"rq:failed:{queue}", {job: 4e9 - hours_ago})
