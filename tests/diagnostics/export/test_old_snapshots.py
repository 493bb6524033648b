"""export.old_snapshots: many of them, or large ones on a disk that can be seen."""

from __future__ import annotations

from sqlalchemy.orm import Session

from console.diagnostics.check import Context
from console.diagnostics.export.old_snapshots import old_snapshots
from tests.diagnostics.under_way import make_conversion, make_snapshot

LONG_AGO = 24 * 40


def test_a_few_are_healthy(ctx: Context, session: Session) -> None:
    for _ in range(5):
        make_snapshot(session, status="completed", hours=LONG_AGO)
    assert old_snapshots.run(ctx) == []


def test_many(ctx: Context, session: Session) -> None:
    for number in range(50):
        make_snapshot(session, status="completed", hours=LONG_AGO, project_id=1 if number else 2)
    [finding] = old_snapshots.run(ctx)
    assert (finding.subject, finding.summary) == ("deployment:1", "50 snapshots are older than 30 days")
    assert [(row["project"], row["snapshots"], row["megabytes"]) for row in finding.evidence] == [
        (1, 49, None),
        (2, 1, None),
    ]


def test_large_ones(ctx: Context, session: Session) -> None:
    folder = ctx.settings.base_data_dir / "media" / "export" / "1"
    folder.mkdir(parents=True)
    for name, size in (("old.json", 600), ("old.zip", 700), ("nobodys.json", 2048)):
        with (folder / name).open("wb") as file:
            file.truncate(size * 2**20)
    snapshot = make_snapshot(session, status="completed", hours=LONG_AGO, file="export/1/old.json")
    assert snapshot.id and make_conversion(session, status="completed", export_id=snapshot.id, file="export/1/old.zip")
    [finding] = old_snapshots.run(ctx)
    assert finding.summary == (
        "1 snapshot is older than 30 days, their projects' files take 1,300 MB; 2,048 MB are files that no row names"
    )
    assert finding.evidence.rows[-1]["title"] == "files that no row names"
