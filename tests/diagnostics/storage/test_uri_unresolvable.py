"""storage.uri_unresolvable: addresses of buckets that no storage of the project has."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.diagnostics import Severity
from console.diagnostics.check import Context, Scope
from console.diagnostics.storage.uri_unresolvable import uri_unresolvable
from console.service import Console
from tests.diagnostics.storage.sources import make_source
from tests.factories import BOTH_ENGINES, make_project, make_task
from tests.round_trip import assert_round_trip

IMAGES = '<View><Image name="i" value="$image"/><RectangleLabels name="l" toName="i"><Label value="a"/></RectangleLabels></View>'


@pytest.fixture
def project(session: Session, ctx: Context) -> SimpleNamespace:
    """A project of images with a source storage on s3://photos; `ctx` is narrowed to it."""
    made = make_project(session, label_config=IMAGES)
    make_source(session, project_id=made.id, bucket="photos")
    ctx.scope = Scope(project_id=made.id)
    return made


@pytest.mark.parametrize(
    "data",
    [
        {"image": "s3://photos/1.jpg"}, {"image": "https://example.com/s3://gone/1.jpg"}, {"image": "see s3://gone/1.jpg"},
        {"image": [{"url": "s3://photos/1.jpg"}]}, {"image": "<img src='s3://photos/1.jpg'/>"}, {"image": "s3"}, {"image": 5},
        {"image": " s3://photos/1.jpg"},
    ],
)  # fmt: skip
def test_resolved_ones_and_prose_are_healthy(
    ctx: Context, session: Session, project: SimpleNamespace, data: dict[str, Any]
) -> None:
    make_task(session, project=project, data=data)
    assert list(uri_unresolvable.answers(ctx)) == []


@pytest.mark.parametrize(
    ("data", "pair", "meant"),
    [
        ({"image": "s3://gone/1.jpg"}, "s3://gone", None), ({"image": "gs://photos/1.jpg"}, "gs://photos", None),
        ({"image": [{"url": "s3://gone/1.jpg"}, "x"]}, "s3://gone", None),
        ({"image": '<img src="s3://gone/1.jpg"/>'}, "s3://gone", None),
        ({"image": "s3://Photos/1.jpg"}, "s3://Photos", "s3://photos"),
        ({"image": "S3://photos/1.jpg"}, "S3://photos", "s3://photos"),
        ({"image": "s3a://photos/1.jpg"}, "s3a://photos", "s3://photos"),
        ({"$undefined$": "gcs://news/1.txt"}, "gcs://news", None), ({"image": "azure://c/1.jpg"}, "azure://c", None),
    ],
)  # fmt: skip
def test_what_is_not_resolved(
    console: Console, ctx: Context, session: Session, project: SimpleNamespace, data: dict[str, Any], pair: str,
    meant: str | None,
) -> None:  # fmt: skip
    make_task(session, project=project, data={"image": "s3://photos/1.jpg"})
    make_task(session, project=project, data=data)
    [finding] = uri_unresolvable.run(ctx)
    assert (finding.subject, finding.severity) == (f"project:{project.id}", Severity.ERROR)
    assert finding.summary == f"1 task points to {pair}, which no source storage of the project resolves"
    assert finding.evidence.rows[0]["meant"] == meant
    assert finding.fixes == (("correct_address",) if meant else ())
    if meant and "Photos" in pair:
        assert_round_trip(console, ctx, uri_unresolvable, "correct_address", finding)


@BOTH_ENGINES
def test_two_kinds_in_one_project(ctx: Context, session: Session, project: SimpleNamespace) -> None:
    for address in ("s3://gone/1.jpg", "s3://gone/2.jpg", "gcs://photos/3.jpg"):
        make_task(session, project=project, data={"image": address})
    [finding] = uri_unresolvable.run(ctx)
    assert finding.summary.startswith("3 tasks point to s3://gone, gcs://photos, which")
    make_task(session, project=project, data={"pages": [{"html": '<img src="gs://gone/1.jpg">'}]})
    assert uri_unresolvable.run(ctx)[0].summary.startswith("4 tasks point to s3://gone, gcs://photos, gs://gone, which")


def test_a_field_that_is_not_shown_is_a_note(ctx: Context, session: Session, project: SimpleNamespace) -> None:
    make_task(session, project=project, data={"image": "s3://photos/1.jpg", "origin": "s3://archive/1.jpg"})
    assert [finding.severity for finding in uri_unresolvable.run(ctx)] == [Severity.INFO]


def test_a_storage_of_another_project_does_not_help(ctx: Context, session: Session, project: SimpleNamespace) -> None:
    make_source(session, bucket="elsewhere")
    make_task(session, project=project, data={"image": "s3://elsewhere/1.jpg"})
    assert len(uri_unresolvable.run(ctx)) == 1


def test_a_storage_that_is_switched_off_resolves(ctx: Context, session: Session, project: SimpleNamespace) -> None:
    make_source(session, project_id=project.id, bucket="archive", synchronizable=False)
    make_task(session, project=project, data={"image": "s3://archive/1.jpg"})
    assert list(uri_unresolvable.answers(ctx)) == []


@BOTH_ENGINES
def test_the_dump_is_healthy(ctx: Context) -> None:
    assert list(uri_unresolvable.answers(ctx)) == []
