import sqlite3
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import pytest

from console.errors import NotApplicable, Refused
from console.maintenance import advice, leftovers, sqlite
from console.maintenance.preview import preview
from console.maintenance.run import attempt, run

HOLD = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute(sys.argv[2])
connection.execute("select count(*) from task").fetchone()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def engine() -> str:
    return "sqlite"


@pytest.fixture
def path(deployment) -> str:
    return deployment.engine.url.database


@pytest.fixture
def roomy(path) -> int:
    """The file with 20 MB of free pages; its size."""
    with sqlite3.connect(path) as connection:
        connection.execute("create table heap (t text)")
        connection.execute(
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)"
            " insert into heap select hex(randomblob(500)) from n"
        )
        connection.execute("drop table heap")
    connection.close()
    return sqlite3.connect(path).execute("pragma page_count").fetchone()[0] * 4096


@pytest.fixture
def hold(path):
    """Start another process that holds the file in a transaction."""
    started = []

    def begin(words: str) -> subprocess.Popen:
        child = subprocess.Popen([sys.executable, "-c", HOLD, path, words], stdout=subprocess.PIPE)
        started.append(child)
        assert child.stdout.readline() == b"held\n"
        return child

    yield begin
    for child in started:
        child.kill()
        child.wait()


def test_vacuum_gives_free_pages_back(deployment, roomy, path):
    seen = preview(deployment, "sqlite_vacuum")
    assert seen.allowed and seen.disk_bytes == 2 * seen.size_bytes and seen.command.startswith("sqlite3 ")
    assert any("free pages" in words for words in seen.warnings)
    told = []
    outcome = run(deployment, "sqlite_vacuum", progress=lambda *words: told.append(words))
    assert outcome.done and outcome.after.total_bytes < outcome.before.total_bytes / 2
    assert told[0][0] == 0 and told[-1][0] == told[-1][1]
    assert sqlite.integrity(deployment).problems == ()


def test_analyze_counts_the_file(deployment):
    assert not sqlite.has_statistics(deployment)
    assert run(deployment, "sqlite_analyze").done
    assert sqlite.has_statistics(deployment)


def test_the_advisor_asks_for_statistics_once(deployment, roomy):
    assert [item.step.action for item in advice.advice(deployment)] == ["sqlite_analyze"]
    run(deployment, "sqlite_analyze")
    assert advice.advice(deployment) == []


def test_vacuum_is_refused_while_others_hold_the_file(deployment, hold):
    hold("begin")
    assert "python" in sqlite.journal(deployment).held_by[0]
    with pytest.raises(Refused, match="Stop Label Studio first"):
        run(deployment, "sqlite_vacuum")


def test_a_locked_file_is_given_up_after_some_attempts(deployment, hold, monkeypatch):
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.1)
    monkeypatch.setattr(sqlite, "ATTEMPTS", 2)
    hold("begin immediate")
    outcome = attempt(deployment, "sqlite_analyze")
    assert (outcome.status, outcome.attempts) == ("gave_up", 2) and "writes to the file" in outcome.told


def test_vacuum_is_refused_without_room(deployment, monkeypatch):
    room = namedtuple("room", "f_bavail f_frsize")
    monkeypatch.setattr(sqlite.os, "statvfs", lambda place: room(1, 4096))
    with pytest.raises(Refused, match="of free disk and there is"):
        run(deployment, "sqlite_vacuum")


def test_a_stop_interrupts_and_leaves_the_file_as_it_was(deployment, roomy, path):
    before = sqlite3.connect(path).execute("pragma page_count").fetchone()
    started = time.monotonic()
    outcome = attempt(deployment, "sqlite_vacuum", stopped=lambda: True)
    assert outcome.status == "stopped" and time.monotonic() - started < 10
    assert sqlite3.connect(path).execute("pragma page_count").fetchone() == before


def test_a_sound_file_and_a_dangling_row(deployment, path):
    assert sqlite.integrity(deployment, quick=False).problems == ()
    assert sqlite.foreign_keys(deployment).total == 0
    with sqlite3.connect(path) as connection:
        connection.execute("update task set project_id = 987654 where id = (select min(id) from task)")
    found = sqlite.foreign_keys(deployment)
    assert found.total == 1 and found.problems[0].startswith("task row") and found.complete


def test_a_damaged_file_is_told_not_raised(deployment, path, roomy):
    with Path(path).open("r+b") as file:
        file.seek(4096 * 40)
        file.write(b"\x00broken" * 4000)
    found = sqlite.integrity(deployment)
    assert found.problems and found.complete


def test_looking_ends_in_time(deployment, roomy):
    found = sqlite.integrity(deployment, quick=False, seconds=0.0)
    assert not found.complete and found.seconds < 1


def test_the_journal_is_told(deployment, roomy):
    state = sqlite.journal(deployment)
    assert state.mode in {"delete", "wal"} and state.free_bytes > 10 * 2**20 and state.pages * state.page_bytes >= roomy


def test_what_is_postgresqls_is_not_for_a_file(deployment):
    with pytest.raises(Refused, match="not for SQLite"):
        run(deployment, "vacuum", "task")
    with pytest.raises(NotApplicable):
        leftovers.leftovers(deployment)
