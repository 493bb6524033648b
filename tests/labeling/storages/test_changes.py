"""Storages made, changed and deleted: rows in both tables, links, tasks that stay, and what the audit log learns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from console.deployment import Deployment
from console.deployment.storages import KINDS
from console.errors import Forbidden, Invalid, NotFound
from console.labeling.db import Caller, Db
from console.labeling.storages import changes
from console.labeling.storages.fields import SECRETS, as_listed, is_silent, shown
from tests.factories import BOTH_ENGINES

ALICE, ERIN = Caller(1, "alice@example.com", 1), Caller(5, "erin@example.com", 2)


@contextmanager
def writing(deployment: Deployment, caller: Caller = ALICE) -> Iterator[Db]:
    with deployment.write() as session:
        yield Db(session, deployment.schema, caller)


def count(deployment: Deployment, table: str, where: str = "1 = 1") -> int:
    with deployment.read() as session:
        return session.execute(text(f"select count(*) from {table} where {where}")).scalar_one()


@BOTH_ENGINES
@pytest.mark.parametrize("version", ["1.8.2.post1", "1.18.0", "1.23.2"])
def test_every_kind_from_its_making_to_its_end(deployment: Deployment) -> None:
    for prefix, kind in KINDS.items():
        secret = dict.fromkeys(SECRETS[kind.provider], "secret")
        tables = [table for table in (kind.table_name, kind.parent_name) if table]
        before = [count(deployment, table) for table in tables]
        with writing(deployment) as db:
            made = changes.create(db, kind, {"project": 1, "title": "New", "path": " /x//y/ ", **secret})
            assert made.title == "New"
            assert shown(made)["project"] == 1
            assert not set(secret) & set(shown(made))
            changed = changes.change(
                db, kind, made.id, {"title": None, "prefix": "p", "use_blob_urls": True, "project": 2}
            )
            assert (changed.row["title"], changed.use_blob_urls, changed.project_id) == (None, True, 2)
            assert {changed.row[name] for name in secret} <= {"secret"}
            if kind.provider == "localfiles":
                assert changed.path == "/x/y"
            told = str(db.events)
            assert f"storage:{prefix}:{made.id}" in told
            assert "'secret'" not in told
            changes.delete(db, kind, made.id)
        assert [count(deployment, table) for table in tables] == before


@BOTH_ENGINES
def test_a_storage_goes_with_its_links_and_without_its_tasks(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "LINKS_AT_ONCE", 7)
    tasks, annotations = count(deployment, "task"), count(deployment, "task_completion")
    links = count(deployment, "io_storages_s3importstoragelink", "storage_id = 1")
    others = count(deployment, "io_storages_s3importstoragelink", "storage_id <> 1")
    assert links > 7
    assert others
    with writing(deployment) as db:
        changes.delete(db, KINDS["s3"], 1)
        changes.delete(db, KINDS["localfiles-export"], 2)
        assert db.events[0].data["links"] == links
    assert (count(deployment, "task"), count(deployment, "task_completion")) == (tasks, annotations)
    assert count(deployment, "io_storages_s3importstoragelink", "storage_id = 1") == 0
    assert count(deployment, "io_storages_s3importstoragelink") == others
    assert count(deployment, "io_storages_localfilesmixin", "id = 2") == 0
    assert count(deployment, "io_storages_localfilesmixin", "id = 1") == 1


def test_whoever_may_not_see_the_project_may_not_see_its_storages(deployment: Deployment) -> None:
    kind = KINDS["s3"]
    with writing(deployment, ERIN) as db:
        for work in (
            lambda: changes.reach(db, kind, 1), lambda: changes.change(db, kind, 1, {"title": "x"}),
            lambda: changes.delete(db, kind, 1), lambda: changes.of_project(db, 1, [kind]),
        ):  # fmt: skip
            with pytest.raises(NotFound):
                work()
        with pytest.raises(Invalid):
            changes.create(db, kind, {"project": 1})
    with writing(deployment) as db, pytest.raises(NotFound, match="No S3ImportStorage matches"):
        changes.reach(db, kind, 99)


def test_a_former_member_is_forbidden(deployment: Deployment) -> None:
    with deployment.read() as session:
        grace = session.execute(text("select id from htx_user where email like 'grace%'")).scalar_one()
    with writing(deployment, Caller(grace, "grace@example.com", 1)) as db:
        with pytest.raises(Forbidden):
            changes.reach(db, KINDS["s3"], 1)
        with pytest.raises(Forbidden):
            changes.create(db, KINDS["s3"], {"project": 1})


def test_a_silent_sync_is_listed_as_failed_and_stays_as_it_is(deployment: Deployment) -> None:
    with writing(deployment) as db:
        meta = {"time_last_ping": "2026-01-01 00:00:00+00:00"}
        one = changes.change(db, KINDS["s3"], 1, {"status": "in_progress", "meta": meta})
        listed = as_listed(one, db.now, 5.0)
        assert (listed["status"], listed["traceback"].splitlines()[0]) == (
            "failed", "It appears the job was failed because the last ping time is too old, and no traceback information is available.",
        )  # fmt: skip
        assert shown(one)["status"] == "in_progress"
        for odd in (
            None,
            [],
            {},
            {"time_last_ping": None},
            {"time_last_ping": "soon"},
            {"time_last_ping": str(db.now)},
            "x",
        ):
            assert not is_silent(odd, db.now, 5.0)
        assert is_silent({"time_last_ping": "2026-01-01T00:00:00"}, db.now, 5.0)
