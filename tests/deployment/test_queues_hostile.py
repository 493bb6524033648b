"""Keys that rq did not write, and values made to hurt: a clear answer, no traceback, nothing loaded, nothing large read."""

from __future__ import annotations

import pickle
import zlib
from pathlib import Path
from typing import Any

import pytest
import redis

from console.deployment.queues import STATES, Filter, QueueReader
from console.errors import Unknown
from tests.deployment.rq_keys import NOW, put_worker, queue_named, raw, reader, server

__all__ = ["raw", "reader", "server"]


def test_no_pickle_is_ever_loaded(reader: QueueReader, raw: redis.Redis, tmp_path: Path) -> None:
    proof = tmp_path / "proof"

    class Trap:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return (Path.touch, (proof,))  # type: ignore[return-value]

    for number, data in enumerate(
        [pickle.dumps(Trap()), pickle.dumps(("m.f", Trap(), (), {})), b"\x80\x05garbage", b"["]
    ):
        raw.hset(f"rq:job:{number}", mapping={"status": "failed", "data": data, "exc_info": data})
    assert [job.function for job in reader.jobs(["0", "1", "2", "3"])] == [None, "m.f", None, None]
    assert not proof.exists()


def test_keys_of_the_wrong_type(reader: QueueReader, raw: redis.Redis) -> None:
    raw.set("rq:queue:low", "x")
    raw.sadd("rq:failed:low", "x")
    raw.set("rq:job:a", "x")
    raw.rpush("rq:queue:high", "a")
    low, high = queue_named(reader, "low"), queue_named(reader, "high")
    assert low.waiting == 0 and low.problems == (
        "The key rq:queue:low is of another type than rq writes",
        "The key rq:failed:low is of another type than rq writes",
    )
    assert high.waiting == 1 and high.problems == ()
    assert reader.job("a") is None
    assert reader.waiting("high")[1][0].problems == ("its key is of another type than rq writes",)
    with pytest.raises(Unknown, match="rq:failed:low"):
        reader.failed("low")
    raw.set("rq:workers", "x")
    with pytest.raises(Unknown, match="rq:workers"):
        reader.queues()


def test_names_and_values_that_are_no_text(reader: QueueReader, raw: redis.Redis) -> None:
    raw.sadd("rq:queues", b"rq:queue:\xff\xfe", "something else", "rq:queue:café")
    raw.rpush(b"rq:queue:\xff\xfe", b"\xffjob")
    raw.hset(b"rq:job:\xffjob", mapping={"status": b"\xff", "description": b"m.f(\xff)", "created_at": b"\xff"})
    put_worker(raw, "w", queues="", birth="0001-01-01T00:00:00+14:00", pid="many")
    queues = {queue.name: queue for queue in reader.queues(NOW)}
    assert queues["\\xff\\xfe"].waiting == 1 and "café" in queues
    raw.lpush("rq:queue:low", b"\xffjob")
    [job] = reader.waiting("low")[1]
    assert (job.id, job.function, job.status, job.created_at) == ("\\xffjob", "m.f", "\\xff", None)
    [worker] = reader.workers(NOW)
    assert worker.birth is None and worker.pid is None and worker.queues == ()


def test_huge_values_are_named_not_fetched(reader: QueueReader, raw: redis.Redis) -> None:
    bomb = zlib.compress(b"x" * 50_000_000)
    raw.hset(
        "rq:job:a",
        mapping={"status": "failed", "description": b"m.f(" + b"x" * 5_000_000, "exc_info": bomb, "data": "x"},
    )
    job = reader.job("a")
    assert job and job.problems == ("description has 5,000,004 bytes and was not read",)
    assert job.exception and len(job.exception) < 40_000
    assert len(job.exception_line or "") <= 500


ALL_KEYS = (
    "rq:queue:low", "rq:wip:low", "rq:failed:low", "rq:deferred:low", "rq:scheduled:low", "rq:finished:low",
    "rq:canceled:low",
)  # fmt: skip


@pytest.mark.parametrize("kind", ["string", "set", "hash"])
def test_every_list_of_another_type(reader: QueueReader, raw: redis.Redis, kind: str) -> None:
    plant = {"string": lambda key: raw.set(key, "x"), "set": lambda key: raw.sadd(key, "x"),
             "hash": lambda key: raw.hset(key, "x", "y")}[kind]  # fmt: skip
    for key in ALL_KEYS:
        plant(key)
    low = queue_named(reader, "low")
    assert len(low.problems) == len(ALL_KEYS) and low.waiting == low.failed == low.canceled == 0
    for state, key in zip(STATES, ALL_KEYS, strict=True):
        for ask in (reader.page, reader.groups, lambda *of: reader.search(*of, Filter(text="x"))):
            with pytest.raises(Unknown, match=f"{key} is of another type"):
                ask("low", state)
    assert reader.throughput("low", NOW).finished == 0


def test_a_state_that_does_not_exist(reader: QueueReader) -> None:
    with pytest.raises(Unknown, match=r"no state 'dreaming'.*queued, started"):
        reader.page("low", "dreaming")


@pytest.mark.parametrize("plant", ["string", "list"])
def test_what_stands_beside_a_job_is_of_another_type(reader: QueueReader, raw: redis.Redis, plant: str) -> None:
    raw.hset("rq:job:a", mapping={"status": "failed", "origin": "low", "description": "m.f()"})
    raw.zadd("rq:failed:low", {"a": 1})
    for key in ("rq:results:a", "rq:executions:a", "rq:job:a:dependents", "rq:worker:w:executions"):
        raw.set(key, "x") if plant == "string" else raw.rpush(key, "x")
    put_worker(raw, "w", state="busy")
    detail = reader.detail("a")
    assert detail and detail.places == ("failed",) and detail.executions == 0 and detail.dependents == ()
    assert detail.job.exception is None and detail.runs is None
    assert reader.groups("low").groups[0].jobs == 1
    assert reader.workers(NOW)[0].current_job is None


def test_a_hundred_megabytes_are_left_where_they_are(reader: QueueReader, raw: redis.Redis) -> None:
    huge = b"x" * 100_000_000
    large = huge[:9_000_000]
    raw.hset("rq:job:a", mapping={"status": "failed", "data": large, "description": huge})
    raw.hset("rq:job:b", mapping={"status": large, "description": "m.f()"})
    raw.xadd("rq:results:b", {"exc_string": large})
    raw.zadd("rq:failed:low", {"a": 1, "b": 2})
    put_worker(raw, "w")
    raw.hset("rq:worker:w", "hostname", large)
    sent = raw.info("stats")["total_net_output_bytes"]
    by_id = {job.id: job for job in reader.page("low", "failed").jobs}
    assert by_id["a"].problems == (
        "description has 100,000,000 bytes and was not read",
        "data has 9,000,000 bytes and was not read",
    )
    assert by_id["b"].problems[0] == "status has 9,000,000 bytes and was not read"
    assert by_id["b"].problems[1].startswith("results has ") and by_id["b"].function == "m.f"
    detail = reader.detail("a")
    assert detail and detail.data_bytes == 9_000_000 and detail.arguments == ()
    assert detail.problems == by_id["a"].problems
    groups = {(group.function, group.exception) for group in reader.groups("low").groups}
    assert groups == {(None, None), ("m.f", None)}
    assert reader.search("low", "failed", Filter(function="m.f")).matched == 1
    [worker] = reader.workers(NOW)
    assert worker.alive and worker.hostname is None
    assert raw.info("stats")["total_net_output_bytes"] - sent < 200_000


def test_pickles_that_are_broken_or_endless(reader: QueueReader, raw: redis.Redis) -> None:
    endless: list[Any] = []
    endless.append(endless)
    laughs: Any = ["lol"]
    for _ in range(40):
        laughs = [laughs] * 10
    deep = pickle.dumps(1)
    nested = b"\x80\x04" + b"(" * 40_000 + b"t" * 40_000 + b"."
    calls = {
        "endless": pickle.dumps(("m.f", None, (endless,), {})),
        "laughs": pickle.dumps(("m.f", None, (laughs,), {})),
        "cut": pickle.dumps(("m.f", None, (1,), {}))[:-5],
        "number": deep,
        "nested": nested,
        "nothing": b"",
        "json": b'["m.f", null, [[[[[[[[1]]]]]]]], {}]',
        "json bomb": b"[" * 200_000,
        "packed bomb": zlib.compress(b"x" * 50_000_000),
        "memo": b"\x80\x04h\xff.",
    }
    for name, data in calls.items():
        raw.hset(f"rq:job:{name}", mapping={"status": "queued", "origin": "low", "data": data, "meta": data})
        raw.rpush("rq:queue:low", name)
    details = {name: reader.detail(name) for name in calls}
    assert all(details.values()) and reader.page("low", "queued").total == len(calls)
    told = {name: detail.arguments[0].text for name, detail in details.items() if detail and detail.arguments}
    assert told["endless"] == told["json"] == "[[[[[… 1 inside]]]]]"
    assert told["laughs"].startswith("[[[[[… 10 inside]") and len(told["laughs"]) <= 2001
    for name in ("cut", "number", "nested", "nothing", "json bomb", "packed bomb", "memo"):
        detail = details[name]
        assert detail and [text for text in detail.problems if text.startswith("The call cannot be read: ")], name
    assert reader.groups("low", "queued", budget_seconds=None).looked_at == len(calls)


def test_names_that_are_no_text_can_be_asked_for(reader: QueueReader, raw: redis.Redis) -> None:
    raw.sadd("rq:queues", b"rq:queue:\xff\xfe")
    raw.zadd(b"rq:failed:\xff\xfe", {b"\xffjob": 1})
    raw.hset(b"rq:job:\xffjob", mapping={"status": "failed", "description": b"m.f('\xff')"})
    name = reader.queues(NOW)[-1].name
    [job] = reader.page(name, "failed").jobs
    assert (name, job.id, job.function) == ("\\xff\\xfe", "\\xffjob", "m.f")
    assert reader.exists_job(job.id) and reader.job(job.id)
    assert reader.search(name, "failed", Filter(text="xffjob")).matched == 1


@pytest.mark.parametrize("data", [
    b'["m.\\ud800f", null, ["\\ud800"], {"k\\ud800": "\\ud800"}]',
    pickle.dumps(("m.\ud800f", None, ("\ud800",), {"k\ud800": "\ud800"})),
])  # fmt: skip
def test_half_of_a_character_can_be_sent_to_a_browser(reader: QueueReader, raw: redis.Redis, data: bytes) -> None:
    raw.hset("rq:job:a", mapping={"status": "deferred", "data": data, "dependency_ids": r'["\ud800"]'})
    detail = reader.detail("a")
    assert detail is not None and detail.job.function == r"m.\ud800f"
    assert repr(detail).encode() and detail.job.depends_on == (r"\ud800",)
