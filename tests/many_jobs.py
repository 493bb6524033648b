"""Registries of many jobs as rq 2 writes them, by hand and quickly."""

from __future__ import annotations

import base64
import pickle
import zlib
from datetime import UTC, datetime, timedelta

import redis

SYNC = "io_storages.base_models.import_sync_background"
ERRORS = (
    "botocore.exceptions.ClientError: An error occurred (AccessDenied) when calling the ListObjectsV2 operation: Access Denied",
    "rq.timeouts.JobTimeoutException: Task exceeded maximum timeout value ({timeout} seconds)",
    "django.db.utils.OperationalError: canceling statement due to lock timeout",
    "ValueError: task {number} has no data",
)
LINES = "".join(
    f'  File "/label-studio/tasks/models.py", line {n}, in method_{n}\n    self.step_{n}()\n' for n in range(20)
)


def job_id(number: int) -> str:
    return f"{number * 2654435761 % 2**32:08x}-7a3b-4c5d-8e9f-{number:012x}"


def many_failed(raw: redis.Redis, count: int, queue: str = "low", first: int = 0) -> None:
    """Failed jobs, one a second, the last one now: two functions, 900 projects, 50 storages, four kinds of errors."""
    now = datetime.now(UTC)
    pipeline = raw.pipeline(transaction=False)
    pipeline.sadd("rq:queues", f"rq:queue:{queue}")
    for number in range(first, first + count):
        ended = now - timedelta(seconds=first + count - number - 1)
        add_failed(pipeline, number, ended, queue)
        if number % 2000 == 1999:
            pipeline.execute()
    pipeline.execute()


def add_failed(pipeline: redis.client.Pipeline, number: int, ended: datetime, queue: str = "low") -> None:
    name, project = job_id(number), number % 900 + 1
    stamp = ended.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if number % 3:
        function = SYNC
        kind = "<class 'io_storages.s3.models.S3ImportStorage'>"
        shown = f"{kind}, {number % 50 + 1}, organization_id=1, project_id={project}"
        call = (function, None, ("S3ImportStorage", number % 50 + 1), {"organization_id": 1, "project_id": project})
    else:
        function = "data_import.functions.async_import_background"
        shown = f"{number}, 1, organization_id=1, project_id={project}"
        call = (function, None, (number, 1), {"organization_id": 1, "project_id": project})
    error = ERRORS[number % 4].format(number=number, timeout=180)
    traceback = f"Traceback (most recent call last):\n{LINES}{error}\n"
    pipeline.hset(f"rq:job:{name}", mapping={
        "status": "failed", "origin": queue, "created_at": stamp, "enqueued_at": stamp, "started_at": stamp,
        "ended_at": stamp, "description": f"{function}({shown})", "data": zlib.compress(pickle.dumps(call)),
        "meta": pickle.dumps({"user_id": 1, "organization_id": 1}), "timeout": 180, "failure_ttl": 2592000,
        "worker_name": "w1", "success_callback_name": "", "failure_callback_name": "", "last_heartbeat": stamp,
    })  # fmt: skip
    packed = base64.b64encode(zlib.compress(traceback.encode()))
    pipeline.xadd(f"rq:results:{name}", {"type": "2", "created_at": str(ended.timestamp()), "exc_string": packed})
    pipeline.zadd(f"rq:failed:{queue}", {name: int(ended.timestamp()) + 2592000})
