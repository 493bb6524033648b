"""The reader of queues on a registry of 200,000 failed jobs: pages, filters, groups, one job."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import redis

from console.deployment.queues import Filter, QueueReader
from tests import servers
from tests.many_jobs import SYNC, job_id, many_failed

JOBS = 200_000
ROUNDS = 7
GOAL = "under 300 ms"


def rows(jobs: int = JOBS) -> Iterator[tuple[str, str, str]]:
    """What was asked, the goal, and the median of several askings."""
    with servers.redis_server() as url:
        raw = redis.Redis.from_url(url)
        many_failed(raw, jobs)
        name = f"{jobs:,} failed jobs"
        reader = QueueReader(url)
        page = "low", "failed"
        yield f"queues: first page of {name}", GOAL, median(lambda: reader.page(*page))
        yield "queues: a page in the middle", GOAL, median(lambda: reader.page(*page, offset=jobs // 2))
        yield "queues: the oldest page", GOAL, median(lambda: reader.page(*page, newest_first=False))
        yield "queues: one job with arguments and places", GOAL, median(lambda: reader.detail(job_id(jobs // 2)))
        yield "queues: all queues and workers", GOAL, median(reader.queues)
        yield from filters(reader, jobs)
        reader.close()


def filters(reader: QueueReader, jobs: int) -> Iterator[tuple[str, str, str]]:
    """The first question and the wait until all is known, then every kind of question about all of them."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    found = reader.search("low", "failed", Filter(function="import_sync"))
    first = (time.perf_counter() - began) * 1000
    yield (
        "queues: the first filter, nothing known yet",
        GOAL,
        f"{first:.0f} ms, the newest {found.looked_at:,} looked at",
    )
    slowest = 0.0
    while not found.complete:
        time.sleep(0.5)
        asked = time.perf_counter()
        found = reader.search("low", "failed", Filter(function="import_sync"))
        slowest = max(slowest, (time.perf_counter() - asked) * 1000)
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    seen = f"{time.perf_counter() - began:.0f} s, {more:.0f} MB; the slowest answer meanwhile {slowest:.0f} ms"
    yield "queues: until all are known, asked twice a second", "", seen
    for what, wanted in (
        ("by function", Filter(function="import_sync")), ("by text of the error", Filter(text="lock timeout")),
        ("by a text that is nowhere", Filter(text="no such words")), ("by project", Filter(project_id=77)),
        ("by storage and error", Filter(storage="s3:4", text="AccessDenied")),
        ("by group", Filter(function=SYNC, error="ValueError: task N has no data")),
    ):  # fmt: skip
        matched = reader.search("low", "failed", wanted).matched
        took = median(lambda wanted=wanted: reader.search("low", "failed", wanted))
        yield f"queues: filter {what} ({matched:,} fit)", GOAL, took
    day = datetime.now(UTC) - timedelta(days=1)
    yield "queues: groups by function and error", GOAL, median(lambda: reader.groups("low", since=day))


def median(ask: Callable[[], Any]) -> str:
    """Of the time that passed, with the slowest and how much of it was work of the asking thread."""
    taken, worked = [], []
    for _ in range(ROUNDS):
        began, started = time.perf_counter(), time.thread_time()
        ask()
        taken.append((time.perf_counter() - began) * 1000)
        worked.append((time.thread_time() - started) * 1000)
    return f"{statistics.median(taken):.0f} ms (slowest {max(taken):.0f}; {statistics.median(worked):.0f} at work)"
