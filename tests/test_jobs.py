"""The same work on a queue of Redis, on threads and inside the request; nothing waits for the dead."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis as redis_client
from rq import Callback, Queue
from rq.serializers import JSONSerializer
from sqlalchemy import select, update

from console import job_kinds, jobs
from console.diagnostics import Check, Severity, registry
from console.errors import NotFound, Refused
from console.service import Console
from console.state.models import JobRow, Run
from console.state.store import this_process
from tests import servers
from tests.diagnostics.planned import tasks_of
from tests.servers import ROOT


@pytest.fixture(scope="module")
def queue_url() -> Iterator[str]:
    with servers.redis_server() as url:
        yield url


@pytest.fixture
def queued(console: Console, queue_url: str) -> Console:
    redis_client.Redis.from_url(queue_url).flushall()
    return Console(console.settings.with_(jobs="rq", queue_url=queue_url))


def worker(console: Console, *options: str, **others: str) -> subprocess.Popen[bytes]:
    """`others` are more variables of its environment."""
    settings = console.settings
    environment = {
        "PATH": os.environ["PATH"], "LSCONSOLE_DATABASE_URL": str(settings.database_url),
        "LSCONSOLE_DATA_DIR": str(settings.data_dir), "LSCONSOLE_QUEUE_URL": str(settings.queue_url), **others,
    }  # fmt: skip
    command = [sys.executable, "-m", "console.cli", "worker", *options]
    return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def until(console: Console, job_id: str, *states: str, seconds: float = 30) -> JobRow:
    deadline = time.monotonic() + seconds
    while True:
        job = jobs.get(console.store, job_id)
        if job.status in states:
            return job
        assert time.monotonic() < deadline, f"still {job.status}: {job.error}"
        time.sleep(0.05)


def start(console: Console, names: tuple[str, ...] = ("auth",)) -> JobRow:
    return jobs.start(console, "checks", "Checks", {"names": list(names)}, by="test")


def runs_of(console: Console) -> list[str]:
    with console.store.read() as session:
        return list(session.scalars(select(Run.id)))


@pytest.mark.parametrize("mode", ["inline", "threads"])
def test_checks_run_without_redis(console, mode):
    there = Console(console.settings.with_(jobs=mode))
    job = until(there, start(there).id, "done")
    assert job.done == job.total == len(registry.by_area()["auth"])
    assert runs_of(there) == [job.result["run"]]
    assert job.result["summary"]["error"] == 1
    assert job.owner is None and job.finished_at is not None
    there.close()


def test_checks_run_on_a_worker(queued, queue_url):
    job = start(queued)
    assert jobs.get(queued.store, job.id).status == "queued"
    child = worker(queued, "--burst")
    assert child.wait(60) == 0, child.stdout.read().decode()
    done = jobs.get(queued.store, job.id)
    assert (done.status, done.error) == ("done", "")
    assert runs_of(queued) == [done.result["run"]]


def test_a_record_from_a_stranger_runs_no_code(queued, queue_url, tmp_path):
    """Whatever a record on our queue names or holds, the worker runs its own function on it, and unpickles nothing."""
    link, mark = redis_client.Redis.from_url(queue_url), tmp_path / "mark"
    pickled, named = Queue("lsconsole", connection=link), Queue("lsconsole", connection=link, serializer=JSONSerializer)
    pickled.enqueue("os.mkdir", str(mark))
    named.enqueue("os.mkdir", str(mark))
    named.enqueue("os.getcwd", on_success=Callback("tests.test_jobs.worker"), on_failure=Callback("os.abort"))
    job = start(queued)
    child = worker(queued, "--burst")
    assert child.wait(60) == 0, child.stdout.read().decode()
    assert not mark.exists()
    assert jobs.get(queued.store, job.id).status == "done"


def test_label_studios_redis_holds_none_of_our_keys(console, queue_url):
    with servers.redis_server() as label_studio:
        there = Console(console.settings.with_(jobs="rq", queue_url=queue_url, redis_url=label_studio))
        start(there)
        child = worker(there, "--burst")
        child.wait(60)
        assert redis_client.Redis.from_url(label_studio).keys("*") == []
        there.close()


def test_a_job_that_vanished_from_the_queue_does_not_wait_for_ever(queued, queue_url):
    kept, lost, new = (start(queued) for _ in range(3))
    with queued.store.session() as session:
        for job in (kept, lost):
            session.get_one(JobRow, job.id).created_at -= timedelta(minutes=5)
    queue = redis_client.Redis.from_url(queue_url)
    queue.delete(f"rq:job:{lost.id}", f"rq:job:{new.id}")
    jobs.settle_waiting(queued)
    assert [jobs.get(queued.store, job.id).status for job in (kept, lost, new)] == ["queued", "failed", "queued"]
    away = Console(queued.settings.with_(queue_url="redis://127.0.0.1:1/0"))
    jobs.settle_waiting(away)
    assert jobs.get(queued.store, kept.id).status == "queued", "nobody knows while Redis is away"


def test_a_queue_that_does_not_answer_is_refused_and_nothing_waits(console):
    there = Console(console.settings.with_(jobs="rq", queue_url="redis://:hunter2secret@127.0.0.1:1/0"))
    with pytest.raises(Refused, match="LSCONSOLE_QUEUE_URL") as caught:
        start(there)
    assert "hunter2secret" not in str(caught.value)
    assert jobs.running(there.store) == []
    nowhere = Console(console.settings.with_(jobs="rq", queue_url=None))
    with pytest.raises(Refused, match="names no Redis"):
        start(nowhere)
    child = worker(there)
    told = child.communicate(timeout=30)[0].decode()
    assert child.returncode == 2 and "does not answer" in told and "Traceback" not in told


def test_a_job_cancelled_while_it_waits_never_begins(queued):
    job = start(queued)
    jobs.cancel(queued.store, job.id)
    assert jobs.get(queued.store, job.id).status == "cancelled"
    worker(queued, "--burst").wait(60)
    assert jobs.get(queued.store, job.id).status == "cancelled"
    assert runs_of(queued) == []


@pytest.fixture
def slow_check(monkeypatch: pytest.MonkeyPatch) -> str:
    """A check that takes its time, one of the registry's for this test."""

    def slow(ctx):
        time.sleep(20)
        yield from ()

    check = Check("tests.slow", "Slow", Severity.INFO, slow, "")
    known = registry._checks() | {"tests.slow": check}
    monkeypatch.setattr(registry, "_checks", lambda: known)
    return check.code


def test_a_job_cancelled_while_it_runs_stops_and_keeps_what_it_had(console, slow_check):
    there = Console(console.settings.with_(jobs="threads"))
    job = start(there, ("auth", slow_check))
    deadline = time.monotonic() + 10
    while jobs.get(there.store, job.id).done < len(registry.by_area()["auth"]):
        assert time.monotonic() < deadline, "progress was not saved"
        time.sleep(0.05)
    running = jobs.get(there.store, job.id)
    assert running.status == "running" and running.label == slow_check and running.heartbeat_at is not None
    speed, left = jobs.rate(running)
    assert speed > 0 and left > 0
    jobs.cancel(there.store, job.id)
    stopped = until(there, job.id, "cancelled", seconds=10)
    assert "their answers are kept" in stopped.error
    assert len(runs_of(there)) == 1
    there.close()


def test_progress_is_saved_while_somebody_asks_for_a_stop(console):
    """Asking whether to stop must not keep the numbers from being written."""
    console.store  # noqa: B018
    job = _row(console, status="running", owner=this_process())
    progress = jobs.Progress(console.store, job.id)
    for done in range(4):
        assert not progress.cancelled()
        progress(done, 10, f"step {done}")
        time.sleep(jobs.SAVE_EVERY_SECONDS + 0.05)
    assert jobs.get(console.store, job.id).done >= 2


def test_a_killed_worker_leaves_a_job_that_says_so(queued):
    held = sqlite3.connect(queued.settings.database_url.removeprefix("sqlite:///"), isolation_level=None)
    held.execute("begin exclusive")  # the job waits for the database
    child = worker(queued)
    try:
        job = start(queued)
        running = until(queued, job.id, "running")
        os.kill(int(running.owner.rsplit(":", 2)[1]), signal.SIGKILL)
        ended = until(queued, job.id, "failed", seconds=5)
        assert "process that ran it ended" in ended.error
        assert jobs.running(queued.store) == []
    finally:
        held.close()
        child.send_signal(signal.SIGKILL)
        child.wait()


def test_jobs_of_the_dead_are_settled_whatever_their_mode(console):
    host, pid, started = this_process().rsplit(":", 2)
    dead, elsewhere = f"{host}:{pid}:{int(started) + 1}", f"elsewhere:{pid}:{started}"
    gone = [_row(console, status=status, owner=dead).id for status in ("running", "queued")]
    silent = _row(console, status="running", owner=elsewhere, heartbeat_at=datetime.now(UTC) - timedelta(hours=1)).id
    busy = _row(console, status="running", owner=elsewhere, heartbeat_at=datetime.now(UTC)).id
    waiting = _row(console, status="queued", owner=None).id
    assert [job.id for job in jobs.running(console.store)] == [busy, waiting]
    for job_id in (*gone, silent):
        job = jobs.get(console.store, job_id)
        assert job.status == "failed" and "process that ran it ended" in job.error and job.finished_at


def test_a_job_runs_once_even_when_it_is_delivered_twice(console):
    there = Console(console.settings.with_(jobs="inline"))
    job = start(there)
    jobs.perform(there, job.id)
    assert len(runs_of(there)) == 1


def test_a_job_that_fails_tells_why_without_a_secret(console, monkeypatch):
    def fails(console, job, progress):
        raise RuntimeError("postgresql://u:hunter2secret@h/db")

    monkeypatch.setitem(job_kinds.KINDS, "checks", fails)
    there = Console(console.settings.with_(jobs="inline"))
    job = jobs.get(there.store, start(there).id)
    assert job.status == "failed" and "RuntimeError" in job.error and "hunter2secret" not in job.error


def test_a_repair_goes_shard_by_shard_and_may_be_started_again(console, session, monkeypatch):
    monkeypatch.setattr("console.repair.SHARD_IDS", 100)
    project_id, ids = tasks_of(console, session, 250)
    task = console.deployment.schema.table("task")
    session.execute(update(task).where(task.c.id.in_(ids)).values(total_annotations=3))
    session.commit()
    there = Console(console.settings.with_(jobs="inline"))
    arguments = {
        "code": "tasks.counters_drift",
        "fix": "recount",
        "subject": f"project:{project_id}",
        "reason": "ticket",
    }
    first = jobs.get(there.store, jobs.start(there, "repair", "Repair", arguments, by="test").id)
    assert (first.status, first.error) == ("done", "")
    assert first.result["rows"] == 250 and len(first.result["plans"]) == 3
    again = jobs.get(there.store, jobs.start(there, "repair", "Repair", arguments, by="test").id)
    assert again.result == {"rows": 0, "plans": []}
    there.close()


def test_unknown_jobs(console):
    with pytest.raises(NotFound):
        jobs.get(console.store, "nope")
    with pytest.raises(NotFound):
        jobs.cancel(console.store, "nope")


def test_results_are_plain_data(console):
    there = Console(console.settings.with_(jobs="inline"))
    job = jobs.get(there.store, start(there).id)
    assert json.loads(json.dumps(job.result)) == job.result


def _row(console: Console, **values) -> JobRow:
    row = JobRow(id=jobs.new_id(), kind="checks", title="t", arguments={}, by="test", created_at=datetime.now(UTC),
                 started_at=datetime.now(UTC), result=None, **values)  # fmt: skip
    with console.store.session() as session:
        session.add(row)
    return row
