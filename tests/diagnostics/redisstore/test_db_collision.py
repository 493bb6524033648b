"""redisstore.db_collision: databases that are shared, and a free one for the target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest
from sqlalchemy.orm import Session

from console.diagnostics import NotApplicable, Severity
from console.diagnostics.check import Context, Scope
from console.diagnostics.redisstore.db_collision import db_collision
from console.service import Console
from tests.factories import make_project
from tests.round_trip import assert_round_trip

StorageOf = Callable[..., SimpleNamespace]


def test_databases_of_their_own_are_healthy(ctx: Context, storage_of: StorageOf) -> None:
    source = storage_of(db=1)
    storage_of(target=True, db=2, project_id=source.project_id)
    assert list(db_collision.answers(ctx)) == []


def test_without_storages_there_is_nothing_to_look_at(ctx: Context, session: Session) -> None:
    ctx.scope = Scope(project_id=make_project(session).id)
    with pytest.raises(NotApplicable):
        list(db_collision.answers(ctx))


def test_a_prefix_that_no_number_has_keeps_them_apart(ctx: Context, storage_of: StorageOf) -> None:
    source = storage_of(db=3, path="calls:")
    storage_of(target=True, db=3, project_id=source.project_id)
    assert list(db_collision.answers(ctx)) == []


@pytest.mark.parametrize("path", ["", "1", "*", "[0-9]"])
def test_a_source_that_reads_the_annotations_back(
    console: Console, ctx: Context, storage_of: StorageOf, path: str
) -> None:
    source = storage_of(db=3, path=path, host="REDIS.example.com", port="")
    target = storage_of(target=True, db=3, project_id=source.project_id)
    storage_of(target=True, db=1, project_id=source.project_id)
    found = {finding.subject: finding for finding in db_collision.run(ctx)}
    assert set(found) == {source.subject, target.subject}
    assert found[source.subject].fixes == () and found[target.subject].severity == Severity.ERROR
    assert target.reference in found[source.subject].summary
    assert found[target.subject].evidence.rows[0]["free_db"] == 2
    if path == "":
        assert_round_trip(console, ctx, db_collision, "use_free_database", found[target.subject])


def test_the_queues_database(ctx: Context, storage_of: StorageOf) -> None:
    ctx.deployment.settings = replace(ctx.settings, redis_url="redis://:hunter2@localhost:6379/5")
    source = storage_of(db=5, host="127.0.0.1")
    storage_of(target=True, db=5, host="", project_id=source.project_id)
    by_kind = {finding.subject.split(":")[1]: finding for finding in db_collision.run(ctx)}
    assert by_kind["redis"].severity == Severity.WARNING and by_kind["redis-export"].severity == Severity.ERROR
    for finding in by_kind.values():
        assert "the queue of Label Studio" in finding.summary and "hunter2" not in str(finding)


def test_database_0_is_refused(ctx: Context, storage_of: StorageOf) -> None:
    storage = storage_of(db=0)
    [finding] = db_collision.run(ctx)
    assert (finding.subject, finding.fixes) == (storage.subject, ())
    assert finding.summary == "Database 0 is refused by Label Studio"
