"""`make bench`: the figures of the README's performance section, taken anew on this machine.

`python -m tests.bench --tasks 100000` for a quicker look.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import event, select

from console.app import build
from console.config import Settings
from console.deployment.models import Task
from console.service import Console
from tests import servers
from tests.bench import api, bloat, maintenance, matrix, queues, sync
from tests.bench.generate import generate

PEOPLE = ("alice@example.com", "Fixture-Pass-1")
ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument(
        "--only", choices=("pages", "api", "sync", "bloat", "maintenance", "queues"), help="a part of the figures"
    )
    chosen = parser.parse_args()
    print(f"Machine: {machine()}\n")
    if chosen.only in (None, "sync"):
        print(
            "| storages | target | Label Studio 1.23.2 | LS Console | ratio |\n| --- | --- | --- | --- | --- |",
            flush=True,
        )
        sync.run()
        print()
    if chosen.only in (None, "api"):
        print(
            "| API | target | Label Studio 1.23.2 | LS Console | ratio |\n| --- | --- | --- | --- | --- |", flush=True
        )
        api.run(chosen.tasks)
        print()
    if chosen.only in (None, "bloat"):
        print("| database | target | seen |\n| --- | --- | --- |", flush=True)
        bloat.run()
        bloat.reading()
        print()
    if chosen.only in (None, "maintenance"):
        print("| maintenance | target | seen |\n| --- | --- | --- |", flush=True)
        maintenance.run(min(chosen.tasks, 300_000), show)
        print()
    if chosen.only in (None, "queues"):
        print("| queues | target | seen |\n| --- | --- | --- |", flush=True)
        for row in queues.rows():
            show(*row)
        print()
    if chosen.only in (None, "pages"):
        look(chosen.tasks)


def look(tasks: int) -> None:
    """Checks and pages, on the dump and on a deployment of many tasks."""
    print("| what | target | seen |\n| --- | --- | --- |", flush=True)
    with servers.debian_postgres() as admin, tempfile.TemporaryDirectory() as directory:
        small = servers.load_dump(admin, "1.23.2")
        seconds, megabytes = command(small, Path(directory))
        show(
            "`lsconsole check`, 1.23.2 dump, start-up included (median of 5)",
            "under 3 s",
            f"{seconds:.1f} s, {megabytes:.0f} MB",
        )
        for row in matrix.rows(small, Path(directory) / "matrix"):
            show(*row)
        large = servers.load_dump(admin, "1.23.2")
        started = time.monotonic()
        made = generate(large, tasks=tasks)
        size = f"{made['tasks']:,} tasks, {made['annotations']:,} annotations"
        show(f"generating {size}", "", f"{time.monotonic() - started:.0f} s")
        seconds, megabytes = command(large, Path(directory), rounds=3)
        show(
            f"`lsconsole check`, all checks, {size} (median of 3)",
            "under 60 s and 300 MB",
            f"{seconds:.1f} s, {megabytes:.0f} MB",
        )
        pages(large, Path(directory))


def command(url: str, directory: Path, rounds: int = ROUNDS) -> tuple[float, float]:
    """Median wall seconds and the most resident megabytes of a full `lsconsole check`."""
    taken = []
    environment = os.environ | {"LSCONSOLE_DATA_DIR": str(directory / "data")}
    for _ in range(rounds):
        started = time.monotonic()
        done = subprocess.run([sys.executable, "-m", "console.cli", "check", "--database-url", url, "--format", "json"],
                              capture_output=True, env=environment, check=False)  # fmt: skip
        taken.append(time.monotonic() - started)
        if done.returncode not in (0, 1, 3):
            sys.exit(f"check failed: {done.stderr.decode()}")
    return statistics.median(taken), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def pages(url: str, directory: Path) -> None:
    """Server time and statements of the pages on the large deployment, signed in."""
    settings = Settings.load({}, database_url=url, data_dir=directory / "web", admins=(PEOPLE[0],), jobs="inline")
    console = Console(settings)
    console.check(by="bench")
    app = build(settings, console=console)
    counted: list[str] = []
    event.listen(console.deployment.engine, "before_cursor_execute", lambda *args: counted.append(args[2]))
    with console.deployment.read() as session:
        task = session.scalar(select(Task.id).order_by(Task.id.desc()).limit(1))
    client = app.test_client()
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/sign-in").text)
    client.post("/sign-in", data={"email": PEOPLE[0], "password": PEOPLE[1], "csrf_token": token[1] if token else ""})
    paths = {
        "overview": "/", "findings": "/findings", "checks": "/checks", "symptoms": "/symptoms", "jobs": "/jobs", "audit": "/audit",
        "users": "/records/user/", "projects": "/records/project/", "tasks": "/records/task/",
        "annotations": "/records/annotation/", "storages": "/storages", "database": "/database/",
        "database: indexes": "/database/indexes", "database: one table": "/database/table?name=task",
        "one user": "/records/user/details/?id=1", "one project of 50,000 tasks": "/records/project/details/?id=6",
        "one task": f"/records/task/details/?id={task}", "one storage": "/storages/s3:1", "search by e-mail": "/search?q=alice",
    }  # fmt: skip
    for name, path in paths.items():
        taken, statements = [], 0
        for _ in range(ROUNDS):
            counted.clear()
            started = time.perf_counter()
            answer = client.get(path)
            taken.append((time.perf_counter() - started) * 1000)
            statements = len(counted)
        status = "" if answer.status_code == 200 else f" (status {answer.status_code})"
        show(
            f"page: {name}",
            "under 250 ms" if name.startswith("database") else "under 250 ms, at most 4 statements",
            f"{statistics.median(taken):.0f} ms, {statements} statements{status}",
        )
    console.close()


def show(what: str, target: str, seen: str) -> None:
    print(f"| {what} | {target} | {seen} |", flush=True)


def machine() -> str:
    """Cores, memory and processor, as a reader needs them to compare."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return f"{os.cpu_count()} cores, {memory:.0f} GB, {model[1] if model else platform.machine()}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
