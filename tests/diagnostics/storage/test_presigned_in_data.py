"""storage.presigned_in_data: links with an end in the data of tasks; their signatures are never shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.diagnostics import Severity
from console.diagnostics.check import Context, Scope
from console.diagnostics.storage.presigned_in_data import presigned_in_data
from console.service import Console
from tests.diagnostics.storage.sources import make_source
from tests.factories import make_project, make_task
from tests.round_trip import assert_round_trip

SIGNATURE = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
S3 = (
    "https://photos.s3.eu-west-1.amazonaws.com/a%20b/1.jpg?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXA0001"
    "%2F20240115%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Date=20240115T120000Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host"
    f"&X-Amz-Signature={SIGNATURE}"
)
GCS = f"https://storage.googleapis.com/photos/1.jpg?X-Goog-Date=20240115T120000Z&X-Goog-Expires=60&X-Goog-Signature={SIGNATURE}"
AZURE = "https://acc.blob.core.windows.net/photos/1.jpg?sv=2023-11-03&se=2024-01-15T12%3A00%3A00Z&sr=b&sp=r&sig=aGVsbG8gd29ybGQ%3D"
V2 = f"https://s3.amazonaws.com/photos/1.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXA0001&Expires=1705320000&Signature={SIGNATURE}"


@pytest.fixture
def project(session: Session, ctx: Context) -> SimpleNamespace:
    made = make_project(session)
    make_source(session, project_id=made.id, bucket="photos")
    ctx.scope = Scope(project_id=made.id)
    return made


@pytest.mark.parametrize(
    "text",
    ["https://example.com/1.jpg", "s3://photos/1.jpg", "https://example.com/?sig=1", "X-Amz-Expires=3600", "https://[x/?sig=1&se=2"],
)  # fmt: skip
def test_other_links_are_healthy(ctx: Context, session: Session, project: SimpleNamespace, text: str) -> None:
    make_task(session, project=project, data={"image": text})
    assert list(presigned_in_data.answers(ctx)) == []


@pytest.mark.parametrize(("link", "ended"), [(S3, 13), (GCS, 12), (AZURE, 12), (V2, 12)])
def test_links_of_every_provider(
    ctx: Context, session: Session, project: SimpleNamespace, link: str, ended: int
) -> None:
    make_task(session, project=project, data={"pages": [{"html": f'<img src="{link}">'}]})
    [finding] = presigned_in_data.run(ctx)
    assert (finding.subject, finding.severity) == (f"project:{project.id}", Severity.ERROR)
    assert finding.summary == "1 task holds signed links, 1 of them ended"
    [row] = finding.evidence.rows
    assert row["ends"].replace(minute=0) == datetime(2024, 1, 15, ended, tzinfo=UTC) and row["field"] == "pages[0].html"
    assert (
        SIGNATURE not in str(finding) and "aGVsbG8" not in str(finding) and "AKIAIOSFODNN7EXA0001" not in str(finding)
    )


@pytest.mark.parametrize("engine", ["postgresql"])
@pytest.mark.parametrize("data", [{"image": S3}, {"a": ["x", {"b": f"<img src='{S3.replace('&', '&amp;')}'/>"}]}])
def test_the_object_in_place_of_the_link(
    console: Console, ctx: Context, session: Session, project: SimpleNamespace, data: dict[str, Any]
) -> None:
    make_task(session, project=project, data=data)
    [finding] = presigned_in_data.run(ctx)
    assert finding.evidence.rows[0]["object"] == "s3://photos/a b/1.jpg"
    plan = console.plan(finding, "use_object_address", by="test")
    assert "s3://photos/a b/1.jpg" in str(plan.changes[0]["after"]) and SIGNATURE not in str(plan.changes[0]["after"])
    assert_round_trip(console, ctx, presigned_in_data, "use_object_address", finding)


def test_another_bucket_is_not_repaired(ctx: Context, session: Session, project: SimpleNamespace) -> None:
    make_task(session, project=project, data={"image": GCS})
    assert [finding.fixes for finding in presigned_in_data.run(ctx)] == [()]


def test_a_link_that_is_still_valid_is_a_warning(ctx: Context, session: Session, project: SimpleNamespace) -> None:
    begun = (datetime.now(UTC) - timedelta(minutes=5)).strftime("%Y%m%dT%H%M%SZ")
    make_task(session, project=project, data={"image": S3.replace("20240115T120000Z", begun)})
    assert [finding.severity for finding in presigned_in_data.run(ctx)] == [Severity.WARNING]


def test_an_end_that_cannot_be_read(ctx: Context, session: Session, project: SimpleNamespace) -> None:
    make_task(session, project=project, data={"image": S3.replace("X-Amz-Expires=3600", "X-Amz-Expires=soon")})
    [finding] = presigned_in_data.run(ctx)
    assert finding.evidence.rows[0]["ends"] is None
