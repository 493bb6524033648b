"""Requeue, cancel, delete, stop and restore, judged by real workers and libraries of rq 1.10, 1.16, 2.6 and 3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from console.deployment.queue_writes import QueueWriter
from console.errors import Conflict
from tests import rq_releases, servers

#: What rq itself writes anew or holds another time of; everything else of a requeued job has to be equal.
OF_THE_MOMENT = {b"enqueued_at", b"created_at", b"last_heartbeat", b"data", b"description", b"worker_name"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with servers.redis_server() as url:
        yield url


@pytest.fixture
def raw(url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(url) as raw:
        raw.flushall()
        yield raw


@pytest.fixture
def writer(url: str) -> Iterator[QueueWriter]:
    writer = QueueWriter(url)
    yield writer
    writer.close()


def everything(raw: redis.Redis, leave_out: str = "no job") -> dict[bytes, Any]:
    """Every key of rq's jobs and places, with its seconds to live; workers' own keys move by themselves.

    Values are DUMP's bytes. Those of a larger hash or set come in the order of its table, so there the members are compared.
    """
    ours = [key for key in raw.keys("rq:*") if not key.startswith((b"rq:worker", b"rq:clean", b"rq:queues"))]
    return {key: (contents(raw, key), round(raw.ttl(key), -1)) for key in ours if leave_out.encode() not in key}


def contents(raw: redis.Redis, key: bytes) -> Any:
    if raw.object("encoding", key) != b"hashtable":
        return raw.dump(key)
    return raw.hgetall(key) if raw.type(key) == b"hash" else raw.smembers(key)


def places(raw: redis.Redis, job: str, queue: str = "low") -> list[str]:
    """Where the job stands, each place as often as it stands there."""
    found = ["queued"] * raw.lrange(f"rq:queue:{queue}", 0, -1).count(job.encode())
    for name in ("wip", "failed", "deferred", "scheduled", "finished", "canceled"):
        found += [name for member in raw.zrange(f"rq:{name}:{queue}", 0, -1) if member.startswith(job.encode())]
    return found


@pytest.mark.parametrize("release", rq_releases.RELEASES)
def test_a_failed_job_is_requeued_as_rq_itself_does_it(url: str, raw: redis.Redis, writer: QueueWriter, release: str):
    with rq_releases.Library(release, url) as library:
        ours, theirs = (library.enqueue("low", "fail", "no luck", failure_ttl=900) for _ in range(2))
        rq_releases.work(release, url, ["low"])
        score = raw.zscore("rq:failed:low", theirs)
        before = everything(raw, leave_out=theirs)
        kept = writer.requeue(ours, "low")
        assert raw.ttl(f"rq:job:{ours}") == -1
        library.requeue(theirs)
        left, expected = raw.hgetall(f"rq:job:{ours}"), raw.hgetall(f"rq:job:{theirs}")
        assert set(left) == set(expected)
        assert {name: left[name] for name in left if name not in OF_THE_MOMENT} == {
            name: expected[name] for name in expected if name not in OF_THE_MOMENT
        }
        assert library.status(ours) == "queued" and places(raw, ours) == places(raw, theirs) == ["queued"]

        raw.lrem("rq:queue:low", 0, theirs)
        writer.restore(ours, "low", kept)
        raw.zadd("rq:failed:low", {theirs: score})
        assert everything(raw, leave_out=theirs) == before and library.status(ours) == "failed"

        writer.requeue(ours, "low")
        rq_releases.work(release, url, ["low"])
        assert library.status(ours) == "failed" and places(raw, ours) == ["failed"]
        assert raw.ttl(f"rq:job:{ours}") > 800


@pytest.mark.parametrize("release", rq_releases.RELEASES)
def test_canceled_jobs_are_not_taken_and_may_be_queued_again(
    url: str, raw: redis.Redis, writer: QueueWriter, release: str
):
    with rq_releases.Library(release, url) as library:
        plain = {"json_serializer": True}
        jobs = [library.enqueue("low", "echo", number, job_id=f"job_{number}-x", **plain) for number in range(4)]
        later = library.enqueue("low", "ok", in_seconds=600, **plain)
        waits = library.enqueue("low", "ok", depends_on=jobs[3], **plain)
        data = raw.hget(f"rq:job:{jobs[1]}", "data")
        before = everything(raw)
        kept = [(job, writer.cancel(job, "low")) for job in (jobs[2], jobs[1])]
        kept += [(later, writer.cancel(later, "low", "scheduled")), (waits, writer.cancel(waits, "low", "deferred"))]
        assert [library.status(job, **plain) for job, _ in kept] == ["canceled"] * 4
        for job, one in reversed(kept):
            writer.restore(job, "low", one)
        assert everything(raw) == before

        for job, state in ((jobs[1], "queued"), (later, "scheduled"), (waits, "deferred")):
            writer.cancel(job, "low", state)
        rq_releases.work(release, url, ["low"], **plain)
        assert [library.status(job, **plain) for job in jobs] == ["finished", "canceled", "finished", "finished"]
        assert library.status(waits, **plain) == "canceled" and places(raw, waits) == ["canceled"]

        writer.requeue(jobs[1], "low", "canceled")
        rq_releases.work(release, url, ["low"], **plain)
        assert library.result(jobs[1], **plain) == [[1], {}] and places(raw, jobs[1]) == ["finished"]
        assert raw.hget(f"rq:job:{jobs[1]}", "data") == data


@pytest.mark.parametrize("release", rq_releases.RELEASES)
def test_running_jobs_are_stopped_and_abandoned_ones_queued_again(
    url: str, raw: redis.Redis, writer: QueueWriter, release: str
):
    with rq_releases.Library(release, url) as library:
        stopped, lost = (library.enqueue("low", "slow", seconds) for seconds in (60, 0.01))
        raw.lrem("rq:queue:low", 0, lost)
        with rq_releases.worker(release, url, ["low"], name="w1") as worker:
            worker.wait_until(lambda: writer.is_running(stopped, "low"))
            worker.wait_until(lambda: library.status(stopped) == "started")
            with pytest.raises(Conflict, match="is being run by worker w1"):
                writer.requeue(stopped, "low", "started")
            assert "Worker w1 ended job" in writer.stop(stopped, "low")
            worker.wait_until(lambda: library.status(stopped) == "stopped")
            assert places(raw, stopped) == ["failed"] and worker.running
            with pytest.raises(Conflict, match="it is among the failed jobs"):
                writer.stop(stopped, "low")
            raw.hset(f"rq:job:{lost}", "timeout", 60)
            slow = library.enqueue("low", "slow", 30)
            worker.wait_until(lambda: library.status(slow) == "started")
            worker.kill()
        with pytest.raises(Conflict, match="lives: its last heartbeat came"):
            writer.forget_worker("w1")
        raw.hset("rq:worker:w1", "last_heartbeat", "2026-01-01T00:00:00.000000Z")
        with pytest.raises(Conflict, match="No live worker says that it runs"):
            writer.stop(slow, "low")
        before = everything(raw)
        kept = writer.requeue(slow, "low", "started")
        assert places(raw, slow) == ["queued"] and not raw.exists(f"rq:executions:{slow}")
        assert not raw.keys(f"rq:execution:{slow}*")
        writer.restore(slow, "low", kept)
        assert everything(raw) == before
        writer.delete(slow, "low", "started")
        assert not [key for key in raw.keys("*") if slow.encode() in key] and places(raw, slow) == []
        writer.forget_worker("w1")
        assert library.workers() == [] and not raw.keys("rq:worker:*")

        kept = writer.delete(stopped, "low", "failed")
        assert not [key for key in raw.keys("*") if stopped.encode() in key]
        writer.restore(stopped, "low", kept)
        assert library.status(stopped) == "stopped"
