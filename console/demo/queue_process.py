"""The processes that fill and work the demo's queues, with rq itself and under Label Studio's function names.

The first fills and then goes on as a worker, the second works at once:

python -m console.demo.queue_process fill REDIS_URL DATABASE_URL NAME QUEUE...
python -m console.demo.queue_process work REDIS_URL DATABASE_URL NAME QUEUE...
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
from redis import Redis
from rq import Queue, Worker
from rq.job import Job

from console.demo import work
from console.demo.planted.sources import WAITING_SYNC_JOB
from console.demo.planted.storages import failing_sync, waiting_sync

KEEP_FAILED_SECONDS = 30 * 24 * 3600
SYNC_TIMEOUT_SECONDS = 36_000
STAMP = "%Y-%m-%dT%H:%M:%S.%fZ"


class Filler:
    """Enqueues what the demo shows; jobs that have to fail or end are worked before the next are enqueued."""

    def __init__(self, connection: Redis) -> None:
        self.connection = connection
        self.queues = {name: Queue(name, connection=connection) for name in ("critical", "high", "default", "low")}

    def put(self, queue: str, function: Any, *args: Any, minutes_ago: float = 0, **options: Any) -> Job:
        """Enqueue one job, dated back where a job of the demo has been waiting."""
        settings = {"failure_ttl": KEEP_FAILED_SECONDS, "result_ttl": 24 * 3600, **options}
        job = self.queues[queue].enqueue(function, *args, **settings)
        if minutes_ago:
            stamp = (datetime.now(UTC) - timedelta(minutes=minutes_ago)).strftime(STAMP)
            self.connection.hset(job.key, mapping={"created_at": stamp, "enqueued_at": stamp})
        return job

    def sync(self, storage_id: int, project_id: int, **options: Any) -> Job:
        """Enqueue a storage sync as Label Studio does."""
        meta = {"project": project_id, "storage": storage_id}
        settings = {"job_timeout": SYNC_TIMEOUT_SECONDS, "meta": meta, **options}
        return self.put("low", work.import_sync_background, work.S3ImportStorage, storage_id, **settings)

    def history(self, failing: tuple[int, int]) -> None:
        """Jobs that ended: some well, and two kinds that failed. A worker runs them all, now."""
        for task in range(6):
            self.put("critical", work.update_tasks_counters, [task * 50 + offset for offset in range(50)])
            self.put("high", work.emit_webhooks_for_instance_sync, 1, 3, "ANNOTATION_CREATED")
        for _ in range(4):
            self.sync(*failing)
        for export_id in (11, 12, 14):
            self.put("default", work.export_background, export_id, {"view": 3}, None, None, job_timeout="3h")
        worker = Worker(list(self.queues.values()), connection=self.connection, name="first-shift")
        worker.work(burst=True, logging_level="ERROR")

    def backlog(self, waiting: tuple[int, int]) -> None:
        """Jobs of `low` that nobody takes, the oldest for most of an hour."""
        self.put("low", work.sync_user_activities_to_db, minutes_ago=52)
        self.put("low", work.sync_user_activities_to_db, minutes_ago=47)
        self.sync(*waiting, minutes_ago=38, job_id=WAITING_SYNC_JOB)
        for number in range(14):
            action = ("ANNOTATION_CREATED", "ANNOTATION_UPDATED", "TASKS_DELETED")[number % 3]
            arguments = (1, 1 + number % 3, action)
            self.put("low", work.emit_webhooks_for_instance_sync, *arguments, minutes_ago=34 - 2 * number)

    def endless_export(self) -> None:
        """The job that will get stuck in the next worker of `default`."""
        options = {"interpolate_key_frames": True}
        self.put("default", work.export_background, 13, {"view": 1}, None, options, job_timeout="3h", minutes_ago=162)


def fill(connection: Redis, database_url: str) -> None:
    """Everything, oldest first."""
    with psycopg2.connect(database_url) as database, database.cursor() as cursor:
        failing, waiting = failing_sync(cursor), waiting_sync(cursor)
    filler = Filler(connection)
    filler.history(failing)
    filler.backlog(waiting)
    filler.endless_export()


def main() -> None:
    """See the module's first lines."""
    role, redis_url, database_url, *rest = sys.argv[1:]
    work.install(database_url)
    connection = Redis.from_url(redis_url)
    if role == "fill":
        fill(connection, database_url)
    name, *queues = rest
    worker = Worker([Queue(queue, connection=connection) for queue in queues], connection=connection, name=name)
    worker.work(logging_level="WARNING")


if __name__ == "__main__":
    main()
