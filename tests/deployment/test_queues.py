"""The reader tells the truth about the keys of every rq release, and only ever reads."""

from __future__ import annotations

import base64
import pickle
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import redis
from rq import Queue, SimpleWorker
from rq.job import Job

from console.deployment.queues import JobState, QueueReader
from console.deployment.redis_reading import READ_COMMANDS
from tests.deployment.rq_keys import NOW, put_worker, queue_named, raw, reader, server, stamp, use_everything
from tests.redis_watch import Monitor

__all__ = ["raw", "reader", "server"]


def fail(reason: str) -> None:
    raise ValueError(reason)


def test_an_empty_redis_has_label_studios_four_queues(reader: QueueReader, raw: redis.Redis) -> None:
    queues = reader.queues()
    assert [queue.name for queue in queues] == ["critical", "high", "default", "low"]
    assert all(queue.waiting == queue.failed == queue.workers_alive == 0 and not queue.ever_used for queue in queues)
    assert reader.workers() == []
    assert reader.failed("low") == (0, [])
    assert reader.waiting("low") == (0, [])
    assert reader.job("nothing") is None
    assert not reader.exists_job("nothing")


def test_info(reader: QueueReader, raw: redis.Redis) -> None:
    info = reader.info()
    assert info.version.split(".")[0].isdigit()
    assert info.used_memory_bytes and info.maxmemory_bytes == 0 and info.maxmemory_policy == "noeviction"
    assert info.role == "master" and info.aof_enabled is False and info.last_save_ok is True


def test_what_the_installed_rq_writes(reader: QueueReader, raw: redis.Redis) -> None:
    low, high = Queue("low", connection=raw), Queue("high", connection=raw)
    broken = low.enqueue(fail, "password=hunter2 was wrong", job_timeout=36000)
    worker = SimpleWorker([low], connection=raw, name="w1")
    worker.work(burst=True)
    waiting = [high.enqueue("io_storages.s3.models.import_sync_background", "S3ImportStorage", n) for n in range(3)]
    custom = high.enqueue("data_export.mixins.export_background", 4, description="nightly export")
    high.enqueue_in(timedelta(hours=1), "core.later", 1)
    worker.register_birth()

    total, [failed] = reader.failed("low")
    assert (total, failed.id, failed.status, failed.origin) == (1, broken.id, "failed", "low")
    assert failed.function and failed.function.endswith("fail")
    assert failed.exception_line == "ValueError: password=•••••••• was wrong"
    assert failed.exception and "Traceback" in failed.exception and "hunter2" not in str(failed)
    assert failed.timeout_seconds == 36000
    assert failed.ended_at and abs(failed.ended_at - datetime.now(UTC)) < timedelta(minutes=1)

    total, jobs = reader.waiting("high", limit=10)
    assert total == 4 and [job.id for job in jobs] == [job.id for job in [*waiting, custom]]
    assert jobs[0].function == "io_storages.s3.models.import_sync_background"
    assert jobs[3].function == "data_export.mixins.export_background"  # from the pickle's opcodes
    assert jobs[3].description == "nightly export"

    queues = {queue.name: queue for queue in reader.queues()}
    assert (queues["high"].waiting, queues["high"].scheduled, queues["low"].failed) == (4, 1, 1)
    assert queues["low"].workers_alive == 1 and queues["high"].workers_alive == 0
    assert queues["high"].oldest_enqueued_at == waiting[0].enqueued_at
    assert queues["high"].next_scheduled_at and queues["high"].next_scheduled_at > datetime.now(UTC)
    [seen] = reader.workers()
    assert seen.alive and seen.queues == ("low",) and seen.rq_version == worker.version and seen.pid == worker.pid
    assert reader.exists_job(custom.id)
    worker.register_death()


def test_a_running_job_of_rq_2_and_3_is_found_under_its_execution(reader: QueueReader, raw: redis.Redis) -> None:
    raw.hset("rq:job:abc", mapping={"status": "started", "description": "core.work(1)", "data": b"x"})
    raw.zadd("rq:wip:low", {"abc:0123456789abcdef0123456789abcdef": 1, "plain": 2})
    total, jobs = reader.started("low")
    assert total == 2
    assert [(job.id, job.gone) for job in jobs] == [("plain", True), ("abc", False)]


@pytest.mark.parametrize("packed", [True, False], ids=["zlib", "plain"])
def test_the_layout_of_rq_1(reader: QueueReader, raw: redis.Redis, packed: bool) -> None:
    pack: Callable[[bytes], bytes] = zlib.compress if packed else bytes
    raw.sadd("rq:queues", "rq:queue:low", "rq:queue:mine")
    raw.zadd("rq:failed:low", {"old": 1, "new": 2})
    raw.hset(
        "rq:job:new",
        mapping={
            "status": "failed",
            "origin": "low",
            "created_at": "2021-05-01T10:00:00Z",
            "enqueued_at": "2021-05-01T10:00:01.000002Z",
            "timeout": "180",
            "data": pack(pickle.dumps(("core.old.work", None, (1,), {}), protocol=2)),
            "exc_info": pack(b"Traceback (most recent call last):\nKeyError: 'x'"),
        },
    )
    total, [new, old] = reader.failed("low")
    assert total == 2 and replace(old, until=None) == JobState("old", *[None] * 11, gone=True)
    assert (new.function, new.exception_line, new.timeout_seconds) == ("core.old.work", "KeyError: 'x'", 180)
    assert new.created_at == datetime(2021, 5, 1, 10, tzinfo=UTC)
    assert new.enqueued_at == datetime(2021, 5, 1, 10, 0, 1, 2, tzinfo=UTC)
    assert [queue.name for queue in reader.queues()][-1] == "mine"


def test_the_exception_stream_of_rq_2(reader: QueueReader, raw: redis.Redis) -> None:
    raw.hset("rq:job:a", mapping={"status": "failed", "description": "m.f()", "data": "x"})
    text = base64.b64encode(zlib.compress(b"Traceback\nrq.timeouts.JobTimeoutException: too long"))
    raw.xadd("rq:results:a", {"type": "2", "created_at": "1", "exc_string": text})
    job = reader.job("a")
    assert job and job.exception_line == "rq.timeouts.JobTimeoutException: too long"


def test_jobs_of_the_json_serializer(reader: QueueReader, raw: redis.Redis) -> None:
    raw.hset("rq:job:a", mapping={"status": "queued", "data": zlib.compress(b'["m.f", null, [1], {}]')})
    job = reader.job("a")
    assert job and job.function == "m.f"


def test_workers_dead_and_alive(reader: QueueReader, raw: redis.Redis) -> None:
    put_worker(raw, "fresh", "high,low", state="busy", current_job="abc", hostname="pod-1", version="1.10.1")
    put_worker(raw, "silent", "low", heartbeat=NOW - timedelta(minutes=11))
    put_worker(raw, "ahead", "low", heartbeat=NOW + timedelta(minutes=3))
    put_worker(raw, "left", "low", death=stamp(NOW))
    raw.sadd("rq:workers", "rq:worker:vanished", "rq:worker:string")
    raw.set("rq:worker:string", "x")
    workers = {worker.name: worker for worker in reader.workers(NOW)}
    assert workers["fresh"].alive and workers["ahead"].alive
    assert (workers["fresh"].queues, workers["fresh"].current_job) == (("high", "low"), "abc")
    assert (workers["fresh"].hostname, workers["fresh"].state, workers["fresh"].rq_version) == (
        "pod-1",
        "busy",
        "1.10.1",
    )
    assert workers["silent"].why_dead == "its last heartbeat is 11 min old"
    assert workers["left"].why_dead == "it has signed off"
    assert "expired" in str(workers["vanished"].why_dead)
    assert "another type" in str(workers["string"].why_dead)
    assert queue_named(reader, "low").workers_alive == 2
    assert queue_named(reader, "default").workers_alive == 0
    assert reader.workers(NOW, silent_after_seconds=3600)[3].alive


def test_the_oldest_job_behind_one_put_at_the_front(reader: QueueReader, raw: redis.Redis) -> None:
    raw.rpush("rq:queue:low", "gone", "young", "old")
    raw.hset("rq:job:young", "enqueued_at", stamp(NOW))
    raw.hset("rq:job:old", "enqueued_at", stamp(NOW - timedelta(hours=2)))
    assert queue_named(reader, "low").oldest_enqueued_at == NOW - timedelta(hours=2)


def test_newest_failures_first_across_chunks(reader: QueueReader, raw: redis.Redis) -> None:
    for number in range(450):
        raw.zadd("rq:failed:low", {f"j{number}": number})
        raw.hset(f"rq:job:j{number}", mapping={"status": "failed", "description": f"m.f({number})"})
    total, jobs = reader.failed("low", limit=300)
    assert total == 450
    assert [job.id for job in jobs] == [f"j{number}" for number in range(449, 149, -1)]
    assert reader.failed("low", limit=0) == (450, [])


def test_suspended(reader: QueueReader, raw: redis.Redis) -> None:
    assert not reader.suspended()
    raw.set("rq:suspended", 1)
    assert reader.suspended()


def test_another_key_prefix(server: int, raw: redis.Redis) -> None:
    raw.rpush("team:queue:low", "a")
    raw.sadd("team:queues", "team:queue:low")
    queues = {queue.name: queue for queue in QueueReader(f"redis://127.0.0.1:{server}", prefix="team").queues()}
    assert queues["low"].waiting == 1 and queues["low"].ever_used


def test_only_read_commands_reach_the_server(server: int, raw: redis.Redis) -> None:
    queue = Queue("low", connection=raw)
    queue.enqueue(fail, "x")
    SimpleWorker([queue], connection=raw).work(burst=True)
    queue.enqueue_in(timedelta(hours=1), fail, "x")
    Job.create(fail, ("x",), id="a", connection=raw).save()
    put_worker(raw, "w")
    before = {key: raw.dump(key) for key in raw.keys()}  # noqa: SIM118
    with Monitor(server) as monitor:
        use_everything(QueueReader(f"redis://127.0.0.1:{server}/0?decode_responses=yes&protocol=3&client_name=x"))
    assert monitor.commands and monitor.commands <= READ_COMMANDS
    assert {key: raw.dump(key) for key in raw.keys()} == before  # noqa: SIM118
