"""storage.bucket_name_form: addresses, ARNs, hosts and blanks where a bare name belongs."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from console.diagnostics.check import Context, Scope
from console.diagnostics.storage.bucket_name_form import bucket_name_form
from console.service import Console
from tests.diagnostics.storage.sources import make_links, make_source, narrowed, set_columns
from tests.factories import BOTH_ENGINES
from tests.round_trip import assert_round_trip

ACCESS_POINT = "arn:aws:s3:eu-west-1:123456789012:accesspoint/photos"


@pytest.mark.parametrize("bucket", ["photos", "my.photos-2026", "a1b", "x" * 63, ACCESS_POINT])
def test_names_are_healthy(ctx: Context, session: Session, bucket: str) -> None:
    narrowed(ctx, make_source(session, bucket=bucket))
    assert list(bucket_name_form.answers(ctx)) == []


@pytest.mark.parametrize(
    ("bucket", "meant", "problem"),
    [
        ("s3://photos", "photos", "an address"), ("s3://photos/", "photos", "an address"),
        ("https://photos.s3.amazonaws.com/", "photos", "an address"), ("arn:aws:s3:::photos", "photos", "an ARN"),
        ("photos/", "photos", "a slash"), (" photos", "photos", "blanks around"), ("photos\n", "photos", "blanks around"),
        ("Photos", "photos", "capital letters"), ("photos.s3.amazonaws.com", "photos", "a host"),
        ("my photos", None, "a blank in it"), ("ab", None, "2 characters"), ("", None, "names no bucket"),
        (None, None, "names no bucket"), ("photos_2026", None, "characters in it"), ("10.0.0.1", None, "characters in it"),
    ],
)  # fmt: skip
def test_what_is_no_name(
    console: Console, ctx: Context, session: Session, bucket: str, meant: str | None, problem: str
) -> None:
    narrowed(ctx, make_source(session, bucket=bucket))
    [finding] = bucket_name_form.run(ctx)
    assert problem in finding.summary
    assert finding.evidence.rows[0]["meant"] == meant
    assert finding.fixes == (("use_bare_name",) if meant else ())
    if bucket in ("s3://photos", "Photos"):
        assert_round_trip(console, ctx, bucket_name_form, "use_bare_name", finding)


@BOTH_ENGINES
def test_the_folder_moves_into_the_prefix(console: Console, ctx: Context, session: Session) -> None:
    narrowed(ctx, make_source(session, bucket="s3://photos/2026/a/", prefix=None))
    [finding] = bucket_name_form.run(ctx)
    assert finding.evidence.rows[0]["prefix_then"] == "2026/a/"
    assert_round_trip(console, ctx, bucket_name_form, "use_bare_name", finding)


def test_a_prefix_that_is_there_stays(ctx: Context, session: Session) -> None:
    narrowed(ctx, make_source(session, bucket="s3://photos/2026", prefix="b"))
    assert bucket_name_form.run(ctx)[0].evidence.rows[0]["prefix_then"] is None


def test_an_old_bucket_that_was_synced_is_healthy(ctx: Context, session: Session) -> None:
    storage = narrowed(ctx, make_source(session, bucket="My_Photos"))
    assert len(bucket_name_form.run(ctx)) == 1
    make_links(session, storage, ["1.jpg"])
    assert list(bucket_name_form.answers(ctx)) == []


@pytest.mark.parametrize(
    ("reference", "table", "column", "stored", "meant"),
    [
        ("gcs:1", "io_storages_gcsstoragemixin", "bucket", "gs://news", "news"),
        ("azure:1", "io_storages_azureblobstoragemixin", "container",
         "https://fakeaccount.blob.core.windows.net/calls", "calls"),
        ("azure:1", "io_storages_azureblobstoragemixin", "container", "my.calls", None),
    ],
)  # fmt: skip
def test_other_providers(
    console: Console, ctx: Context, session: Session, reference: str, table: str, column: str, stored: str, meant: str
) -> None:
    set_columns(session, table, "id", 1, **{column: stored})
    ctx.scope = Scope(storage=reference)
    [finding] = bucket_name_form.run(ctx)
    assert finding.evidence.rows[0]["meant"] == meant
    if meant:
        assert_round_trip(console, ctx, bucket_name_form, "use_bare_name", finding)


def test_a_bucket_of_google_may_have_an_underscore(ctx: Context, session: Session) -> None:
    set_columns(session, "io_storages_gcsstoragemixin", "id", 1, bucket="my_news")
    ctx.scope = Scope(storage="gcs:1")
    assert list(bucket_name_form.answers(ctx)) == []
