"""Many storages as one job: several at a time, each kept, a stop that stops, and one that breaks hides no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from console import jobs
from console.config import Settings
from console.deployment.storages import Storage
from console.doctor import matrix, matrix_jobs
from console.errors import NotFound
from console.service import Console
from console.state import storage_reports
from tests.doctor.conftest import storage_of
from tests.s3_server import Cors, S3Server


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Jobs inside the request."""
    return replace(settings, jobs="inline")


@pytest.fixture
def s3() -> Iterator[S3Server]:
    with S3Server() as server:
        server.bucket("data", {"img/a.png": b"png"}, cors=[Cors()])
        yield server


def many(s3: S3Server, number: int) -> list[Storage]:
    return [replace(storage_of("s3", s3.row("data", prefix="img")), id=1000 + n) for n in range(number)]


def test_every_storage_is_looked_at_and_kept(console: Console, s3: S3Server) -> None:
    told: list[tuple[int, int, str]] = []
    looked = matrix_jobs.look_at(
        console.deployment, console.store, many(s3, 20), by="ana", progress=lambda *args: told.append(args)
    )
    assert looked == {"done": 20, "total": 20, "failed": 0}
    kept = storage_reports.all_latest(console.store, console.deployment.identity, "matrix")
    assert len(kept) == 20 and {row.document["worst"] for row in kept.values()} == {"ok"}
    assert told[0] == (0, 20, "") and told[-1][:2] == (20, 20)
    assert [line[0] for line in told] == sorted(line[0] for line in told)


def test_a_stop_ends_it_after_those_under_way(console: Console, s3: S3Server) -> None:
    s3.buckets["data"].faults["LIST"] = "slow"
    s3.slow_seconds = 0.3
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    started = time.monotonic()
    looked = matrix_jobs.look_at(console.deployment, console.store, many(s3, 60), by="ana", stopped=stop.is_set)
    assert looked["done"] < 60 and time.monotonic() - started < 5


def test_one_that_breaks_us_hides_no_other(console: Console, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    true_look = matrix.look

    def look(deployment: Any, storage: Storage, **others: Any) -> matrix.Matrix:
        if storage.id == 1001:
            raise ZeroDivisionError("secret words")
        return true_look(deployment, storage, **others)

    monkeypatch.setattr(matrix, "look", look)
    looked = matrix_jobs.look_at(console.deployment, console.store, many(s3, 3), by="ana")
    assert looked["done"] == 3
    kept = storage_reports.latest(console.store, console.deployment.identity, "s3:1001", "matrix")
    assert kept is not None and "error of its own (ZeroDivisionError)" in str(kept.document)
    assert "secret words" not in str(kept.document)


def test_the_job_of_all_takes_sources_and_targets(console: Console) -> None:
    row = jobs.get(console.store, jobs.start(console, "matrix", "Look at all", {}, by="ana").id)
    assert row.status == "done", row.error
    kept = storage_reports.all_latest(console.store, console.deployment.identity, "matrix")
    assert len(kept) == row.result["done"] == row.total > 5 and {"s3:1", "s3-export:1"} <= set(kept)
    assert all(report.job_id == row.id and report.by == "ana" for report in kept.values())


def test_the_job_of_a_project_takes_its_own(console: Console) -> None:
    with console.deployment.read():
        wanted = matrix_jobs.wanted(console.deployment, project_id=1)
    assert {storage.row["project_id"] for storage in wanted} == {1}


def test_a_storage_that_is_not_there(console: Console) -> None:
    with pytest.raises(NotFound):
        matrix_jobs.wanted(console.deployment, reference="s3:999")
    row = jobs.get(console.store, jobs.start(console, "matrix", "Look", {"storage": "s3:999"}, by="ana").id)
    assert row.status == "failed" and "There is no storage s3:999" in row.error
