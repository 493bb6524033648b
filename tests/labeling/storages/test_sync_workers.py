"""A large sync spread over two real workers, one of which dies."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from console import jobs, storage_jobs
from console.labeling.storages import sync
from console.service import Console
from console.state.models import JobRow
from tests import servers
from tests.factories import ON_POSTGRESQL
from tests.labeling.storages.conftest import Files
from tests.test_jobs import worker

OBJECTS = 2_100


@pytest.fixture
def queued(console: Console) -> Iterator[Console]:
    with servers.redis_server() as url:
        there = Console(console.settings.with_(jobs="rq", queue_url=url))
        yield there
        there.close()


@ON_POSTGRESQL
def test_two_workers_share_a_sync_and_one_dies(queued: Console, session: Session, files: Files) -> None:
    storage = files({f"{number:05}.json": {"text": str(number)} for number in range(OBJECTS)})
    children = [worker(queued, LOCAL_FILES_SERVING_ENABLED="true"), worker(queued, LOCAL_FILES_SERVING_ENABLED="true")]
    try:
        job = jobs.start(queued, "sync", "Sync", {"storage": storage.reference}, by="alice@example.com")
        owners: set[str] = set()
        killed = ""
        deadline = time.monotonic() + 90
        while (now := jobs.get(queued.store, job.id)).status in {"queued", "running"}:
            assert time.monotonic() < deadline, now.label
            for owner in portions_under_way(queued):
                owners.add(owner)
                if not killed and owner != now.owner:
                    killed = owner
                    with suppress(ProcessLookupError):
                        os.kill(int(owner.rsplit(":", 2)[1]), signal.SIGKILL)
            time.sleep(0.03)
    finally:
        for child in children:
            child.send_signal(signal.SIGKILL)
            child.wait()
    assert now.status == "done", now.error
    assert killed and len(owners) >= 2
    assert now.result is not None and now.result["tasks"] + now.result["linked"] >= OBJECTS
    session.rollback()
    made = session.execute(
        text(
            "SELECT count(*), count(DISTINCT key) FROM io_storages_localfilesimportstoragelink WHERE storage_id = :id"
        ),
        {"id": storage.id},
    ).one()
    assert tuple(made) == (OBJECTS, OBJECTS)
    numbered = "SELECT min(inner_id), max(inner_id), count(DISTINCT inner_id) FROM task WHERE project_id = :p"
    numbers = session.execute(text(numbered), {"p": storage.project_id}).one()
    assert tuple(numbers) == (1, OBJECTS, OBJECTS)
    assert not jobs.running(queued.store) and not portions(queued)


def test_one_worker_is_enough(
    console: Console, session: Session, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job that spreads the portions does them itself when nobody else takes them."""
    monkeypatch.setattr(sync, "PORTION_OBJECTS", 4)
    monkeypatch.setattr(jobs, "_enqueue", lambda console, job_id: None)
    storage = files({f"{number}.json": {"text": str(number)} for number in range(10)} | {"z.json": b"no"})
    there = Console(console.settings.with_(jobs="rq", queue_url="redis://127.0.0.1:1/0"))
    job = jobs.start(there, "sync", "Sync", {"storage": storage.reference}, by="alice@example.com")
    jobs.perform(there, job.id)
    ended = jobs.get(there.store, job.id)
    assert ended.status == "failed" and "z.json" in ended.error and "10 tasks were made before" in ended.error
    assert not portions(there)
    there.close()


def portions(console: Console) -> list[JobRow]:
    with console.store.read() as session:
        return list(session.scalars(select(JobRow).where(JobRow.kind == storage_jobs.PORTION)))


def portions_under_way(console: Console) -> list[str]:
    return [str(row.owner) for row in portions(console) if row.status == "running" and row.owner]
