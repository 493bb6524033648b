"""export.format_disabled: conversions that the labeling configuration does not suit."""

from __future__ import annotations

from sqlalchemy.orm import Session

from console.diagnostics.check import Context
from console.diagnostics.export.format_disabled import format_disabled
from tests.diagnostics.under_way import make_conversion, make_snapshot


def test_what_was_tried_in_vain(ctx: Context, session: Session) -> None:
    make_conversion(session, status="failed", export_type="CSV")
    make_conversion(session, status="failed", export_type="OF_ANOTHER_RELEASE")
    make_conversion(session, status="completed", export_type="VOC")
    make_conversion(session, status="failed", export_id=make_snapshot(session, project_id=3).id)
    assert format_disabled.run(ctx) == []
    conversion = make_conversion(session, status="failed", export_type="YOLO")
    [finding] = format_disabled.run(ctx)
    assert finding.subject == "project:1"
    assert finding.summary.startswith(
        "The labeling configuration does not suit YOLO; it suits JSON, JSON_MIN, CSV, TSV"
    )
    assert finding.evidence.rows[0]["conversion"] == conversion.id


def test_a_configuration_that_nobody_can_read(ctx: Context, session: Session) -> None:
    from tests.factories import change_row

    change_row(session, "project", 1, label_config="<View")
    make_conversion(session, status="failed")
    assert len(format_disabled.run(ctx)) == 1
