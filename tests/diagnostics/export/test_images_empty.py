"""export.images_empty: organizations whose owner's token the converter cannot use."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from console.diagnostics import NotApplicable, Severity
from console.diagnostics.check import Context, Scope
from console.diagnostics.export.images_empty import images_empty
from tests.diagnostics.under_way import make_conversion, make_snapshot
from tests.factories import BOTH_ENGINES, change_row, make_project, make_task

IMAGES = '<View><Image name="i" value="$image"/><RectangleLabels name="l" toName="i"><Label value="A"/></RectangleLabels></View>'


def off(session: Session) -> None:
    session.execute(text("update jwt_auth_jwtsettings set legacy_api_tokens_enabled = false where organization_id = 1"))
    session.commit()


@BOTH_ENGINES
def test_legacy_tokens_are_off(ctx: Context, session: Session) -> None:
    assert images_empty.run(ctx) == []
    off(session)
    [finding] = images_empty.run(ctx)
    assert (finding.subject, finding.severity) == ("organization:1", Severity.INFO)
    assert finding.summary == (
        "Images of 1 project cannot be fetched for an export: the organization does not accept legacy tokens, and the "
        "converter has no other"
    )
    assert [row["project"] for row in finding.evidence] == [3]
    snapshot = make_snapshot(session, project_id=3)
    make_conversion(session, export_id=snapshot.id, export_type="YOLO_WITH_IMAGES", status="completed")
    assert images_empty.run(ctx)[0].severity == Severity.WARNING


@pytest.mark.parametrize("version", ["1.13.1"])
def test_the_owner(ctx: Context, session: Session) -> None:
    assert images_empty.run(ctx) == []
    change_row(session, "htx_user", 1, is_active=False)
    assert "alice@example.com is not active" in images_empty.run(ctx)[0].summary
    session.execute(text("delete from authtoken_token where user_id = 1"))
    session.commit()
    assert "its owner alice@example.com has no legacy token" in images_empty.run(ctx)[0].summary


def test_images_that_anybody_may_fetch(ctx: Context, session: Session) -> None:
    off(session)
    project = make_project(session, label_config=IMAGES)
    make_task(session, project=project, data={"image": "https://example.com/a.png"})
    ctx.scope = Scope(project_id=project.id)
    with pytest.raises(NotApplicable, match="need not hand out"):
        list(images_empty.answers(ctx))
    make_task(session, project=project, data={"image": "/data/upload/9/a.png"})
    assert len(images_empty.run(ctx)) == 1
