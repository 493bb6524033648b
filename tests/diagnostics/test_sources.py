"""Which storages the checks look at, and how buckets are asked."""

from __future__ import annotations

import sqlite3
import time

import pytest
from sqlalchemy.orm import Session

from console.config import Settings
from console.deployment.storages import KINDS, Storage
from console.diagnostics import NotApplicable, Unknown
from console.diagnostics.check import Context, Scope
from console.diagnostics.sources import FILTERED, address, in_use, passing, shown
from tests.diagnostics.storage.sources import make_source


def references(ctx: Context) -> list[str]:
    return [storage.reference for storage in in_use(ctx, prefixes=FILTERED)]


def test_every_source_with_a_filter(ctx: Context) -> None:
    assert references(ctx) == ["s3:1", "s3:2", "gcs:1", "azure:1", "localfiles:1"]
    assert {storage.reference for storage in in_use(ctx, targets=True)} >= {"s3-export:1", "redis:1"}


def test_disabled_storages_are_passed_over_and_yet_covered(ctx: Context, session: Session) -> None:
    storage = make_source(session, synchronizable=False)
    assert f"s3:{storage.id}" not in references(ctx)
    assert storage.subject in ctx.probes.seen_storages
    ctx.scope = Scope(storage=f"s3:{storage.id}")
    with pytest.raises(NotApplicable, match="switched off"):
        references(ctx)


@pytest.mark.parametrize("version", ["1.8.2.post1"])
def test_a_release_without_the_switch(ctx: Context) -> None:
    assert "s3:1" in references(ctx)


class TestSoftDeletedProjects:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """Project 3 is deleted, and its rows are kept for a while."""
        with sqlite3.connect(str(settings.database_url).removeprefix("sqlite:///")) as connection:
            connection.execute("update project set deleted_at = '2026-11-01 10:00:00' where id = 3")
        return settings

    def test_they_are_passed_over(self, ctx: Context) -> None:
        assert references(ctx) == ["s3:1", "gcs:1", "azure:1", "localfiles:1"]


def source(number: int, endpoint: str, **columns: object) -> Storage:
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    return Storage(KINDS["s3"], number, {"bucket": "bucket", "s3_endpoint": endpoint, **keys, **columns})


def test_dead_buckets_are_asked_side_by_side(ctx: Context) -> None:
    """TEST-NET addresses never answer: each costs the whole time to connect."""
    silent = [source(number, f"http://192.0.2.{number}:9000") for number in range(1, 5)]
    started = time.monotonic()
    answers = list(ctx.probes.listings(silent))
    assert time.monotonic() - started < 3 * len(silent) - 1
    assert [storage.id for storage, _ in answers] == [1, 2, 3, 4]
    assert all(isinstance(answer, Unknown) for _, answer in answers)


def test_words() -> None:
    assert address(source(1, "", prefix="a/")) == "s3://bucket/a/"
    assert len(shown("a" * 5000)) < 120


def test_a_run_narrowed_to_another_kind_looks_at_nothing(ctx: Context) -> None:
    ctx.scope = Scope(storage="redis:1")
    with pytest.raises(NotApplicable):
        in_use(ctx, prefixes=["s3"])
    ctx.scope = Scope()
    assert [storage.reference for storage in in_use(ctx, prefixes=["s3"])] == ["s3:1", "s3:2"]


def test_local_files_are_filtered_by_their_names() -> None:
    local = Storage(KINDS["localfiles"], 1, {"path": "/data", "regex_filter": "x"})
    assert passing(local, ["/data/x/a.jpg", "/data/a/x.jpg"]) == ["/data/a/x.jpg"]
