"""local.not_mounted: directories that are not there, and when that can be told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy.orm import Session

from console.diagnostics import NotApplicable, Unknown
from console.diagnostics.check import Context, Scope
from console.diagnostics.local.not_mounted import not_mounted
from tests.diagnostics.local.rows import make_link
from tests.factories import make_project, make_row

SourceOf = Callable[..., SimpleNamespace]


def test_a_directory_that_is_there_is_healthy(
    ctx: Context, source_of: SourceOf, root: Path, untold: Callable[[], None]
) -> None:
    source_of(root / "set")
    assert list(not_mounted.answers(ctx)) == []
    untold()
    assert list(not_mounted.answers(ctx)) == []


def test_without_storages_there_is_nothing_to_look_at(ctx: Context, session: Session) -> None:
    ctx.scope = Scope(project_id=make_project(session).id)
    with pytest.raises(NotApplicable):
        list(not_mounted.answers(ctx))


def test_with_the_root_here_a_missing_directory_is_a_finding(ctx: Context, source_of: SourceOf, root: Path) -> None:
    storage = source_of(root / "set" / "gone" / "deeper")
    [finding] = not_mounted.run(ctx)
    assert finding.subject == storage.subject
    assert finding.summary == f"{root}/set/gone/deeper does not exist"
    assert finding.evidence.rows[0]["there_up_to"] == f"{root}/set"
    assert str(root) in finding.evidence.rows[0]["known_by"]


def test_a_file_is_no_directory(ctx: Context, source_of: SourceOf, root: Path) -> None:
    source_of(root / "set" / "1.jpg")
    [finding] = not_mounted.run(ctx)
    assert finding.summary.endswith("is no directory")


def test_another_disk_says_nothing(ctx: Context, source_of: SourceOf, untold: Callable[[], None]) -> None:
    storage = source_of("/nowhere/at/all")
    untold()
    [answer] = list(not_mounted.answers(ctx))
    assert isinstance(answer, Unknown)
    assert storage.reference in str(answer) and "nothing shows that this is the disk of Label Studio" in str(answer)


def test_a_synced_file_shows_that_the_disk_is_the_same(
    ctx: Context, session: Session, source_of: SourceOf, root: Path, untold: Callable[[], None]
) -> None:
    storage = source_of("/nowhere/at/all")
    make_link(session, storage, f"{root}/set/1.jpg", {})
    untold()
    [finding] = not_mounted.run(ctx)
    assert "which a sync read" in finding.evidence.rows[0]["known_by"]


def test_an_uploaded_file_does_too(
    ctx: Context, session: Session, source_of: SourceOf, untold: Callable[[], None]
) -> None:
    storage = source_of("/nowhere/at/all")
    make_row(session, "data_import_fileupload", file="upload/9/here.json", project_id=storage.project_id, user_id=1)
    folder = ctx.settings.base_data_dir / "media" / "upload" / "9"
    folder.mkdir(parents=True)
    (folder / "here.json").write_text("{}")
    untold()
    [finding] = not_mounted.run(ctx)
    assert finding.evidence.rows[0]["known_by"] == "the uploaded file upload/9/here.json is here"
