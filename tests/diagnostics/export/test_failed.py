"""export.failed: what failed, why, and nothing that a later export made good."""

from __future__ import annotations

import pytest
import redis
from rq import Queue, SimpleWorker
from sqlalchemy.orm import Session

from console.config import Settings
from console.diagnostics.check import Context
from console.diagnostics.export.failed import failed
from console.diagnostics.row_failures import of_export
from tests.diagnostics.under_way import FUNCTIONS, make_conversion, make_snapshot
from tests.factories import BOTH_ENGINES

KEY_ERROR = "Traceback (most recent call last):\n  File \"converter.py\", line 895\nKeyError: 'original_width'\n"


@BOTH_ENGINES
def test_a_conversion_tells_its_reason(ctx: Context, session: Session) -> None:
    assert failed.run(ctx) == []
    conversion = make_conversion(session, status="failed", traceback="x" * 30_000 + KEY_ERROR + "token=hunter2secret")
    [finding] = failed.run(ctx)
    assert finding.subject == "project:1"
    assert finding.summary == f"Conversion {conversion.id} failed: a region is broken: it lacks a coordinate or a size"
    assert finding.cause.endswith("See export.converter_keyerror.")
    assert "hunter2" not in str(finding)


def test_a_snapshot_has_none(ctx: Context, session: Session) -> None:
    make_snapshot(session, status="failed", hours=30)
    newest = make_snapshot(session, status="failed")
    [finding] = failed.run(ctx)
    assert finding.summary == (
        f"Snapshot {newest.id} failed: no reason is kept: look into the log of the server or worker; 1 more failed before"
    )


def test_what_a_later_one_made_good(ctx: Context, session: Session) -> None:
    make_snapshot(session, status="failed")
    make_conversion(session, status="failed")
    make_snapshot(session, status="completed", hours=1)
    make_conversion(session, status="completed", export_type="YOLO")
    [finding] = failed.run(ctx)
    assert [row["what"] for row in finding.evidence] == ["conversion"]
    make_conversion(session, status="completed")
    assert failed.run(ctx) == []


def test_old_failures_are_history(ctx: Context, session: Session) -> None:
    make_snapshot(session, status="failed", hours=24 * 15)
    assert failed.run(ctx) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Work-horse terminated unexpectedly; waitpid returned 9 (signal 9);", "memory"),
        ("rq.timeouts.JobTimeoutException: Task exceeded maximum timeout value (180 seconds)", "timeout"),
        ("OSError: [Errno 28] No space left on device", "disk"),
        ("PermissionError: [Errno 13] Permission denied: '/label-studio/data/export/1'", "rights"),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/label-studio/data/media/export/1/a.json'", "no file"),
        ("rest_framework.exceptions.ValidationError: [ErrorDetail(string='No converted file found, probably there are no "
         "annotations in the export snapshot', code='invalid')]", "nothing to convert"),
        ("KeyError: 'image'", "key of the data"),
        ("TypeError: unsupported operand type(s) for *: 'NoneType' and 'int'", "regions"),
        ("django.core.exceptions.ObjectDoesNotExist.RelatedObjectDoesNotExist: User has no auth_token.", "owner without token"),
        ("RuntimeError: something new", "other"),
        ("", "nothing"),
        (None, "nothing"),
    ],
)  # fmt: skip
def test_known_failures(text: str | None, name: str) -> None:
    assert of_export(text).name == name


class TestWithRedis:
    @pytest.fixture
    def settings(self, with_redis: Settings) -> Settings:
        return with_redis

    def test_the_text_of_its_job(self, ctx: Context, session: Session, raw: redis.Redis) -> None:
        snapshot = make_snapshot(session, status="failed")
        queue = Queue("default", connection=raw)
        queue.enqueue(too_long, description=f"{FUNCTIONS['export'][1]}({snapshot.id}, None)")
        SimpleWorker([queue], connection=raw).work(burst=True)
        [finding] = failed.run(ctx)
        assert finding.summary == f"Snapshot {snapshot.id} failed: it took longer than its job may"


def too_long() -> None:
    raise TimeoutError("Task exceeded maximum timeout value (10800 seconds)")
