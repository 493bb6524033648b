"""local.url_form: addresses that are not served, and all of them rewritten."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from console.deployment.models import Task
from console.diagnostics import NotApplicable
from console.diagnostics.check import Context, Scope
from console.diagnostics.local.url_form import url_form
from console.service import Console
from tests.diagnostics.local.rows import make_naming
from tests.factories import BOTH_ENGINES, make_project, make_task
from tests.round_trip import assert_round_trip

SourceOf = Callable[..., SimpleNamespace]
WANTED = "/data/local-files/?d=set/1.jpg"


def test_right_addresses_are_healthy(ctx: Context, session: Session, source_of: SourceOf, root: Path) -> None:
    storage = source_of(root / "set")
    make_naming(session, storage.project_id, [WANTED, f"http://localhost:8080{WANTED}", "/data/upload/1/a.jpg"])
    assert list(url_form.answers(ctx)) == []


def test_without_local_files_there_is_nothing_to_look_at(ctx: Context, session: Session) -> None:
    project = make_project(session)
    make_naming(session, project.id, ["/data/upload/1/a.jpg", "https://example.com/a.jpg", "s3://b/a.jpg"])
    ctx.scope = Scope(project_id=project.id)
    with pytest.raises(NotApplicable):
        list(url_form.answers(ctx))


def test_where_nothing_hints_at_local_files_no_task_is_read(
    ctx: Context, session: Session, untold: Callable[[], None]
) -> None:
    for table in ("importstoragelink", "exportstoragelink", "importstorage", "exportstorage"):
        session.execute(delete(ctx.schema.table(f"io_storages_localfiles{table}")))
    session.commit()
    untold()
    with pytest.raises(NotApplicable, match="nothing is set for them here"):
        list(url_form.answers(ctx))


@BOTH_ENGINES
def test_every_form_is_found_and_rewritten(
    console: Console, ctx: Context, session: Session, source_of: SourceOf, root: Path
) -> None:
    storage = source_of(root / "set")
    wrong = [
        f"{root}/set/1.jpg", f"file://{root}/set/1.jpg", "C:\\work\\set\\1.jpg", "D:/set/1.jpg",
        "/data/local-files/set/1.jpg", "/data/local-files?d=set/1.jpg", f"/data/local-files/?d={root}/set/1.jpg",
        "/data/local-files/?d=set\\1.jpg",
    ]  # fmt: skip
    ids = make_naming(session, storage.project_id, [*wrong, WANTED, "text"])
    both = {"pages": ["file:///old/set/two words.jpg", {"x": f"{root}/set/1.jpg"}], "text": "ünïcode", "n": 1.50}
    ids.append(make_task(session, project_id=storage.project_id, data=both).id)
    [finding] = url_form.run(ctx)
    assert finding.subject == f"project:{storage.project_id}"
    assert [row["id"] for row in finding.evidence] == [*ids[: len(wrong)], ids[-1]]
    assert {row["becomes"] for row in finding.evidence.rows[:-1]} == {WANTED}
    assert finding.evidence.rows[-1]["wrong_values"] == 2
    assert "9 tasks name local files wrongly" in finding.summary and "drive_letter (2)" in finding.summary
    assert_round_trip(console, ctx, url_form, "rewrite", finding)

    plan = console.plan(finding, "rewrite", by="test")
    console.apply(plan.id, by="test", reason="look at it", seen=plan.fingerprint)
    with ctx.transaction() as reading:
        data = reading.scalar(select(Task.data).where(Task.id == ids[-1]))
    assert data == both | {"pages": ["/data/local-files/?d=set/two%20words.jpg", {"x": WANTED}]}


def test_what_cannot_be_told_stays(
    console: Console, ctx: Context, session: Session, source_of: SourceOf, root: Path
) -> None:
    storage = source_of(root / "set")
    make_naming(session, storage.project_id, ["file:///home/ann/gone.jpg", f"{root}/set/1.jpg"])
    [finding] = url_form.run(ctx)
    assert [row["becomes"] for row in finding.evidence] == [None, WANTED]
    assert "1 can be rewritten for certain" in finding.summary
    plan = console.plan(finding, "rewrite", by="test")
    assert plan.total == 1


def test_a_task_that_moved_on_is_not_overwritten(
    ctx: Context, session: Session, source_of: SourceOf, root: Path
) -> None:
    storage = source_of(root / "set")
    [task] = make_naming(session, storage.project_id, [f"{root}/set/1.jpg"])
    [finding] = url_form.run(ctx)
    session.execute(Task.__table__.update().where(Task.id == task).values(data={"image": WANTED}))
    session.commit()
    assert list(url_form.get_fix("rewrite").plan(ctx, finding)) == []


def test_an_unknown_root_rewrites_only_what_needs_none(
    ctx: Context, session: Session, source_of: SourceOf, root: Path, untold: Callable[[], None]
) -> None:
    storage = source_of(root / "set")
    make_naming(session, storage.project_id, [f"{root}/set/1.jpg", "/data/local-files?d=set/1.jpg"])
    untold()
    [finding] = url_form.run(ctx)
    assert [row["becomes"] for row in finding.evidence] == [None, WANTED]


def test_evidence_is_bounded_and_the_total_is_true(
    ctx: Context, session: Session, source_of: SourceOf, root: Path
) -> None:
    storage = source_of(root / "set")
    make_naming(session, storage.project_id, [f"{root}/set/1.jpg"] * 5)
    ctx.evidence_limit = 2
    [finding] = url_form.run(ctx)
    assert len(finding.evidence.rows) == 2 and finding.evidence.total == 5
    assert url_form.get_fix("rewrite").sharded
