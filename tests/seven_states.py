"""A queue that has a job in each of the seven states, put there by rq itself where rq can be asked to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import redis
from rq import Queue, SimpleWorker
from rq.job import JobStatus

from tests.many_jobs import many_failed

SYNC = "io_storages.base_models.import_sync_background"
HOSTILE = "<script>alert(1)</script>"


def nothing() -> None:
    """A job that ends well."""


def fill(raw: redis.Redis, queue: str = "low", failed: int = 3) -> dict[str, str]:
    """State -> id of a job in it; the failed ones are `failed` many."""
    rq = Queue(queue, connection=raw)
    rq.enqueue(nothing, job_id="it-ended", result_ttl=3600)
    SimpleWorker([rq], connection=raw).work(burst=True, logging_level="ERROR")
    rq.enqueue(SYNC, "S3ImportStorage", 13, organization_id=1, project_id=2, job_id="it-waits", meta={"user_id": 1})
    rq.enqueue_in(timedelta(hours=1), SYNC, "S3ImportStorage", 14, job_id="it-is-due")
    rq.enqueue(HOSTILE, HOSTILE, job_id="it-is-deferred", depends_on="it-is-due")
    rq.enqueue(SYNC, "S3ImportStorage", 15, job_id="it-was-canceled").cancel()
    lost = rq.enqueue("data_export.mixins.export_background", 12, job_id="its-worker-is-gone")
    raw.lrem(f"rq:queue:{queue}", 0, lost.id)
    lost.set_status(JobStatus.STARTED)
    raw.hset(
        f"rq:job:{lost.id}",
        mapping={"worker_name": "killed", "started_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"},
    )
    execution, until = "0a" * 16, datetime.now(UTC).timestamp() + 90
    raw.zadd(f"rq:wip:{queue}", {f"{lost.id}:{execution}": until})
    raw.zadd(f"rq:executions:{lost.id}", {execution: until})
    many_failed(raw, failed, queue)
    newest = raw.zrevrange(f"rq:failed:{queue}", 0, 0)[0].decode()
    return {"queued": "it-waits", "started": lost.id, "failed": newest, "deferred": "it-is-deferred", "scheduled": "it-is-due",
            "finished": "it-ended", "canceled": "it-was-canceled"}  # fmt: skip


def keys(raw: redis.Redis) -> dict[bytes, object]:
    """Every key with all it holds."""
    return {key: raw.dump(key) for key in raw.scan_iter()}
