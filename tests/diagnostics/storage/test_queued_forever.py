"""storage.queued_forever: rows whose job is gone, and none whose job waits."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from console.config import Settings
from console.deployment.storages import KINDS
from console.diagnostics import Finding, NotApplicable, Unknown
from console.diagnostics.check import Context, Scope
from console.diagnostics.storage.queued_forever import queued_forever
from console.service import Console
from tests.diagnostics.storage.sources import document, make_source, set_columns
from tests.factories import BOTH_ENGINES, ON_POSTGRESQL
from tests.round_trip import assert_round_trip

JOB = "5f0c6a52-6d0e-4a7e-9f5b-6a1d6f1f2c11"
Queued = Callable[..., SimpleNamespace]


@pytest.fixture
def with_redis(settings: Settings, redis_url: str, keys: Any) -> Settings:
    return settings.with_(redis_url=redis_url)


@pytest.fixture
def queued(session: Session, ctx: Context) -> Queued:
    """A storage queued for so many minutes; narrows `ctx` to it."""

    def make(minutes: float = 190.5, **columns: Any) -> SimpleNamespace:
        time = str(datetime.now(UTC) - timedelta(minutes=minutes))
        values = {"status": "queued", "meta": {"attempts": 2, "time_queued": time}, **columns}
        storage = make_source(session, **values)
        ctx.scope = Scope(storage=storage.subject.removeprefix("storage:"))
        return storage

    return make


@pytest.mark.parametrize(
    ("engine", "version", "refused"),
    [("postgresql", "1.23.2", True), ("sqlite", "1.23.2", False), ("sqlite", "1.13.1", False)],
)
def test_another_click_does_nothing_only_where_it_is_refused(ctx: Context, queued: Queued, refused: bool) -> None:
    queued()
    [finding] = queued_forever.run(ctx)
    assert isinstance(finding, Finding)
    assert ("another click on Sync does nothing" in finding.impact) is refused


@BOTH_ENGINES
def test_no_redis_and_no_job(console: Console, ctx: Context, queued: Queued) -> None:
    storage = queued()
    [finding] = queued_forever.run(ctx)
    assert finding.subject == storage.subject
    assert finding.summary == "Queued for 3 h 10 min, and no job was started for it"
    assert_round_trip(console, ctx, queued_forever, "mark_failed", finding)


def test_a_target_too(console: Console, ctx: Context, queued: Queued) -> None:
    storage = queued(table="io_storages_s3exportstorage", last_sync_job=JOB)
    [finding] = queued_forever.run(ctx)
    assert finding.subject == f"storage:s3-export:{storage.id}"
    assert finding.summary.endswith("and no Redis is attached that could hold its job")
    assert_round_trip(console, ctx, queued_forever, "mark_failed", finding)


@pytest.mark.parametrize("table", ["io_storages_gcsimportstorage", "io_storages_localfilesexportstorage"])
def test_the_state_of_the_others_stands_in_the_child_table(
    console: Console, ctx: Context, session: Session, table: str
) -> None:
    word = table.removeprefix("io_storages_").removesuffix("importstorage").removesuffix("exportstorage")
    key = f"{word}mixin_ptr_id" if word == "localfiles" else f"{word}storagemixin_ptr_id"
    number = 2 if "export" in table else 1
    set_columns(session, table, key, number, status="queued", meta=document(session, {"attempts": 1}))
    ctx.scope = Scope(storage="localfiles-export:2" if "export" in table else "gcs:1")
    [finding] = queued_forever.run(ctx)
    assert finding.summary == "Queued, with no time recorded, and no job was started for it"
    assert_round_trip(console, ctx, queued_forever, "mark_failed", finding)


def test_the_row_looks_as_after_a_failed_sync(console: Console, ctx: Context, session: Session, queued: Queued) -> None:
    storage = queued()
    [finding] = queued_forever.run(ctx)
    plan = console.plan(finding, "mark_failed", by="test")
    [change] = plan.changes
    meta = change["after"]["meta"]
    meta = json.loads(meta) if isinstance(meta, str) else meta
    assert set(change["after"]) == {"status", "traceback", "meta"} and change["after"]["status"] == "failed"
    assert change["key"] == {"id": storage.id}
    assert (meta["attempts"], meta["duration"]) == (2, 0.0) and "time_queued" in meta
    assert datetime.fromisoformat(meta["time_failure"]).tzinfo is not None


@pytest.mark.parametrize(
    "meta", [None, {}, {"time_queued": "yesterday"}, {"time_queued": None}, [1], {"time_queued": 5}]
)
def test_a_time_that_cannot_be_read(console: Console, ctx: Context, queued: Queued, meta: Any) -> None:
    queued(meta=meta)
    [finding] = queued_forever.run(ctx)
    assert finding.summary.startswith("Queued, with no time recorded")
    assert_round_trip(console, ctx, queued_forever, "mark_failed", finding)


@ON_POSTGRESQL
def test_a_document_that_was_null_is_null_again(
    console: Console, ctx: Context, session: Session, queued: Queued
) -> None:
    storage = queued()
    session.execute(text("update io_storages_s3importstorage set meta = null where id = :id"), {"id": storage.id})
    session.commit()
    [finding] = queued_forever.run(ctx)
    assert_round_trip(console, ctx, queued_forever, "mark_failed", finding)
    is_null = text("select meta is null from io_storages_s3importstorage where id = :id")
    assert session.scalar(is_null, {"id": storage.id}) is True


def test_just_queued_is_healthy(ctx: Context, queued: Queued) -> None:
    queued(minutes=14)
    assert list(queued_forever.answers(ctx)) == []


def test_other_states_are_healthy(ctx: Context, queued: Queued) -> None:
    for status in ("initialized", "in_progress", "failed", "completed"):
        queued(status=status)
        assert list(queued_forever.answers(ctx)) == []


def test_a_disabled_storage_is_passed_over(ctx: Context, queued: Queued) -> None:
    queued(synchronizable=False)
    with pytest.raises(NotApplicable):
        list(queued_forever.answers(ctx))


class TestReleasesWithoutStatus:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """As 1.4 to 1.7 have it."""
        with sqlite3.connect(str(settings.database_url).removeprefix("sqlite:///")) as connection:
            for kind in KINDS.values():
                connection.execute(f"alter table {kind.table_name} drop column status")
        return settings

    def test_they_are_not_applicable(self, ctx: Context) -> None:
        with pytest.raises(NotApplicable, match="keeps no sync status"):
            list(queued_forever.answers(ctx))


class TestWithRedis:
    @pytest.fixture
    def settings(self, with_redis: Settings) -> Settings:
        return with_redis

    @pytest.mark.parametrize("status", ["queued", "started", "deferred", "scheduled"])
    def test_a_job_that_waits_is_healthy(self, ctx: Context, queued: Queued, keys: Any, status: str) -> None:
        keys.hset(f"rq:job:{JOB}", mapping={"status": status, "origin": "low"})
        queued(last_sync_job=JOB)
        assert list(queued_forever.answers(ctx)) == []

    @pytest.mark.parametrize("status", ["failed", "finished", "canceled", "stopped"])
    def test_a_job_that_has_ended(self, console: Console, ctx: Context, queued: Queued, keys: Any, status: str) -> None:
        keys.hset(f"rq:job:{JOB}", mapping={"status": status, "origin": "low"})
        queued(last_sync_job=JOB)
        [finding] = queued_forever.run(ctx)
        assert finding.summary.endswith(f"and its job has ended in Redis ({status})")
        assert_round_trip(console, ctx, queued_forever, "mark_failed", finding)

    def test_a_job_that_is_gone(self, ctx: Context, queued: Queued) -> None:
        queued(last_sync_job=JOB)
        [finding] = queued_forever.run(ctx)
        assert finding.summary.endswith("and its job is not in Redis any more")

    def test_a_sync_that_started_meanwhile_is_left_alone(
        self, console: Console, ctx: Context, queued: Queued, keys: Any
    ) -> None:
        queued(last_sync_job=JOB)
        [finding] = queued_forever.run(ctx)
        keys.hset(f"rq:job:{JOB}", mapping={"status": "queued"})
        with pytest.raises(Exception, match="nothing to change any more"):
            console.plan(finding, "mark_failed", by="test")


class TestWithDeadRedis:
    @pytest.fixture
    def settings(self, settings: Settings, dead_endpoint: str) -> Settings:
        return settings.with_(redis_url=dead_endpoint.replace("http", "redis") + "/0")

    def test_it_cannot_be_told(self, ctx: Context, queued: Queued) -> None:
        storage = queued(last_sync_job=JOB)
        [answer] = list(queued_forever.answers(ctx))
        assert isinstance(answer, Unknown) and str(answer).startswith(f"s3:{storage.id}: it is queued")

    def test_without_a_job_it_can(self, ctx: Context, queued: Queued) -> None:
        queued()
        [answer] = list(queued_forever.answers(ctx))
        assert isinstance(answer, Finding)
