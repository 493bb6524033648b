"""local.no_covering_storage: folders that no storage lets be served, and a storage for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from console.deployment.storages import storage as storage_by
from console.diagnostics import NotApplicable, Severity, Unknown
from console.diagnostics.check import Context, Scope
from console.diagnostics.local.no_covering_storage import no_covering_storage
from console.service import Console
from tests.diagnostics.local.rows import make_local_source, make_naming
from tests.factories import make_project
from tests.round_trip import assert_round_trip
from tests.servers import dump_versions

SourceOf = Callable[..., SimpleNamespace]


def address(path: str) -> str:
    return f"/data/local-files/?d={path}"


def naming(session: Session, ctx: Context, *paths: str) -> int:
    project = make_project(session)
    make_naming(session, project.id, [address(path) for path in paths])
    ctx.scope = Scope(project_id=project.id)
    return project.id


def test_a_covered_folder_is_healthy(ctx: Context, session: Session, source_of: SourceOf, root: Path) -> None:
    storage = source_of(root / "set", synchronizable=False)
    make_naming(session, storage.project_id, [address("set/1.jpg"), address("set/deep/er/2.jpg")])
    assert list(no_covering_storage.answers(ctx)) == []


def test_without_local_files_there_is_nothing_to_look_at(ctx: Context, session: Session) -> None:
    naming(session, ctx)
    with pytest.raises(NotApplicable):
        list(no_covering_storage.answers(ctx))


@pytest.mark.parametrize(("engine", "version"), [("sqlite", dump_versions()[0]), ("postgresql", "1.23.2")])
def test_a_storage_is_added_that_is_never_synced(console: Console, ctx: Context, session: Session, root: Path) -> None:
    project_id = naming(session, ctx, "set/a/1.jpg", "set/b/2.jpg", "set/b/3.jpg")
    [finding] = no_covering_storage.run(ctx)
    assert (finding.subject, finding.severity) == (f"project:{project_id}", Severity.ERROR)
    assert finding.evidence.rows == [{
        "folder": f"{root}/set", "tasks": 3, "folders": 2, "example": f"{root}/set/a", "covered_for_others_by": None,
        "everywhere": False,
    }]  # fmt: skip
    assert_round_trip(console, ctx, no_covering_storage, "add_storage", finding)

    plan = console.plan(finding, "add_storage", by="test")
    console.apply(plan.id, by="test", reason="look at it", seen=plan.fingerprint)
    with ctx.transaction() as reading:
        table = ctx.schema.table("io_storages_localfilesimportstorage")
        added = reading.scalar(select(table.c.localfilesmixin_ptr_id).where(table.c.project_id == project_id))
        made = storage_by(reading, ctx.schema, f"localfiles:{added}")
    assert (made.path, made.get("synchronizable", False), made.status, made.use_blob_urls) == (
        f"{root}/set",
        False,
        "initialized",
        True,
    )
    # the numbers of Label Studio's own next storage are not in the way
    assert make_local_source(session, path="/x", project_id=project_id).id > added


def test_folders_without_a_common_one_get_a_storage_each(ctx: Context, session: Session, root: Path) -> None:
    naming(session, ctx, "set/1.jpg", "other/deep/2.jpg", "top.jpg")
    [finding] = no_covering_storage.run(ctx)
    assert [row["folder"] for row in finding.evidence] == [f"{root}/other", f"{root}/set", str(root)]
    planned = list(no_covering_storage.get_fix("add_storage").plan(ctx, finding))
    assert [change.values["path"] for change in planned[::2]] == [f"{root}/other", f"{root}/set"]


def test_a_name_that_only_begins_alike_does_not_cover(
    ctx: Context, session: Session, source_of: SourceOf, root: Path
) -> None:
    storage = source_of(root / "set")
    make_naming(session, storage.project_id, [address("set-private/1.jpg")])
    [finding] = no_covering_storage.run(ctx)
    assert finding.evidence.rows[0]["folder"] == f"{root}/set-private"


def test_another_projects_storage_covers_for_its_members_alone(
    ctx: Context, session: Session, source_of: SourceOf, root: Path
) -> None:
    other = source_of(root / "set")
    naming(session, ctx, "set/1.jpg")
    [finding] = no_covering_storage.run(ctx)
    assert finding.severity == Severity.WARNING and "only storages of other projects do" in finding.summary
    assert finding.evidence.rows[0]["covered_for_others_by"] == other.reference


def test_an_unknown_root_decides_nothing(ctx: Context, session: Session, untold: Callable[[], None]) -> None:
    naming(session, ctx, "set/1.jpg")
    untold()
    with pytest.raises(Unknown, match="LOCAL_FILES_DOCUMENT_ROOT"):
        list(no_covering_storage.answers(ctx))
