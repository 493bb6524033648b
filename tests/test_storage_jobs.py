"""Syncs and dry runs as jobs: their result, the report, the audit log, and what a dead process leaves."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from console import jobs
from console.service import Console
from console.state import audit, storage_reports
from console.state.models import AuditEvent, JobRow
from tests.labeling.storages.conftest import Files, files, s3, settings

__all__ = ["files", "s3", "settings"]
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
LOCAL = "io_storages_localfilesimportstorage"


@pytest.fixture
def inline(console: Console) -> Console:
    return Console(console.settings.with_(jobs="inline"))


def done(console: Console, kind: str, storage: SimpleNamespace, **arguments: Any) -> JobRow:
    job = jobs.start(console, kind, kind, {"storage": storage.reference, **arguments}, by="alice@example.com")
    return jobs.get(console.store, job.id)


def told(console: Console) -> list[tuple[str, int]]:
    with console.store.read() as session:
        return [(event.action, event.rows) for event in session.query(AuditEvent).order_by(AuditEvent.seq)]


def test_a_sync_is_audited_before_and_after(inline: Console, files: Files) -> None:
    storage = files({"a.json": [{"text": "x"}, {"text": "y"}]})
    job = done(inline, "sync", storage)
    assert (job.status, job.result["tasks"], job.result["status"]) == ("done", 2, "completed")
    assert told(inline) == [("started a sync", 0), ("synced a storage", 2)]
    (storage.directory / "b.txt").write_text("x")
    failed = done(inline, "sync", storage, user_id=1)
    assert failed.status == "failed" and "b.txt" in failed.error and "No task was made" in failed.error
    assert told(inline)[2:] == [("started a sync", 0), ("a sync did not complete", 0)]
    assert audit.verify(inline.store).ok


def test_a_dry_run_is_kept_as_the_report_of_its_storage(inline: Console, files: Files) -> None:
    storage = files({"a.json": {"text": "x"}, "b.jpg": b"x"})
    job = done(inline, "dry run", storage, options={"regex_filter": r".*\.json$"})
    assert job.result == {"storage": storage.reference, "listed": 2, "tasks": 1, "complete": True, "stopped": False}
    report = storage_reports.latest(inline.store, inline.deployment.identity, storage.reference, "dry run")
    assert report is not None and report.job_id == job.id and report.document["changed"] == ["pattern"]
    assert told(inline) == []
    assert done(inline, "dry run", storage, options={"what": 1}).status == "failed"


def test_a_sync_whose_process_died_is_settled_or_begun_again(inline: Console, session: Session, files: Files) -> None:
    storage = files({"a.json": {"text": "x"}})
    with inline.store.session() as state:
        state.add(JobRow(id="dead", kind="sync", title="", arguments={}, status="running", by="x", owner="elsewhere:1:1",
                         created_at=LONG_AGO, heartbeat_at=LONG_AGO, started_at=LONG_AGO))  # fmt: skip

    def leave() -> None:
        values = {"status": "in_progress", "last_sync_job": "dead", "meta": "{}"}
        session.execute(text(f"UPDATE {LOCAL} SET status=:status, last_sync_job=:last_sync_job, meta=:meta"), values)
        session.commit()

    leave()
    jobs.settle_rows(inline)
    statement = text(f"SELECT status, traceback FROM {LOCAL} WHERE localfilesmixin_ptr_id = :i")
    found = session.execute(statement, {"i": storage.id}).one()
    session.rollback()
    assert found.status == "failed" and "Sync again" in found.traceback
    leave()
    assert done(inline, "sync", storage).result["tasks"] == 1
    change = {"status": "in_progress", "last_sync_job": "somebody's"}
    session.execute(text(f"UPDATE {LOCAL} SET status=:status, last_sync_job=:last_sync_job, meta='{{}}'"), change)
    session.commit()
    refused = done(inline, "sync", storage)
    assert refused.status == "failed" and "in progress since" in refused.error
