"""storage.orphan_links: links whose task is gone or in no project."""

from __future__ import annotations

import sqlite3

from sqlalchemy import text
from sqlalchemy.orm import Session

from console.diagnostics.check import Context, Scope
from console.diagnostics.storage.orphan_links import orphan_links
from console.service import Console
from tests.diagnostics.storage.sources import make_links, make_source, narrowed
from tests.factories import BOTH_ENGINES
from tests.round_trip import assert_round_trip

LINKS = "io_storages_s3importstoragelink"


def test_links_with_tasks_are_healthy(ctx: Context, session: Session) -> None:
    make_links(session, narrowed(ctx, make_source(session)), ["1.jpg", "2.jpg"])
    assert list(orphan_links.answers(ctx)) == []


@BOTH_ENGINES
def test_tasks_without_a_project(console: Console, ctx: Context, session: Session) -> None:
    storage = narrowed(ctx, make_source(session))
    make_links(session, storage, ["1.jpg", "2.jpg", "3.jpg"])
    where = f"id in (select task_id from {LINKS} where storage_id = :id and key <> '1.jpg')"
    session.execute(text(f"update task set project_id = null where {where}"), {"id": storage.id})
    session.commit()
    [finding] = orphan_links.run(ctx)
    assert finding.subject == storage.subject
    assert finding.summary == "2 links are without a task: the objects count as synced"
    assert [(row["key"], row["why"]) for row in finding.evidence] == [
        ("2.jpg", "the task is in no project"), ("3.jpg", "the task is in no project"),
    ]  # fmt: skip
    assert_round_trip(console, ctx, orphan_links, "forget", finding)


def test_tasks_that_are_gone(console: Console, ctx: Context, session: Session) -> None:
    storage = narrowed(ctx, make_source(session, synchronizable=False))
    make_links(session, storage, ["1.jpg"])
    session.close()
    ctx.close()
    path = str(ctx.settings.database_url).removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:  # without foreign keys, as a partial restore leaves it
        connection.execute(
            f"delete from task where id in (select task_id from {LINKS} where storage_id = {storage.id})"
        )
    [finding] = orphan_links.run(ctx)
    assert [row["why"] for row in finding.evidence] == ["the task is gone"]
    plan = console.plan(finding, "forget", by="test")
    console.apply(plan.id, by="test", reason="x", seen=plan.fingerprint)
    assert list(orphan_links.answers(ctx)) == []


def test_other_providers(console: Console, ctx: Context, session: Session) -> None:
    where = "id in (select task_id from io_storages_redisimportstoragelink)"
    session.execute(text(f"update task set project_id = null where {where}"))
    session.commit()
    ctx.scope = Scope(storage="redis:1")
    [finding] = orphan_links.run(ctx)
    assert (finding.subject, finding.evidence.total) == ("storage:redis:1", 10)
    assert_round_trip(console, ctx, orphan_links, "forget", finding)
