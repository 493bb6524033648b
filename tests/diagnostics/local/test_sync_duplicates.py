"""local.sync_duplicates: files that are tasks by import and by sync."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy.orm import Session

from console.diagnostics import NotApplicable, Unknown
from console.diagnostics.check import Context, Scope
from console.diagnostics.local.sync_duplicates import sync_duplicates
from tests.diagnostics.local.rows import make_link, make_local_source, make_naming
from tests.factories import BOTH_ENGINES, make_annotation, make_project

SourceOf = Callable[..., SimpleNamespace]


def address(path: str) -> str:
    return f"/data/local-files/?d={path}"


def test_a_sync_alone_is_healthy(ctx: Context, session: Session, source_of: SourceOf, root: Path) -> None:
    storage = source_of(root / "set")
    make_link(session, storage, f"{root}/set/1.jpg", {"image": address("set/1.jpg")})
    make_naming(session, storage.project_id, [address("set/two%20words.jpg")])
    assert list(sync_duplicates.answers(ctx)) == []


def test_without_storages_there_is_nothing_to_look_at(ctx: Context, session: Session) -> None:
    ctx.scope = Scope(project_id=make_project(session).id)
    with pytest.raises(NotApplicable):
        list(sync_duplicates.answers(ctx))


@BOTH_ENGINES
def test_imported_and_synced(ctx: Context, session: Session, source_of: SourceOf, root: Path) -> None:
    storage = source_of(root / "set")
    imported = make_naming(session, storage.project_id, [address("set/1.jpg"), address("set/two%20words.jpg")])
    made = [
        make_link(session, storage, f"{root}/set/{name}", {"$undefined$": address(f"set/{name}")})
        for name in ("1.jpg", "two words.jpg")
    ]
    make_annotation(session, task=made[1])
    other = make_local_source(session, path=str(root / "set"))  # the same file in another project is no duplicate
    make_link(session, other, f"{root}/set/1.jpg", {"image": address("set/1.jpg")})
    [finding] = sync_duplicates.run(ctx)
    assert finding.subject == f"project:{storage.project_id}" and finding.fixes == ()
    assert finding.evidence.rows == [
        {"file": f"{root}/set/1.jpg", "made_by_sync": made[0].id, "annotations": 0, "imported": imported[0]},
        {"file": f"{root}/set/two words.jpg", "made_by_sync": made[1].id, "annotations": 1, "imported": imported[1]},
    ]
    assert (
        finding.summary.startswith("2 files are a task twice") and "1 of the synced ones are labeled" in finding.summary
    )


def test_an_unknown_root_decides_nothing(
    ctx: Context, session: Session, source_of: SourceOf, root: Path, untold: Callable[[], None]
) -> None:
    storage = source_of(root / "set")
    untold()
    assert list(sync_duplicates.answers(ctx)) == []
    make_naming(session, storage.project_id, [address("set/1.jpg")])
    with pytest.raises(Unknown, match="LOCAL_FILES_DOCUMENT_ROOT"):
        list(sync_duplicates.answers(ctx))
