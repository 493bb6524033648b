"""local.serving_off: local files in use, and a switch that is off, unknown, or asked for over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy.orm import Session

from console.diagnostics import NotApplicable, Unknown
from console.diagnostics.check import Context, Scope
from console.diagnostics.local.serving_off import serving_off
from tests.diagnostics.local.answering import label_studio
from tests.diagnostics.local.rows import make_naming
from tests.factories import make_project

SourceOf = Callable[..., SimpleNamespace]
OFF = "Serving local files can be dangerous, so it's disabled by default."


def switch(ctx: Context, on: bool) -> None:
    ctx.deployment.settings = replace(ctx.settings, local_files_serving=on)


def test_a_switch_that_is_on_is_healthy(ctx: Context, source_of: SourceOf, root: Path) -> None:
    source_of(root / "set")
    assert list(serving_off.answers(ctx)) == []


def test_where_nothing_is_local_there_is_nothing_to_look_at(ctx: Context, session: Session) -> None:
    ctx.scope = Scope(project_id=make_project(session).id)
    switch(ctx, False)
    with pytest.raises(NotApplicable):
        list(serving_off.answers(ctx))


def test_a_switch_that_is_off(ctx: Context, session: Session, source_of: SourceOf, root: Path) -> None:
    storage = source_of(root / "set")
    make_naming(session, storage.project_id, ["/data/local-files/?d=set/1.jpg"] * 2)
    switch(ctx, False)
    [finding] = serving_off.run(ctx)
    assert [row["what"] for row in finding.evidence] == [storage.reference, "2 tasks"]
    assert "Set LOCAL_FILES_SERVING_ENABLED=true" in finding.summary


def test_tasks_alone_are_enough(ctx: Context, session: Session) -> None:
    project = make_project(session)
    make_naming(session, project.id, ["/data/local-files/?d=a.jpg"])
    ctx.scope = Scope(project_id=project.id)
    switch(ctx, False)
    assert len(serving_off.run(ctx)) == 1


def test_a_switch_nobody_told_is_unknown(
    ctx: Context, source_of: SourceOf, root: Path, untold: Callable[[], None]
) -> None:
    source_of(root / "set")
    untold()
    with pytest.raises(Unknown, match="LOCAL_FILES_SERVING_ENABLED are not set here"):
        list(serving_off.answers(ctx))


@pytest.mark.parametrize(("status", "body", "findings"), [(403, OFF, 1), (404, "", 0)])
def test_label_studio_itself_knows_best(
    ctx: Context, source_of: SourceOf, root: Path, status: int, body: str, findings: int
) -> None:
    source_of(root / "set")
    switch(ctx, findings == 0)  # what the console's own environment says is passed over
    with label_studio(ctx, {"/data/local-files/": (status, body)}) as asked:
        assert len(serving_off.run(ctx)) == findings
    assert asked[0][0].startswith("/data/local-files/?d=") and asked[0][1] == "Token its-token"
