"""Syncs and dry runs of storages, beside Label Studio's syncs of the same bucket into the same PostgreSQL.

The bucket is `tests.s3_server` in a process of its own: moto takes longer for a GET than either side needs for a task.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from console.config import Settings
from console.deployment.buckets import Page, Reach, open_bucket
from console.deployment.storages import storages
from console.labeling.storages import dry_run
from console.service import Console
from tests import servers
from tests.bench.api import Server, both
from tests.s3_server import KEY_ID, SECRET

FILES, TASKS = 5_000, 1_000
ROUNDS = 5
OBJECTS = (100_000, 1_000_000)


def run() -> None:
    """Print the table's rows."""
    os.environ["NO_PROXY"] = "*"
    with ExitStack() as stack:
        admin = stack.enter_context(servers.debian_postgres(durable=True))
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        theirs, ours = stack.enter_context(both(admin, directory))
        with bucket(10, "f/%07d.jpg", "%d") as endpoint:
            for one in (theirs, ours):  # both have done this once
                one.project = one.new_project("first")
                synced(one, new_storage(one, endpoint, True), 10)
        with bucket(FILES, "f/%07d.jpg", "%d") as endpoint:
            what = f"sync of {FILES:,} objects as files"
            compare(what, "40 times", theirs, ours, endpoint, files=True, listing=listed(endpoint)[0])
        with bucket(TASKS, "f/%07d.json", '{"text": "%d"}') as endpoint:
            compare(f"sync of {TASKS:,} JSON objects", "10 times", theirs, ours, endpoint, files=False)
        for count in OBJECTS:
            with bucket(count, "f/%07d.jpg", "") as endpoint:
                look(ours.database, directory, endpoint, count)


def compare(
    what: str, target: str, theirs: Server, ours: Server, endpoint: str, *, files: bool, listing: float = 0
) -> None:
    """Sync, then sync again with nothing new, on both sides; ours is the median of several."""
    first, again = [], []
    for one, rounds in ((theirs, 1), (ours, ROUNDS)):
        one.project = one.new_project(what)
        made = [new_storage(one, endpoint, files) for _ in range(rounds)]
        expected = FILES if files else TASKS
        first.append(statistics.median(synced(one, storage, expected) for storage in made))
        again.append(statistics.median(synced(one, storage, 0) for storage in made))
    for named, (them, us), wanted in ((what, first, target), (f"{what}, nothing new", again, "LIST alone")):
        beside = f"; LIST alone {listing:.2f} s" if listing and named != what else ""
        print(f"| {named} | {wanted} | {them:.2f} s | {us:.2f} s | {them / us:.0f} times{beside} |", flush=True)


def new_storage(one: Server, endpoint: str, files: bool) -> int:
    body = {
        "project": one.project, "title": "bench", "bucket": "data", "s3_endpoint": endpoint, "region_name": "us-east-1",
        "aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET, "use_blob_urls": files, "recursive_scan": True,
    }  # fmt: skip
    return int(one.call("POST", "/api/storages/s3/", json=body).json()["id"])


def synced(one: Server, storage: int, expected: int) -> float:
    """Seconds from the request until the storage says that it is completed."""
    started = time.perf_counter()
    answer = one.call("POST", f"/api/storages/s3/{storage}/sync").json()
    while answer["status"] in {"queued", "in_progress"}:
        time.sleep(0.01)
        answer = one.call("GET", f"/api/storages/s3/{storage}").json()
    seconds = time.perf_counter() - started
    if answer["status"] != "completed" or answer["last_sync_count"] != expected:
        sys.exit(f"{one.name}: {answer['status']}, {answer['last_sync_count']} tasks: {answer['traceback']}")
    return seconds


def look(database: str, directory: Path, endpoint: str, count: int) -> None:
    """A dry run of many objects in a process of its own: its rate once listed, and what memory it takes."""
    command = [sys.executable, "-m", "tests.bench.sync", database, str(directory), endpoint]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=servers.ROOT)
    told: dict[str, Any] = json.loads(done.stdout)
    if told["tasks"] != count:
        sys.exit(f"the dry run saw {told}")
    listing = told["listing"]
    own = told["seconds"] - listing
    print(
        f"| dry run of {count:,} objects with a filter | 20,000 a second once listed, memory flat | |"
        f" {told['seconds']:.1f} s, of which LIST {listing:.1f} s; {told['megabytes']:.0f} MB |"
        f" {count / own:,.0f} a second |", flush=True
    )  # fmt: skip


def listed(endpoint: str) -> tuple[float, int]:
    """Seconds of reading the listing alone, and how many objects it has."""
    opened = open_bucket("s3", _row(endpoint), Reach.of(Settings.load({"SSRF_PROTECTION_ENABLED": "false"})))
    started = time.perf_counter()
    number = sum(len(page.objects) for page in opened.pages(None, True))
    opened.close()
    return time.perf_counter() - started, number


@contextmanager
def bucket(objects: int, key: str, body: str) -> Iterator[str]:
    """An S3 with so many objects; yields its address."""
    command = [sys.executable, "-m", "tests.s3_server", "--objects", str(objects), "--key", key, "--body", body]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=servers.ROOT)
    try:
        assert child.stdout is not None
        yield child.stdout.readline().strip()
    finally:
        child.kill()
        child.wait()


def _row(endpoint: str) -> dict[str, Any]:
    return {
        "bucket": "data", "prefix": None, "region_name": "us-east-1", "s3_endpoint": endpoint,
        "aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET, "aws_session_token": None,
    }  # fmt: skip


def _look(database: str, directory: str, endpoint: str) -> None:
    """In a process of its own: a dry run of the newest S3 storage's project, over this bucket."""
    environment = {"SSRF_PROTECTION_ENABLED": "false"}
    console = Console(Settings.load(environment, database_url=database, data_dir=Path(directory) / "look"))
    with console.deployment.read() as session:
        *_, storage = storages(session, console.deployment.schema, prefixes=["s3"])
    opened = open_bucket("s3", _row(endpoint), Reach.of(console.settings))
    options = dry_run.Options(prefix="", recursive=True, regex_filter=r".*\.(jpg|png)$", use_blob_urls=True)
    listing, pages = 0.0, opened.pages

    def timed(prefix: str | None, recursive: bool) -> Iterator[Page]:
        nonlocal listing
        found = pages(prefix, recursive)
        while True:
            started = time.perf_counter()
            page = next(found, None)
            listing += time.perf_counter() - started
            if page is None:
                return
            yield page

    opened.pages = timed  # type: ignore[method-assign]
    started = time.perf_counter()
    seen = dry_run.look(console.deployment, storage, opened, options=options)
    seconds = time.perf_counter() - started
    print(json.dumps({"tasks": seen["new"]["tasks"], "seconds": seconds, "listing": listing, "megabytes": _memory()}))


def _memory() -> float:
    """Most megabytes that were ever resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    _look(*sys.argv[1:4])
