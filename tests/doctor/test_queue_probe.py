"""The probe of the queues: taken by real workers of every rq, told when it is not, and gone afterwards."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis
from sqlalchemy import select

from console import jobs
from console.config import Settings
from console.deployment.probe_jobs import CALL, ProbeWriter, probe_id
from console.doctor import queue_probe
from console.errors import Refused
from console.service import Console
from console.state import audit
from console.state.models import AuditEvent
from tests import rq_releases, servers
from tests.deployment.queue_fixtures import put_jobs, put_worker, snapshot


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
def settings(settings: Settings, url: str, raw: redis.Redis) -> Settings:
    return settings.with_(redis_url=url, write_probes=True)


def probe(console: Console, *queues: str, seconds: float = 10) -> list[queue_probe.Probe]:
    return queue_probe.probe(console.deployment, console.store, queues, by="test", seconds=seconds)


def traces(raw: redis.Redis) -> list[bytes]:
    """Keys and places that name a probe."""
    found = [key for key in raw.keys("*") if b"lsconsole" in key]
    for key in raw.keys("rq:*"):
        members = {b"list": lambda k: raw.lrange(k, 0, -1), b"zset": lambda k: raw.zrange(k, 0, -1)}.get(raw.type(key))
        found += [key for member in (members(key) if members else []) if b"lsconsole" in member]
    return found


def audited(console: Console) -> list[AuditEvent]:
    with console.store.read() as session:
        return list(session.scalars(select(AuditEvent).order_by(AuditEvent.seq)))


def test_the_call_is_harmless_and_can_be_read_by_any_python():
    assert pickle.loads(CALL) == ("time.sleep", None, (0,), {})


@pytest.mark.parametrize("release", rq_releases.RELEASES)
def test_a_worker_takes_the_probe_and_nothing_is_left_of_it(console, raw, url, release):
    with rq_releases.worker(release, url, ["high", "low"], name=f"w-{release}"):
        found = probe(console, "high", "low")
        assert [(one.outcome, one.worker, one.summary.endswith(f"by worker w-{release}.")) for one in found] == [
            ("taken", f"w-{release}", True)
        ] * 2, found
        assert all(one.milliseconds is not None and 0 <= one.milliseconds < 8000 for one in found)
        assert traces(raw) == [] and not raw.exists("rq:queues")
    [intended, ended] = audited(console)
    assert (intended.action, ended.action, ended.actor) == ("queue probe intended", "queue probe ended", "test")
    assert [one["outcome"] for one in ended.data["probes"]] == ["taken", "taken"]


def test_a_worker_that_cannot_do_it_is_told_with_its_reason(console, raw, url):
    with rq_releases.worker("2.6", url, ["low"], json_serializer=True):
        [one] = probe(console, "low")
    assert one.outcome == "failed" and "and then failed: " in one.summary and "no exception" not in one.summary
    assert traces(raw) == []


def test_a_queue_without_workers_a_busy_one_and_a_suspended_one(console, raw):
    put_jobs(raw, "queued", ["a", "b", "c"], queue="low")
    put_worker(raw, "busy", queues="low")
    before = snapshot(raw)
    low, high = probe(console, "low", "high", seconds=0.2)
    assert (low.outcome, low.ahead, low.workers_alive) == ("waiting", 3, 1)
    assert low.summary.endswith("1 worker listens, 3 jobs are before it.")
    assert (high.outcome, high.ahead) == ("waiting", 0) and "no worker listens to this queue" in high.summary
    raw.set("rq:suspended", 1)
    [one] = probe(console, "low", seconds=0.1)
    assert "all workers are suspended" in one.summary
    raw.delete("rq:suspended")
    assert snapshot(raw) == before


def test_without_leave_nothing_is_written(console, raw, settings):
    object.__setattr__(console.deployment, "settings", settings.with_(write_probes=False))
    with pytest.raises(Refused, match="LSCONSOLE_WRITE_PROBES=true"):
        probe(console, "low")
    object.__setattr__(console.deployment, "settings", settings.with_(redis_url=None))
    with pytest.raises(Refused, match="No Redis is named"):
        probe(console, "low")
    assert snapshot(raw) == {} and audited(console) == []


def test_a_killed_probe_expires_and_the_next_one_clears_it_away(console, raw, url):
    program = (
        "import sys; from console.deployment.probe_jobs import ProbeWriter; ProbeWriter(sys.argv[1]).put('low', 1)"
    )
    subprocess.run([sys.executable, "-c", program, url], check=True, cwd=servers.ROOT)
    assert 0 < raw.ttl(f"rq:job:{probe_id('low')}") <= 61 and raw.llen("rq:queue:low") == 1
    with pytest.raises(Refused, match="Another probe of queue low is under way"):
        probe(console, "low", seconds=0.1)
    time.sleep(1.05)
    [one] = probe(console, "low", seconds=0.1)
    assert one.outcome == "waiting" and one.ahead == 0 and traces(raw) == []


@pytest.mark.parametrize("key", ["rq:queue:low", "rq:wip:low", "rq:job:" + probe_id("low")])
def test_keys_of_another_type_are_left_alone(console, raw, key):
    raw.set(key, "not rq's")
    with pytest.raises(Refused, match=f"Queue low takes no probe. The key {key} is of another type"):
        probe(console, "low", seconds=0.1)
    [other] = probe(console, "low", "high", seconds=0.1)[1:]
    assert other.outcome == "waiting"
    assert raw.get(key) == b"not rq's" and len(raw.keys("*")) == 1


def test_a_right_that_is_missing_comes_with_its_statement(console, raw, settings, url):
    raw.execute_command(
        "ACL", "SETUSER", "looker", "reset", "on", ">pw", "+@read", "+ping", "+info", "+select", "~rq:*"
    )
    limited = settings.with_(redis_url=url.replace("redis://", "redis://looker:pw@"))
    object.__setattr__(console.deployment, "settings", limited)
    with pytest.raises(Refused, match="Give it: ACL SETUSER looker"):
        probe(console, "low", "high")
    assert snapshot(raw) == {} and audited(console)[-1].data["message"].startswith("Nothing was written")
    raw.execute_command("ACL", "DELUSER", "looker")


def test_it_can_be_stopped_and_odd_names_are_names(console, raw):
    halt = threading.Event()
    threading.Timer(0.2, halt.set).start()
    began = time.monotonic()
    found = queue_probe.run(
        console.deployment, console.store, {"queues": ["ä ☃:*", "low"], "seconds": 30}, by="test",
        progress=lambda *_: None, stopped=halt.is_set,
    )  # fmt: skip
    assert time.monotonic() - began < 5 and found["taken"] == 0 and len(found["probes"]) == 2
    assert raw.keys("*") == []
    with pytest.raises(Refused, match="Name 1 to 50 queues"):
        probe(console)


def test_it_runs_as_a_job(console, raw):
    job = jobs.start(console, "queue probe", "Probe the queues", {"queues": ["low"], "seconds": 0.1}, by="test")
    for _ in range(200):
        ended = jobs.get(console.store, job.id)
        if ended.status not in {"queued", "running"}:
            break
        time.sleep(0.05)
    assert ended.result["taken"] == 0 and ended.result["probes"][0]["queue"] == "low", (ended.status, ended.error)


def test_the_writer_removes_what_a_worker_left_anywhere(raw, url):
    job = probe_id("low")
    for key in ("rq:finished:low", "rq:failed:low"):
        raw.zadd(key, {job: 1})
    raw.zadd("rq:wip:low", {f"{job}:{'0' * 32}": 1})
    raw.rpush("rq:queue:low:intermediate", job)
    raw.hset(f"rq:execution:{job}:{'0' * 32}", "id", "x")
    raw.xadd(f"rq:results:{job}", {"type": "1"})
    writer = ProbeWriter(url)
    writer.remove("low")
    assert raw.keys("*") == []
    writer.close()


def test_what_a_killed_probe_left_is_taken_away_without_another_probe(console, raw, url):
    before = snapshot(raw)
    writer = ProbeWriter(url)
    writer.put("low", 60)
    writer.close()
    data = {"queues": ["low"], "jobs": [probe_id("low")]}
    told = {"actor": "test", "subject": "deployment", "code": "jobs", "data": data}
    audit.record(console.store, action="queue probe intended", **told)
    queue_probe.clear_left(console.deployment, console.store)
    assert traces(raw), "it may still be under way"
    later = datetime.now(UTC) + timedelta(hours=1)
    queue_probe.clear_left(console.deployment, console.store, later)
    assert snapshot(raw) == before
    assert [event.action for event in audited(console)] == ["queue probe intended", "queue probe ended"]
    queue_probe.clear_left(console.deployment, console.store, later)
    assert len(audited(console)) == 2, "it is told once"
