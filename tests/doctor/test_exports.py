"""The story of a project's exports: each row with its job, its verdict and what helps."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis
from rq import SimpleWorker
from sqlalchemy.orm import Session

from console.config import Settings
from console.deployment import Deployment
from console.doctor import exports
from console.errors import NotFound
from console.service import Console
from tests.diagnostics.jobs.conftest import raw, redis_url, worker_on
from tests.diagnostics.under_way import (
    make_conversion,
    make_import,
    make_reimport,
    make_snapshot,
    put_job,
    start_job,
)

__all__ = ["raw", "redis_url", "worker_on"]


@pytest.fixture
def settings(settings: Settings, redis_url: str, raw: redis.Redis) -> Iterator[Settings]:
    return settings.with_(redis_url=redis_url)


def test_a_healthy_project(deployment: Deployment) -> None:
    [line] = exports.why(deployment, 1)
    assert (line.kind, line.id, line.state, line.verdict, line.is_wrong) == ("export", 1, "done", "It is done.", False)
    assert exports.why(deployment, 5) == []
    with pytest.raises(NotFound, match="no project 99"):
        exports.why(deployment, 99)


def test_rows_under_way_come_first(deployment: Deployment, session: Session, raw: redis.Redis) -> None:
    make_snapshot(session, status="failed")
    make_conversion(session, status="failed", traceback="OSError: [Errno 28] No space left on device")
    lost = make_snapshot(session)
    make_import(session)
    make_reimport(session)
    lines = exports.why(deployment, 1)
    assert [(line.kind, line.state, line.check, line.fix) for line in lines] == [
        ("export", "lost", "export.snapshot_stuck", "mark_failed"),
        ("import", "lost", "import.stuck", "mark_failed"),
        ("reimport", "lost", "import.reimport_stuck", "mark_failed"),
        ("export", "failed", "export.failed", ""),
        ("export", "done", "", ""),
        ("conversion", "failed", "export.failed", ""),
    ]
    assert lines[0].id == lost.id
    assert lines[0].verdict == (
        "It has been under way for 5 h 0 min, and no job of it is in Redis. Mark it failed and start it again."
    )
    assert "a disk is full" in lines[-1].verdict and lines[-1].title == "snapshot 1 as COCO"
    document = lines[0].document()
    assert document["is_wrong"] is True and document["begun"].endswith("+00:00") and document["ended"] is None


def test_nobody_takes_its_job(
    deployment: Deployment, session: Session, raw: redis.Redis, worker_on: Callable[..., SimpleWorker]
) -> None:
    put_job(raw, "export", 4711)
    job = put_job(raw, "export", make_snapshot(session).id)
    line = exports.why(deployment, 1)[0]
    assert (line.state, line.job, line.queue, line.waits_behind) == ("waits", job.id, "default", 1)
    assert line.check == "jobs.no_worker" and line.verdict.endswith(
        "on default for 5 h 0 min: no worker is alive. Start one."
    )
    worker_on("low", "high")
    line = exports.why(deployment, 1)[0]
    assert line.check == "jobs.queue_starved" and "1 live worker listens to other queues" in line.verdict
    raw.set("rq:suspended", 1)
    assert exports.why(deployment, 1)[0].check == "jobs.suspended"


def test_others_are_before_it(
    deployment: Deployment, session: Session, raw: redis.Redis, worker_on: Callable[..., SimpleWorker]
) -> None:
    worker = worker_on("default")
    start_job(raw, put_job(raw, "conversion", 4711), worker)
    put_job(raw, "export", 4712)
    put_job(raw, "export", make_snapshot(session, hours=0.1).id)
    line = exports.why(deployment, 1)[0]
    assert line.state == "waits" and not line.is_wrong
    assert line.verdict.endswith(
        "1 job is before it, and 1 of 1 workers are busy, one with conversion of a snapshot for 0 min."
    )


def test_a_worker_works_on_it(
    deployment: Deployment, session: Session, raw: redis.Redis, worker_on: Callable[..., SimpleWorker]
) -> None:
    job = put_job(raw, "export", make_snapshot(session).id)
    start_job(raw, job, worker_on("default", name="one"))
    line = exports.why(deployment, 1)[0]
    assert (line.state, line.verdict, line.is_wrong) == ("runs", "Its job runs on one for 0 min.", False)


def test_a_redis_that_does_not_answer(deployment: Deployment, session: Session) -> None:
    from console.deployment.queues import QueueReader

    make_snapshot(session)
    deployment.redis = QueueReader("redis://127.0.0.1:1/0", timeout_seconds=1)
    line = exports.why(deployment, 1)[0]
    assert (line.state, line.check) == ("unknown", "export.snapshot_stuck") and "127.0.0.1" in line.verdict


def test_values_that_label_studio_never_writes(deployment: Deployment, session: Session, raw: redis.Redis) -> None:
    make_snapshot(session, status="paused", title="")
    make_snapshot(session, status="completed", created_at="yesterday", finished_at="tomorrow")
    make_snapshot(session, created_at="never")
    states = [(line.state, line.is_wrong) for line in exports.why(deployment, 1)]
    assert states == [("lost", True), ("unknown", True), ("done", False), ("done", False)]


def test_a_row_that_was_marked_failed_here_says_so(console: Console, session: Session, raw: redis.Redis) -> None:
    lost = make_snapshot(session)
    [finding] = console.check(["export.snapshot_stuck"], by="test").findings
    plan = console.plan(finding, "mark_failed", by="test")
    console.apply(plan.id, by="carol@example.com", reason="T-1", verify=False)
    line = next(line for line in exports.why(console.deployment, 1, console.store) if line.id == lost.id)
    assert line.verdict == "Its job was lost, and it was marked failed here by carol@example.com. Make it again."
    assert (line.state, line.is_wrong) == ("failed", True)


def test_failures_that_are_over_need_nobody(deployment: Deployment, session: Session, raw: redis.Redis) -> None:
    old = make_snapshot(session, status="failed", hours=8 * 24, project_id=5)
    assert [(line.id, line.state, line.is_wrong) for line in exports.why(deployment, 5)] == [(old.id, "failed", False)]
    young = make_snapshot(session, status="failed", project_id=5)
    assert next(line for line in exports.why(deployment, 5) if line.id == young.id).is_wrong
    make_snapshot(session, status="completed", project_id=5)
    assert not any(line.is_wrong for line in exports.why(deployment, 5))
