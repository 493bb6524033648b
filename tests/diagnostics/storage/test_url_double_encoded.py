"""storage.url_double_encoded: addresses that lost their file by being encoded twice."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from sqlalchemy.orm import Session

from console.diagnostics.check import Context, Scope
from console.diagnostics.storage.url_double_encoded import url_double_encoded
from console.service import Console
from tests.diagnostics.storage.sources import make_links, make_source
from tests.factories import BOTH_ENGINES, make_project, make_task
from tests.round_trip import assert_round_trip


@pytest.fixture
def project(session: Session, ctx: Context) -> SimpleNamespace:
    made = make_project(session)
    ctx.scope = Scope(project_id=made.id)
    return made


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com/a%20b.jpg", "https://example.com/100%25.jpg", "100%2525 sure", "a \\ b", "C:\\photos\\1.jpg",
        "/data/local-files/?d=a/b%20c.jpg", "https://example.com/proxy?url=https%3A%2F%2Fx%2Fa%2520b.jpg",
    ],
)  # fmt: skip
def test_sound_ones_are_healthy(ctx: Context, session: Session, project: SimpleNamespace, text: str) -> None:
    make_task(session, project=project, data={"image": text})
    assert list(url_double_encoded.answers(ctx)) == []


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("https://example.com/a%2520b.jpg", "https://example.com/a%20b.jpg"),
        ("https://x.example.com/1.jpg?a=b&key=A%252F20240115", "https://x.example.com/1.jpg?a=b&key=A%2F20240115"),
        ("/data/local-files/?d=photos%5C1.jpg", "/data/local-files/?d=photos/1.jpg"),
        ("/data/local-files/?d=photos\\1.jpg", "/data/local-files/?d=photos/1.jpg"),
        ("/data/local-files/?d=photos%255C1.jpg", "/data/local-files/?d=photos/1.jpg"),
        ("http://ls/data/local-files/?d=a%2520b.jpg", "http://ls/data/local-files/?d=a%20b.jpg"),
        ("s3://photos/a%2520b.jpg", "s3://photos/a%20b.jpg"),
    ],
)  # fmt: skip
def test_what_is_encoded_twice(
    console: Console, ctx: Context, session: Session, project: SimpleNamespace, text: str, decoded: str
) -> None:
    make_task(session, project=project, data={"image": text, "note": "50%2525"})
    [finding] = url_double_encoded.run(ctx)
    assert finding.summary == "1 task holds an address that was encoded twice"
    assert finding.evidence.rows[0]["decoded"] == decoded
    if "%5C" in text:
        assert_round_trip(console, ctx, url_double_encoded, "decode_once", finding)


@BOTH_ENGINES
def test_a_blank_in_a_list(console: Console, ctx: Context, session: Session, project: SimpleNamespace) -> None:
    make_task(session, project=project, data={"pages": [{"url": "https://example.com/a%2520b.jpg"}]})
    [finding] = url_double_encoded.run(ctx)
    assert finding.evidence.rows[0]["field"] == "pages[0].url"
    assert_round_trip(console, ctx, url_double_encoded, "decode_once", finding)


def test_a_key_of_a_bucket_is_what_it_is(ctx: Context, session: Session, project: SimpleNamespace) -> None:
    make_links(session, make_source(session, project_id=project.id, bucket="photos"), ["a%2520b.jpg"])
    assert list(url_double_encoded.answers(ctx)) == []
