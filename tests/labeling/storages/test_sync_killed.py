"""`kill -9` anywhere in a sync, then another sync: no task is lost, none is made twice. Two syncs at once likewise."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from console.config import Settings
from console.deployment import Deployment
from console.errors import Refused
from console.labeling.storages import making, parts, status, sync
from console.service import Console
from tests.factories import BOTH_ENGINES
from tests.labeling.storages.conftest import Files

NUMBER = 30
#: What is called last, and the how manyth time.
MOMENTS = {
    "queued": (status, "queue", 1),
    "a part half stored": (parts.summary, "change", 2),
    "a part stored, not committed": (parts.webhooks, "announce", 3),
    "a part committed": (parts, "write", 2),
    "all parts committed": (parts, "finish", 1),
}


@pytest.fixture
def storage(files: Files) -> SimpleNamespace:
    one = {f"{number:02}.json": {"text": str(number)} for number in range(NUMBER)}
    return files(one | {"many.jsonl": b'{"text": "x"}\n' * 20})


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "_PART_TASKS", 7)


@BOTH_ENGINES
def test_nothing_is_lost_and_nothing_made_twice(
    settings: Settings, deployment: Deployment, session: Session, storage: SimpleNamespace
) -> None:
    for moment in MOMENTS.values():
        child = multiprocessing.get_context("fork").Process(target=killed_at, args=(settings, storage, *moment))
        child.start()
        child.join(30)
        assert child.exitcode == -signal.SIGKILL
        made = tasks(session, storage)
        assert len(made) == len(set(made))
    outcome = sync.run(deployment, storage.reference, job_id="next", is_dead=lambda job: job == "killed")
    assert outcome["status"] == "completed" and outcome["existed"] + outcome["tasks"] == NUMBER + 20
    need_each_once(session, storage)


@BOTH_ENGINES
def test_two_at_once_make_nothing_twice(deployment: Deployment, session: Session, storage: SimpleNamespace) -> None:
    """Even when both believe the other to be dead."""
    barrier = threading.Barrier(2)
    done: list[Any] = []

    def run() -> None:
        barrier.wait()
        try:
            done.append(sync.run(deployment, storage.reference, job_id="one", is_dead=lambda job: True)["tasks"])
        except Refused as refused:  # SQLite: somebody else writes for too long
            done.append(str(refused))

    both = [threading.Thread(target=run) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(60)
    assert len(done) == 2 and sum(number for number in done if isinstance(number, int)) == NUMBER + 20, done
    need_each_once(session, storage)


def test_a_sync_under_way_is_not_started_again(deployment: Deployment, storage: SimpleNamespace) -> None:
    with deployment.read() as reading:
        from console.deployment.storages import storage as find

        row = find(reading, deployment.schema, storage.reference)
    status.queue(deployment, row, job_id="first")
    with pytest.raises(Refused, match="queued since"):
        sync.run(deployment, storage.reference, job_id="second")


def killed_at(settings: Settings, storage: SimpleNamespace, module: Any, name: str, time: int) -> None:
    """In a child: sync until a function has been called for so many times, and die there."""
    called = 0
    function: Callable[..., Any] = getattr(module, name)

    def dying(*arguments: Any, **options: Any) -> Any:
        nonlocal called
        called += 1
        result = function(*arguments, **options)
        if called == time:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(module, name, dying)
    sync.run(Console(settings).deployment, storage.reference, job_id="killed", is_dead=lambda job: True)


def tasks(session: Session, storage: SimpleNamespace) -> list[tuple[str, int | None]]:
    session.rollback()
    found = session.execute(
        text("SELECT key, row_index FROM io_storages_localfilesimportstoragelink WHERE storage_id = :id"),
        {"id": storage.id},
    ).all()
    session.rollback()
    return [(row.key.rpartition("/")[2], row.row_index) for row in found]


def need_each_once(session: Session, storage: SimpleNamespace) -> None:
    expected = [(f"{number:02}.json", None) for number in range(NUMBER)] + [("many.jsonl", line) for line in range(20)]
    assert sorted(tasks(session, storage), key=str) == sorted(expected, key=str)
    rows = session.execute(
        text("SELECT inner_id FROM task WHERE project_id = :p ORDER BY id"), {"p": storage.project_id}
    ).all()
    assert [row.inner_id for row in rows] == list(range(1, NUMBER + 21))
    summary = session.execute(
        text("SELECT all_data_columns FROM projects_projectsummary WHERE project_id = :p"), {"p": storage.project_id}
    ).scalar()
    assert str(summary).replace("'", '"') == f'{{"text": {NUMBER + 20}}}'
    session.rollback()
