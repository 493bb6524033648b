"""The API beside Label Studio's, in one run: same machine, same PostgreSQL, copies of the same database.

Label Studio 1.23.2 runs under gunicorn with two workers, the console as `lsconsole serve` does. Both write with
PostgreSQL's own durability. Each figure is the median of several requests; the CPU seconds are those of the whole
server side, PostgreSQL included.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import requests

from console.demo.processes import HOST, Child, free_port
from tests import servers
from tests.bench import floors
from tests.bench.cpu import cpu_seconds, parent_of, resident_megabytes
from tests.bench.generate import TEXT
from tests.twin import peer

ALICE = "select key from authtoken_token join htx_user on htx_user.id = user_id where email = 'alice@example.com'"
TASKS, ANNOTATED = 10_000, 2_000
CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="sentiment" toName="text">'
    '<Choice value="Positive"/><Choice value="Negative"/></Choices></View>'
)
VALUE = {"choices": ["Positive"]}
RESULT = [{"id": "r1", "type": "choices", "value": VALUE, "from_name": "sentiment", "to_name": "text"}]
JSON_BODY = {"Content-Type": "application/json"}


@dataclass
class Server:
    """One side: its address, its processes, its database, and the project the figures are taken on."""

    name: str
    url: str
    pids: tuple[int, ...]
    database: str
    session: requests.Session
    project: int = 0
    task: int = 0

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        answer = self.session.request(method, self.url + path, timeout=900, **options)
        if answer.status_code >= 400:
            sys.exit(f"{self.name}: {method} {path}: {answer.status_code} {answer.text[:400]}")
        return answer

    def cpu(self) -> float:
        return sum(cpu_seconds(pid) for pid in self.pids)

    def new_project(self, title: str) -> int:
        return int(self.call("POST", "/api/projects/", json={"title": title, "label_config": CONFIG}).json()["id"])

    def import_into(self, project: int, body: Any) -> None:
        self.call("POST", f"/api/projects/{project}/import", data=body, headers=JSON_BODY)

    def analyze(self) -> None:
        connection = psycopg2.connect(self.database)
        connection.autocommit = True
        connection.cursor().execute("vacuum analyze")
        connection.close()


@dataclass(frozen=True)
class Figure:
    """One line of the table: `ask` is one request; `inner` of them are timed together, CPU ticks being 10 ms long."""

    what: str
    target: str
    ask: Callable[[Server], Any]
    inner: int = 1
    rounds: int = 5
    their_rounds: int = 5


@dataclass(frozen=True)
class Taken:
    """Medians of one figure on one side: wall and CPU seconds of a request."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        if self.wall >= 1:
            return f"{self.wall:.2f} s (CPU {self.cpu:.2f} s)"
        return f"{self.wall * 1000:.0f} ms (CPU {self.cpu * 1000:.0f} ms)"


FIGURES = (
    Figure("list page of 100 tasks", "10 times",
           lambda one: one.call("GET", f"/api/tasks/?project={one.project}&page_size=100"), inner=10),
    Figure("one task with its annotations", "8 times", lambda one: one.call("GET", f"/api/tasks/{one.task}/"), inner=20),
    Figure("create an annotation", "6 times", lambda one: one.call(
        "POST", f"/api/tasks/{one.task}/annotations/", json={"result": RESULT, "lead_time": 1.5}), inner=20),
    Figure(f"export of {TASKS:,} tasks with annotation and prediction", "40 times",
           lambda one: one.call("GET", f"/api/projects/{one.project}/export?exportType=JSON"), rounds=3, their_rounds=1),
)  # fmt: skip
IMPORTS = (
    Figure(f"import of {TASKS:,} text tasks", "7 times, and within 2 of the COPY",
           lambda one: one.import_into(one.project, plain_tasks(TASKS)), rounds=3, their_rounds=3),
    Figure(f"import of {ANNOTATED:,} tasks with annotation and prediction", "10 times",
           lambda one: one.import_into(one.project, annotated_tasks(ANNOTATED)), rounds=3, their_rounds=3),
)  # fmt: skip


def run(most_tasks: int) -> None:
    """Print the table's rows."""
    os.environ["NO_PROXY"] = "*"
    with ExitStack() as stack:
        admin = stack.enter_context(servers.debian_postgres(durable=True))
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        theirs, ours = stack.enter_context(both(admin, Path(directory)))
        floor = floors.copy_tasks(ours.database, ours.new_project("floor"), TASKS)
        print(f"| COPY of {TASKS:,} task rows alone | | | {floor:.2f} s | |", flush=True)
        for figure in IMPORTS:
            for one in (theirs, ours):
                one.project = one.new_project("imports")
            compare(figure, theirs, ours, floor if "text" in figure.what else 0)
        for one in (theirs, ours):
            one.project = one.new_project("full")
            one.import_into(one.project, annotated_tasks(TASKS))
            one.analyze()
            page = one.call("GET", f"/api/tasks/?project={one.project}&page_size=100").json()
            one.task = page["tasks"][7]["id"]
        built = floors.build_json(ours.database, ours.project)
        print(f"| PostgreSQL building the JSON of {TASKS:,} tasks alone | | | {built:.2f} s | |", flush=True)
        for figure in FIGURES:
            compare(figure, theirs, ours)
        grown(ours, most_tasks)


def compare(figure: Figure, theirs: Server, ours: Server, floor: float = 0) -> None:
    """Measure one figure on both sides and print its line."""
    them = measure(theirs, figure, figure.their_rounds)
    us = measure(ours, figure, figure.rounds)
    ratio = f"{them.wall / us.wall:.0f} times, CPU {them.cpu / max(us.cpu, 1e-4):.0f} times"
    note = f"; {us.wall / floor:.1f} of the COPY" if floor else ""
    print(f"| {figure.what} | {figure.target} | {them} | {us} | {ratio}{note} |", flush=True)


def measure(server: Server, figure: Figure, rounds: int) -> Taken:
    walls, cpus = [], []
    if figure.inner > 1:
        figure.ask(server)  # both have answered this once
    for _ in range(rounds):
        before, started = server.cpu(), time.perf_counter()
        for _ in range(figure.inner):
            figure.ask(server)
        walls.append((time.perf_counter() - started) / figure.inner)
        cpus.append((server.cpu() - before) / figure.inner)
    return Taken(statistics.median(walls), statistics.median(cpus))


def grown(ours: Server, most: int) -> None:
    """What a large project does to us: memory of import and export, and a page far behind."""
    for count in (10_000, most):
        ours.project = ours.new_project(f"{count} tasks")
        seconds, megabytes = watched(ours, lambda count=count: ours.import_into(ours.project, stream(count)))
        print(
            f"| import of {count:,} tasks in one body | memory flat | | {seconds:.1f} s, server {megabytes:.0f} MB | |",
            flush=True,
        )
        ours.analyze()
        path = f"/api/projects/{ours.project}/export?exportType=JSON&download_all_tasks=true"
        seconds, megabytes = watched(ours, lambda path=path: drain(ours, path))
        print(
            f"| export of {count:,} tasks | memory flat | | {seconds:.1f} s, server {megabytes:.0f} MB | |", flush=True
        )
    pages = []
    for page in (1, 900):
        path = f"/api/tasks/?project={ours.project}&page_size=100&page={page}"
        pages.append(measure(ours, Figure("", "", lambda one, path=path: one.call("GET", path), inner=5), 5))
    print(f"| page 900 of 100, among {most:,} tasks | at most twice page 1 | | {pages[1]}, page 1 {pages[0]} |"
          f" {pages[1].wall / pages[0].wall:.1f} of page 1 |", flush=True)  # fmt: skip


def plain_tasks(count: int) -> bytes:
    return json.dumps([{"data": {"text": f"{number} {TEXT}"}} for number in range(count)]).encode()


def annotated_tasks(count: int) -> bytes:
    one = {
        "annotations": [{"result": RESULT}],
        "predictions": [{"result": RESULT, "score": 0.5, "model_version": "v1"}],
    }
    return json.dumps([{"data": {"text": f"{number} {TEXT}"}} | one for number in range(count)]).encode()


def stream(count: int) -> Iterator[bytes]:
    """A JSON list of tasks, made while it is sent."""
    yield b"["
    for first in range(0, count, 500):
        items = ",".join(f'{{"data": {{"text": "{one} {TEXT}"}}}}' for one in range(first, min(first + 500, count)))
        yield (b"," if first else b"") + items.encode()
    yield b"]"


def drain(server: Server, path: str) -> None:
    """Read an answer to its end without keeping it."""
    with server.session.get(server.url + path, stream=True, timeout=900) as answer:
        if answer.status_code != 200:
            sys.exit(f"{path}: {answer.status_code} {answer.text[:300]}")
        for _ in answer.iter_content(2**20):
            pass


def watched(server: Server, work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds of some work, and the most resident megabytes of the server meanwhile."""
    seen, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            seen.append(resident_megabytes(server.pids[0]))

    thread = threading.Thread(target=watch)
    thread.start()
    started = time.perf_counter()
    try:
        work()
    finally:
        seconds = time.perf_counter() - started
        done.set()
        thread.join()
    return seconds, max(seen)


@contextmanager
def both(admin: str, directory: Path) -> Iterator[tuple[Server, Server]]:
    """Label Studio and the console, each on a copy of the 1.23.2 dump."""
    connection = psycopg2.connect(admin)
    postmaster = parent_of(connection.info.backend_pid)
    connection.close()
    with ExitStack() as stack:
        pair = []
        for name, start in (("Label Studio", label_studio), ("console", console)):
            database, port = servers.load_dump(admin, "1.23.2"), free_port()
            home = directory / name.replace(" ", "-")
            home.mkdir()
            child = start(database, port, home)
            stack.callback(child.stop)
            child.wait_for_port(port, seconds=120)
            session = requests.Session()
            session.headers["Authorization"] = f"Token {token(database)}"
            pair.append(Server(name, f"http://{HOST}:{port}", (child.pid, postmaster), database, session))
        yield pair[0], pair[1]


def token(database: str) -> str:
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(ALICE)
        return str(cursor.fetchone()[0])  # type: ignore[index]


def label_studio(database: str, port: int, home: Path) -> Child:
    python = peer.python()
    if python is None:
        sys.exit("LSCONSOLE_TEST_LABEL_STUDIO names no virtual environment; `make bench` makes one and sets it.")
    server = urlsplit(database)
    package = next(python.parents[1].glob("lib/*/site-packages/label_studio"))
    environment = {
        **peer.SHARED_ENVIRONMENT, "DJANGO_SETTINGS_MODULE": "core.settings.label_studio", "DJANGO_DB": "default",
        "BASE_DATA_DIR": str(home), "POSTGRE_HOST": str(server.hostname), "POSTGRE_PORT": str(server.port),
        "POSTGRE_USER": str(server.username), "POSTGRE_NAME": server.path[1:], "LOG_LEVEL": "ERROR", "PYTHONPATH": str(package),
    }  # fmt: skip
    command = [str(python.with_name("gunicorn")), "--workers", "2", "--timeout", "900", "--bind", f"{HOST}:{port}",
               "--chdir", str(package), "core.wsgi:application"]  # fmt: skip
    return Child("Label Studio", command, home / "log", environment=environment)


def console(database: str, port: int, home: Path) -> Child:
    environment = {
        "LSCONSOLE_DATABASE_URL": database, "LSCONSOLE_DATA_DIR": str(home), "LSCONSOLE_BIND": f"{HOST}:{port}",
        "LSCONSOLE_JOBS": "inline", "LABEL_STUDIO_BASE_DATA_DIR": str(home), "SECRET_KEY": peer.SECRET_KEY,
        "DATA_UPLOAD_MAX_MEMORY_SIZE": str(2**31), "SSRF_PROTECTION_ENABLED": "false",
    }  # fmt: skip
    return Child("console", [sys.executable, "-m", "console.cli", "serve"], home / "log", environment=environment)
