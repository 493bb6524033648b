"""What maintenance costs everybody else: a steady load of reads and writes, with and without VACUUM or REINDEX beside it.

The load comes at a fixed rate from processes of their own, so that a slow answer does not hide the ones behind it: an
operation that starts late counts from the moment it was due. Quiet stretches and maintenance take turns in one run.
"""

from __future__ import annotations

import multiprocessing
import random
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2

from console.config import Settings
from console.deployment import Deployment
from console.maintenance.run import GENTLE, Limits, attempt
from tests import servers
from tests.bench.generate import generate

CLIENTS = 3
#: Operations of one client in a second.
RATE = 40.0
ROUNDS = 2
QUIET_SECONDS = 10.0
#: Of so many tasks and annotations one is changed before each piece of work, which makes dead rows.
CHANGED_EVERY = 4
#: Full speed, as VACUUM runs when nobody says otherwise.
FAST = Limits(cost_delay_ms=0)

Sample = tuple[float, float]
Show = Callable[[str, str, str], None]


def run(tasks: int, show: Show) -> None:
    """Measure and show the rows of the table."""
    with servers.debian_postgres(durable=True) as admin, tempfile.TemporaryDirectory() as directory:
        url = servers.load_dump(admin, "1.23.2")
        made = generate(url, tasks=tasks)
        deployment = Deployment.attach(Settings.load({}, database_url=url, data_dir=Path(directory)))
        stretches: dict[str, list[tuple[float, float]]] = defaultdict(list)
        with load(url, made["tasks"]) as samples, waits_for_us(url) as waited:
            time.sleep(5)
            for _ in range(ROUNDS):
                for name, work in _works(deployment).items():
                    _make_dead_rows(url)
                    _quiet(stretches["quiet"])
                    _timed(stretches[name], work)
        deployment.close()
    _report(stretches, samples, made, show)
    show("longest wait of another session for a lock of ours", "under 2 s", f"{waited[0] * 1000:.0f} ms")


def _works(deployment: Deployment) -> dict[str, Callable[[], Any]]:
    def done(limits: Limits, action: str, table: str) -> None:
        outcome = attempt(deployment, action, table, limits=limits)
        if not outcome.done:
            raise SystemExit(outcome.told)

    return {
        "VACUUM (ANALYZE), gentle": lambda: [
            done(GENTLE, "vacuum_analyze", name) for name in ("task", "task_completion")
        ],
        "VACUUM (ANALYZE), full speed": lambda: [
            done(FAST, "vacuum_analyze", name) for name in ("task", "task_completion")
        ],
        "REINDEX CONCURRENTLY": lambda: done(GENTLE, "reindex_table", "task_completion"),
    }


def _quiet(stretches: list[tuple[float, float]]) -> None:
    _timed(stretches, lambda: time.sleep(QUIET_SECONDS))


def _timed(stretches: list[tuple[float, float]], work: Callable[[], Any]) -> None:
    started = time.monotonic()
    work()
    stretches.append((started, time.monotonic()))


def _make_dead_rows(url: str) -> None:
    """Change rows in a bulk, then let the disk come to rest."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        for table, column in (("task", "overlap"), ("task_completion", "result_count")):
            cursor.execute(f"update {table} set {column} = {column} where id % {CHANGED_EVERY} = 0")
    connection.close()
    connection = psycopg2.connect(url)
    connection.autocommit = True
    connection.cursor().execute("checkpoint")
    connection.close()
    time.sleep(3)


@contextmanager
def waits_for_us(url: str) -> Iterator[list[float]]:
    """The longest time, in seconds, that a session was seen waiting for a lock which maintenance held."""
    longest, over = [0.0], threading.Event()
    since: dict[int, float] = {}
    connection = psycopg2.connect(url)
    connection.autocommit = True

    def look() -> None:
        cursor = connection.cursor()
        while not over.wait(0.05):
            cursor.execute(
                "select l.pid from pg_locks l where not l.granted and exists (select from pg_stat_activity a"
                " where a.pid = any (pg_blocking_pids(l.pid)) and a.application_name = 'lsconsole-maintenance')"
            )
            now, waiting = time.monotonic(), {pid for (pid,) in cursor.fetchall()}
            for pid in waiting:
                longest[0] = max(longest[0], now - since.setdefault(pid, now))
            for pid in since.keys() - waiting:
                del since[pid]

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield longest
    finally:
        over.set()
        thread.join()
        connection.close()


@contextmanager
def load(url: str, tasks: int) -> Iterator[list[Sample]]:
    """Other people at work; the list fills with (moment it was due, seconds it took) at the end."""
    samples: list[Sample] = []
    stop = multiprocessing.Event()
    answers: Any = multiprocessing.Queue()
    people = [
        multiprocessing.Process(target=_client, args=(url, tasks, number, stop, answers)) for number in range(CLIENTS)
    ]
    for person in people:
        person.start()
    try:
        yield samples
    finally:
        stop.set()
        collector = threading.Thread(target=lambda: [samples.extend(answers.get()) for _ in people])
        collector.start()
        collector.join(60)
        for person in people:
            person.join(10)


def _client(url: str, tasks: int, number: int, stop: Any, answers: Any) -> None:
    chance = random.Random(number)
    connection = psycopg2.connect(url)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("select max(id) from task")
    last = cursor.fetchone()[0]
    samples: list[Sample] = []
    due = time.monotonic()
    while not stop.is_set():
        due += 1 / RATE
        time.sleep(max(0.0, due - time.monotonic()))
        _operation(cursor, last - chance.randrange(tasks), chance.random())
        samples.append((due, time.monotonic() - due))
    connection.close()
    answers.put(samples)


def _operation(cursor: Any, task: int, chance: float) -> None:
    """A page of tasks, a task with its annotations, or a saved annotation with its counter."""
    if chance < 0.3:
        cursor.execute("select id, data, total_annotations from task where id between %s and %s", [task, task + 30])
        cursor.fetchall()
    elif chance < 0.7:
        cursor.execute(
            "select t.id, t.data, a.id, a.result from task t join task_completion a on a.task_id = t.id where t.id = %s",
            [task],
        )
        cursor.fetchall()
    else:
        cursor.execute("begin")
        cursor.execute("update task_completion set lead_time = lead_time + 1 where task_id = %s", [task])
        cursor.execute("update task set total_annotations = total_annotations where id = %s", [task])
        cursor.execute("commit")


def _report(
    stretches: dict[str, list[tuple[float, float]]], samples: list[Sample], made: dict[str, int], show: Show
) -> None:
    taken = {
        name: [seconds for due, seconds in samples if any(start <= due <= end for start, end in parts)]
        for name, parts in stretches.items()
    }
    quiet = _percentile(taken["quiet"], 99)
    size = f"{made['tasks']:,} tasks, {made['annotations']:,} annotations, {CLIENTS * RATE:.0f} operations a second"
    for name, seconds in taken.items():
        p50, p99 = _percentile(seconds, 50), _percentile(seconds, 99)
        spent = sum(end - start for start, end in stretches[name])
        more = "" if name == "quiet" else f", {100 * (p99 / quiet - 1):+.0f} %"
        target = size if name == "quiet" else "p99 within +15 %, nobody waits over 2 s"
        show(f"other sessions, {name} ({spent:.0f} s)", target,
             f"p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms{more}, longest {max(seconds) * 1000:.0f} ms")  # fmt: skip


def _percentile(seconds: list[float], percent: int) -> float:
    return statistics.quantiles(seconds, n=100, method="inclusive")[percent - 1]
