"""Plans that change queues: journaled chunk by chunk, undone byte for byte, settled after a kill."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from console.config import Settings
from console.diagnostics import plan_steps
from console.diagnostics.queue_changes import ForgetWorker, JobChange
from console.errors import Conflict, Refused
from console.service import Console
from console.state.models import PlanRow
from tests import rq_releases, servers
from tests.deployment.queue_fixtures import put_jobs, put_worker, snapshot

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
def settings(settings: Settings, url: str, raw: redis.Redis) -> Settings:
    return settings.with_(redis_url=url)


def planned(console: Console, changes: list[Any]) -> PlanRow:
    return console.plan_steps(changes, code="jobs", fix_id="chosen", title="Change jobs", by="test")


def apply(console: Console, plan: PlanRow, stopped: Callable[[], bool] = lambda: False) -> Any:
    return console.apply(plan.id, by="test", reason="t", seen=plan.fingerprint, verify=False, stopped=stopped)


def undo(console: Console, plan: PlanRow) -> Any:
    return console.undo(plan.id, by="test", reason="t", verify=False)


def statuses(console: Console, plan: PlanRow) -> list[str]:
    return [status for _, status, _, _ in plan_steps.read(console.store, console.deployment, plan.id)]


def names(count: int) -> list[str]:
    return [f"job-{number:05}" for number in range(count)]


def some_of_each(raw: redis.Redis) -> list[JobChange]:
    found = []
    for action, state in (("requeue", "failed"), ("delete", "finished"), ("cancel", "scheduled"), ("cancel", "queued")):
        jobs = [f"{state}-{number}" for number in range(3)]
        put_jobs(raw, state, jobs)
        found += [JobChange(action, job, "low", state, "m.f") for job in jobs[:2]]
    return found


def test_a_plan_of_many_kinds_is_done_and_taken_back(console, raw):
    changes = some_of_each(raw)
    before = snapshot(raw)
    plan = planned(console, changes)
    assert plan.reversible and snapshot(raw) == before
    outcome = apply(console, plan)
    assert (outcome.status, outcome.rows, outcome.message) == ("applied", 8, "")
    assert raw.lrange("rq:queue:low", 0, -1) == [b"queued-2", b"failed-0", b"failed-1"]
    assert not raw.exists("rq:job:finished-0") and raw.zcard("rq:canceled:low") == 4
    undone = undo(console, plan)
    assert (undone.status, undone.rows) == ("undone", 8)
    assert snapshot(raw) == before


def test_what_moved_on_is_told_and_the_rest_is_done(console, raw):
    put_jobs(raw, "failed", ["a", "b"])
    plan = planned(console, [JobChange("requeue", job, "low", "failed") for job in ("a", "gone", "b")])
    outcome = apply(console, plan)
    assert (outcome.status, outcome.rows) == ("applied", 2)
    assert outcome.message == (
        "2 of 3 done, 1 moved on since and left alone. "
        "Job gone is not failed on low any more: it is no longer in Redis."
    )
    assert statuses(console, plan) == ["done", "left", "done"]
    raw.lpop("rq:queue:low")  # a worker takes job a
    raw.hset("rq:job:a", "status", "started")
    assert undo(console, plan).message.startswith("1 of 2 taken back. Job a has moved on since it was requeued")
    assert raw.zrange("rq:failed:low", 0, -1) == [b"b"]


def test_nothing_to_do_any_more_is_a_conflict(console, raw):
    plan = planned(console, [JobChange("delete", "a", "low", "failed")])
    with pytest.raises(Conflict, match="Job a is not failed on low any more"):
        apply(console, plan)


def test_stopped_halfway_keeps_what_is_done(console, raw):
    put_jobs(raw, "failed", names(700))
    before = snapshot(raw)
    plan = planned(console, [JobChange("delete", job, "low", "failed") for job in names(700)])
    outcome = apply(console, plan, lambda: raw.zcard("rq:failed:low") <= 300)
    assert (outcome.rows, outcome.message) == (400, "400 of 700 done, 300 not begun.")
    undo(console, plan)
    assert snapshot(raw) == before


def test_dead_workers_are_forgotten_and_living_ones_are_not(console, raw):
    put_worker(raw, "dead", heartbeat=LONG_AGO)
    put_worker(raw, "alive")
    plan = planned(console, [ForgetWorker(name, ("low",), LONG_AGO) for name in ("dead", "alive")])
    assert not plan.reversible
    outcome = apply(console, plan)
    assert outcome.rows == 1 and "Worker alive lives" in outcome.message
    assert raw.smembers("rq:workers") == {b"rq:worker:alive"}


def test_a_running_job_is_stopped_by_its_worker(console, raw, url):
    with rq_releases.Library("2.6", url) as library, rq_releases.worker("2.6", url, ["low"], name="w") as worker:
        job = library.enqueue("low", "slow", 60)
        worker.wait_until(lambda: library.status(job) == "started")
        plan = planned(console, [JobChange("stop", job, "low", "started"), JobChange("stop", "no", "low", "started")])
        assert not plan.reversible
        outcome = apply(console, plan)
        assert outcome.rows == 1 and statuses(console, plan) == ["done", "left"]
        worker.wait_until(lambda: library.status(job) == "stopped")
        [done, _] = plan_steps.read(console.store, console.deployment, plan.id)
        assert done[2].startswith(f"Worker w ended job {job} after")


def test_without_a_redis_the_plan_says_so(console, raw):
    plan = planned(console, [JobChange("delete", "a", "low", "failed")])
    object.__setattr__(console.deployment, "settings", console.deployment.settings.with_(redis_url=None))
    with pytest.raises(Refused, match="No Redis is named"):
        apply(console, plan)


@pytest.mark.parametrize(
    ("action", "when"),
    [
        ("requeue", "after writing"),
        ("delete", "before writing"),
        ("delete", "after writing"),
        ("cancel", "after writing"),
    ],
)
def test_a_killed_console_is_settled_and_can_be_undone(console, raw, settings, url, action, when):
    state = "queued" if action == "cancel" else "failed"
    put_jobs(raw, state, names(350))
    before = snapshot(raw)
    plan = planned(console, [JobChange(action, job, "low", state) for job in names(350)])
    place = (
        ("redis_writing.Transaction", "commit") if when == "before writing" else ("queue_writes.QueueWriter", "_write")
    )
    program = f"""
import os, sys
from pathlib import Path
from console.config import Settings
from console.service import Console
from console.deployment import queue_writes, redis_writing
kind, name, calls = {place[0]}, {place[1]!r}, []
original = getattr(kind, name)
def killed(self, *given):
    calls.append(1)
    if len(calls) == 2 and {when == "before writing"}:
        os.kill(os.getpid(), 9)
    answer = original(self, *given)
    if len(calls) == 2:
        os.kill(os.getpid(), 9)
    return answer
setattr(kind, name, killed)
settings = Settings.load({{}}, database_url=sys.argv[1], redis_url=sys.argv[2], data_dir=Path(sys.argv[3]))
Console(settings).apply(sys.argv[4], by="t", reason="t", seen=sys.argv[5], verify=False)
"""
    arguments = [str(settings.database_url), url, str(settings.data_dir), plan.id, plan.fingerprint]
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=servers.ROOT, capture_output=True, timeout=30
    )
    assert ended.returncode == -9, ended.stderr.decode()
    [outcome] = console.recover()
    done = 350 if when == "after writing" else 200
    assert (outcome.status, outcome.rows) == ("applied", done)
    assert "The process stopped before all was done." in outcome.message
    undone = undo(console, plan)
    assert undone.rows == done, undone.message
    assert snapshot(raw) == before
