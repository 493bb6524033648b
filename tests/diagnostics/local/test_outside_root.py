"""local.outside_root: paths that Label Studio refuses, and the nearest one that it would take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy.orm import Session

from console.diagnostics import NotApplicable, Severity, Unknown
from console.diagnostics.check import Context, Scope
from console.diagnostics.local.outside_root import outside_root
from console.service import Console
from tests.diagnostics.local.rows import make_link, make_local_source
from tests.factories import make_project
from tests.round_trip import assert_round_trip

SourceOf = Callable[..., SimpleNamespace]


def test_a_folder_below_the_root_is_healthy(ctx: Context, source_of: SourceOf, root: Path) -> None:
    source_of(root / "set")
    assert list(outside_root.answers(ctx)) == []


def test_without_storages_there_is_nothing_to_look_at(ctx: Context, session: Session) -> None:
    ctx.scope = Scope(project_id=make_project(session).id)
    with pytest.raises(NotApplicable):
        list(outside_root.answers(ctx))


@pytest.mark.parametrize(
    ("path", "wrong"),
    [("/etc", "lies outside of"), ("", "names no directory"), (None, "names no directory"), ("relative", "no absolute path"),
     ("ROOT", "is the document root itself"), ("ROOT/", "is the document root itself"),
     ("ROOT/../other", "lies outside of"), ("ROOT-private", "lies outside of")],
)  # fmt: skip
def test_what_label_studio_refuses(ctx: Context, source_of: SourceOf, root: Path, path: str | None, wrong: str) -> None:
    storage = source_of(path.replace("ROOT", str(root)) if path else path)
    [finding] = outside_root.run(ctx)
    assert (finding.subject, finding.severity) == (storage.subject, Severity.ERROR)
    assert wrong in finding.summary and finding.fixes == ()


def test_the_path_of_the_host_becomes_that_of_the_container(
    console: Console, ctx: Context, source_of: SourceOf, root: Path
) -> None:
    source_of("/home/ann/labeling/set")
    [finding] = outside_root.run(ctx)
    assert finding.evidence.rows[0]["nearest"] == f"{root}/set"
    assert_round_trip(console, ctx, outside_root, "move_below_root", finding)


def test_a_slash_too_many_is_a_warning(console: Console, ctx: Context, source_of: SourceOf, root: Path) -> None:
    source_of(f"{root}/set/")
    [finding] = outside_root.run(ctx)
    assert finding.severity == Severity.WARNING and finding.fixes == ("move_below_root",)
    assert_round_trip(console, ctx, outside_root, "move_below_root", finding)


def test_tasks_under_the_old_path_would_be_made_again(ctx: Context, session: Session, source_of: SourceOf) -> None:
    storage = source_of("/home/ann/set")
    make_link(session, storage, "/home/ann/set/1.jpg", {})
    [finding] = outside_root.run(ctx)
    assert finding.evidence.rows[0]["tasks_by_old_path"] == 1 and finding.fixes == ()


def test_targets_are_looked_at_too(ctx: Context, session: Session, source_of: SourceOf, root: Path) -> None:
    source = source_of(root / "set")
    target = make_local_source(session, path="/var/out", target=True, project_id=source.project_id)
    assert [finding.subject for finding in outside_root.run(ctx)] == [target.subject]


def test_an_unknown_root_decides_nothing(
    ctx: Context, source_of: SourceOf, root: Path, untold: Callable[[], None]
) -> None:
    storage = source_of(root / "set")
    untold()
    [answer] = list(outside_root.answers(ctx))
    assert (
        isinstance(answer, Unknown) and storage.reference in str(answer) and "LOCAL_FILES_DOCUMENT_ROOT" in str(answer)
    )
