"""storage.duplicate_sources: two storages of one project over the same objects."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.storage.duplicate_sources import duplicate_sources
from console.service import Console
from tests.diagnostics.storage.sources import make_links, make_source, narrowed
from tests.factories import BOTH_ENGINES
from tests.round_trip import assert_round_trip


def pair(session: Session, ctx: Context, older: dict[str, Any], younger: dict[str, Any]) -> list[SimpleNamespace]:
    """Two storages of one project; `ctx` is narrowed to the younger."""
    first = make_source(session, bucket="photos", **older)
    second = make_source(session, **{"bucket": "photos", "project_id": first.project_id} | younger)
    return [first, narrowed(ctx, second)]


@pytest.mark.parametrize(
    ("older", "younger"),
    [
        ({"prefix": "img/"}, {"prefix": "img/"}), ({"prefix": "img"}, {"prefix": "img/"}), ({"prefix": None}, {"prefix": ""}),
        ({"prefix": "img/"}, {"prefix": "/img//"}), ({"prefix": ""}, {"prefix": "img"}), ({"prefix": "img/a"}, {"prefix": "img"}),
        ({"s3_endpoint": "http://Minio:9000/"}, {"s3_endpoint": "http://minio:9000"}),
        ({"regex_filter": ""}, {"regex_filter": None}),
        ({"s3_endpoint": "https://s3.amazonaws.com"}, {"s3_endpoint": None}),
    ],
)  # fmt: skip
def test_the_same_place(ctx: Context, session: Session, older: dict[str, Any], younger: dict[str, Any]) -> None:
    first, second = pair(session, ctx, older, younger)
    [finding] = duplicate_sources.run(ctx)
    assert (finding.subject, finding.severity) == (second.subject, Severity.WARNING)
    assert finding.summary == f"It reads what s3:{first.id} of the same project reads"


@pytest.mark.parametrize(
    ("older", "younger"),
    [
        ({"prefix": "img/"}, {"prefix": "img-2/"}), ({"prefix": "img"}, {"prefix": "IMG"}), ({}, {"bucket": "photos-2"}),
        ({"s3_endpoint": "http://minio:9000"}, {"s3_endpoint": "http://minio:9001"}),
        ({"prefix": "", "recursive_scan": False}, {"prefix": "img", "recursive_scan": False}),
        ({"regex_filter": r".*\.jpg$"}, {"regex_filter": r".*\.json$"}), ({}, {"synchronizable": False}),
        ({"synchronizable": False}, {}),
    ],
)  # fmt: skip
def test_two_places_are_healthy(ctx: Context, session: Session, older: dict[str, Any], younger: dict[str, Any]) -> None:
    first, _ = pair(session, ctx, older, younger)
    ctx.scope = ctx.scope.__class__(project_id=first.project_id)
    assert list(duplicate_sources.answers(ctx)) == []


def test_two_projects_are_healthy(ctx: Context, session: Session) -> None:
    make_source(session, bucket="photos")
    narrowed(ctx, make_source(session, bucket="photos"))
    assert list(duplicate_sources.answers(ctx)) == []


@BOTH_ENGINES
def test_keys_that_became_tasks_twice(console: Console, ctx: Context, session: Session) -> None:
    first, second = pair(session, ctx, {"regex_filter": ".*jpg"}, {"regex_filter": r".*\.jpg$"})
    make_links(session, first, ["1.jpg", "2.jpg"])
    make_links(session, second, ["2.jpg", "3.jpg"])
    [finding] = duplicate_sources.run(ctx)
    assert finding.severity == Severity.ERROR and finding.summary.endswith("; 1 key has become tasks twice")
    assert_round_trip(console, ctx, duplicate_sources, "stop_syncing", finding)
