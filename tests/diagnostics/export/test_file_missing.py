"""export.file_missing: files that are gone, on a disk that is Label Studio's."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from console.diagnostics import NotApplicable, Unknown
from console.diagnostics.check import Context
from console.diagnostics.export.file_missing import file_missing
from tests.diagnostics.under_way import make_conversion, make_snapshot
from tests.factories import change_row


@pytest.fixture
def media(ctx: Context, session: Session) -> Path:
    """The disk of Label Studio, with the file of every snapshot in the dump."""
    root = ctx.settings.base_data_dir / "media"
    for name in session.scalars(text("select file from data_export_export")).all():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("[]")
    session.rollback()
    return root


def test_healthy(ctx: Context, media: Path) -> None:
    assert list(file_missing.answers(ctx)) == []


def test_a_disk_that_is_not_theirs(ctx: Context) -> None:
    [answer] = list(file_missing.answers(ctx))
    assert isinstance(answer, Unknown) and "BASE_DATA_DIR" in str(answer)


def test_a_disk_that_nobody_named(ctx: Context) -> None:
    object.__setattr__(ctx.settings, "told", frozenset())
    with pytest.raises(NotApplicable, match="disk is not attached"):
        list(file_missing.answers(ctx))


def test_files_in_a_bucket(ctx: Context) -> None:
    object.__setattr__(ctx.settings, "bucket_environment", {"STORAGE_TYPE": "s3"})
    with pytest.raises(NotApplicable, match="in a bucket"):
        list(file_missing.answers(ctx))


def test_gone_and_empty(ctx: Context, session: Session, media: Path) -> None:
    gone = make_snapshot(session, status="completed", file="export/1/gone.json")
    (media / "export/1/empty.json").write_text("")
    make_conversion(session, status="completed", file="export/1/empty.json")
    make_conversion(session, status="completed", file="../../etc/passwd", export_type="YOLO")
    make_snapshot(session, status="completed", file="export/1/gone.json", hours=24 * 40)
    make_snapshot(session, status="failed", file="")
    [finding] = file_missing.run(ctx)
    assert finding.subject == "project:1"
    assert finding.summary == f"The file of snapshot {gone.id} is not there; 2 more are like that"
    assert sorted(row["wrong"] for row in finding.evidence) == [
        "is empty", "is not there", "its name leads out of the media directory",
    ]  # fmt: skip


def test_a_row_without_a_name_is_wrong_wherever_we_are(ctx: Context, session: Session) -> None:
    change_row(session, "data_export_export", 2, file="")
    finding, unknown = list(file_missing.answers(ctx))
    assert finding.summary == "Snapshot 2 is completed, and its row names none"
    assert isinstance(unknown, Unknown)


@pytest.mark.parametrize("name", ["export/1/\x00", "/etc/passwd", "export/1", "export/" + "x" * 300])
def test_odd_names(ctx: Context, session: Session, media: Path, name: str) -> None:
    change_row(session, "data_export_export", 2, file=name)
    [finding] = file_missing.run(ctx)
    assert finding.subject == "project:4"
