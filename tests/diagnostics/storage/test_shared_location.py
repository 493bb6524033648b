"""storage.shared_location: what targets write and sources read, by the sources' own rules."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.config import Settings
from console.diagnostics import Finding, Severity
from console.diagnostics.check import Context, Scope
from console.diagnostics.storage.shared_location import shared_location
from console.service import Console
from tests.diagnostics.storage.sources import make_links, make_source, make_target, narrowed, set_columns
from tests.factories import BOTH_ENGINES, change_row


def pair(session: Session, ctx: Context, source: dict[str, Any], target: dict[str, Any]) -> SimpleNamespace:
    """A source and a target; `ctx` is narrowed to the source."""
    made = make_source(session, **{"bucket": "photos"} | source)
    make_target(session, **{"bucket": "photos", "project_id": made.project_id} | target)
    return narrowed(ctx, made)


def found(ctx: Context) -> Finding:
    [finding] = shared_location.run(ctx)
    return finding


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ({"prefix": "a"}, {"prefix": "a/"}), ({"prefix": "a/"}, {"prefix": "a"}), ({"prefix": ""}, {"prefix": None}),
        ({"prefix": "a"}, {"prefix": "a/out"}), ({"prefix": None}, {"prefix": "out"}), ({"prefix": "/a"}, {"prefix": "a"}),
        ({"regex_filter": ".*"}, {}), ({"s3_endpoint": "http://minio:9000"}, {"s3_endpoint": "http://minio:9000/"}),
        ({"use_blob_urls": True}, {}),
    ],
)  # fmt: skip
def test_a_source_that_takes_what_a_target_writes(
    ctx: Context, session: Session, source: dict[str, Any], target: dict[str, Any]
) -> None:
    storage = pair(session, ctx, source, target)
    finding = found(ctx)
    assert (finding.subject, finding.severity) == (storage.subject, Severity.ERROR)
    assert "writes its annotations" in finding.summary


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ({"prefix": "a"}, {"prefix": "b"}), ({"prefix": "a"}, {"prefix": "a-out"}), ({"prefix": "Out"}, {"prefix": "out"}),
        ({}, {"bucket": "exports"}), ({"s3_endpoint": "http://minio:9000"}, {"s3_endpoint": "http://minio:9001"}),
        ({}, {"synchronizable": False}),
    ],
)  # fmt: skip
def test_places_apart_are_healthy(
    ctx: Context, session: Session, source: dict[str, Any], target: dict[str, Any]
) -> None:
    pair(session, ctx, source, target)
    assert list(shared_location.answers(ctx)) == []


@pytest.mark.parametrize(
    ("source", "target"),
    [({"regex_filter": r".*\.json$"}, {}), ({"prefix": "a", "recursive_scan": False}, {"prefix": "a/out"})],
)
def test_apart_by_filter_or_recursion_alone(
    ctx: Context, session: Session, source: dict[str, Any], target: dict[str, Any]
) -> None:
    pair(session, ctx, source, target)
    assert found(ctx).severity == Severity.WARNING


def test_a_target_above_a_source_is_a_note(ctx: Context, session: Session) -> None:
    pair(session, ctx, {"prefix": "a/in"}, {"prefix": "a"})
    assert found(ctx).severity == Severity.INFO


@BOTH_ENGINES
def test_the_filter_can_be_narrowed(console: Console, ctx: Context, session: Session) -> None:
    storage = pair(session, ctx, {"prefix": "a", "regex_filter": ".*"}, {"prefix": "a"})
    make_links(session, storage, ["a/1"])
    change_row(session, "task", _task_of(session, storage), data={"result": [], "completed_by": {"id": 1}})
    finding = found(ctx)
    assert finding.summary.endswith("; 1 of its tasks look like exported annotations")
    assert finding.fixes == ("narrow_filter",)
    plan = console.plan(finding, "narrow_filter", by="test")
    console.apply(plan.id, by="test", reason="x", seen=plan.fingerprint)
    assert found(ctx).severity == Severity.WARNING
    ctx.close()
    console.undo(plan.id, by="test", reason="x")
    assert found(ctx) == finding


class TestTargetsThatHoldTasks:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.with_(targets_hold_tasks=True)

    def test_their_names_end_in_json(self, ctx: Context, session: Session) -> None:
        pair(session, ctx, {"regex_filter": r".*\.json$"}, {})
        finding = found(ctx)
        assert finding.severity == Severity.ERROR and finding.fixes == ()


def test_two_projects_on_one_place_are_a_note_at_the_younger(ctx: Context, session: Session) -> None:
    first = make_source(session, bucket="photos", prefix="a")
    second = make_source(session, bucket="photos", prefix="a/")
    narrowed(ctx, first)
    assert list(shared_location.answers(ctx)) == []
    narrowed(ctx, second)
    finding = found(ctx)
    assert finding.severity == Severity.INFO and f"s3:{first.id} of project" in finding.summary


def test_local_files(ctx: Context, session: Session) -> None:
    set_columns(session, "io_storages_localfilesmixin", "id", 2, path="/tmp/ls-files/ner/out/")
    set_columns(session, "io_storages_localfilesmixin", "id", 1, regex_filter=None)
    set_columns(session, "io_storages_localfilesimportstorage", "localfilesmixin_ptr_id", 1, recursive_scan=True)
    ctx.scope = Scope(storage="localfiles:1")
    assert found(ctx).severity == Severity.ERROR


def _task_of(session: Session, storage: SimpleNamespace) -> int:
    link = session.info["schema"].table("io_storages_s3importstoragelink")
    return session.query(link.c.task_id).filter(link.c.storage_id == storage.id).scalar()
