"""The demo's processes end with it, however it ends, and its directory serves the next start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
from redis import Redis

from console import demo

START = """
import sys, time
from pathlib import Path
from console import demo
running = demo.start(Path(sys.argv[1]), scenario="no-workers")
print("up", flush=True)
time.sleep(600)
"""


def family(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def wait_until_gone(processes: list[psutil.Process], seconds: float) -> None:
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    assert not [process.cmdline() for process in alive if process.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lsconsole-demo-") as path:
        Path(path).chmod(0o711)  # as root, PostgreSQL runs as a user who has to get there
        yield Path(path)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_nothing_outlives_the_demo(directory: Path, how: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", START, str(directory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
        text=True,
    )
    assert parent.stdout and parent.stdout.readline() == "up\n"
    started = family(parent.pid)
    assert len(started) > 6
    parent.send_signal(how)
    parent.wait(10)
    wait_until_gone(started, 8)


def test_stop_ends_everything_and_the_next_start_is_quick(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "LOCK_SECONDS", 0.2)
    before = set(family(psutil.Process().pid))
    began = time.monotonic()
    with demo.start(directory, scenario="no-workers") as running:
        took = time.monotonic() - began
        started = [process for process in family(psutil.Process().pid) if process not in before]
        assert Redis.from_url(running.redis_url).scard("rq:workers") == 0
        assert "jobs.no_worker" in {fault.code for fault in running.faults}
        with psycopg2.connect(running.database_url) as connection, connection.cursor() as cursor:
            cursor.execute("UPDATE htx_user SET email = lower(email) WHERE id = 4")
        connection.close()
        with pytest.raises(demo.DemoError, match="Another demo runs"):
            demo.start(directory)
    assert not [process for process in started if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert took < 20, "the database was restored before; a start plants the faults alone"


def test_keep_leaves_repairs_and_turns_storages_to_the_new_server(directory: Path) -> None:
    with demo.start(directory, keep=True, scenario="no-workers") as running:
        connection = psycopg2.connect(running.database_url)
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT email FROM htx_user WHERE id = 4")
            assert cursor.fetchone() == ("dave.okafor@example.com",)
            local = "s3_endpoint LIKE 'http://127.%'"
            cursor.execute(f"SELECT DISTINCT s3_endpoint FROM io_storages_s3importstorage WHERE {local}")
            assert cursor.fetchall() == [(running.s3_endpoint,)]
            cursor.execute("SELECT DISTINCT port FROM io_storages_redisstoragemixin")
            [(port,)] = cursor.fetchall()
            with Redis(port=int(port), db=1) as held:
                assert len(held.keys("calls:*")) == 10
            cursor.execute("SELECT key FROM io_storages_localfilesimportstoragelink")
            assert all(Path(key).is_file() for (key,) in cursor.fetchall())
            cursor.execute("SELECT relname FROM pg_stat_user_tables WHERE n_dead_tup > 100000")
            assert cursor.fetchall() == [("io_storages_s3importstoragelink",)]
        connection.close()


def test_a_fork_cannot_stop_the_demo_of_its_parent(deployment: demo.Deployment) -> None:
    fork = os.fork()
    if fork == 0:
        deployment.stop()
        os._exit(0)
    os.waitpid(fork, 0)
    assert Redis.from_url(deployment.redis_url).ping()
