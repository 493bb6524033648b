"""storage.prefix_slash: prefixes that no key begins with, and half folder names."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from sqlalchemy.orm import Session

from console.diagnostics import Severity, Unknown
from console.diagnostics.check import Context, Scope
from console.diagnostics.storage.prefix_slash import prefix_slash
from console.service import Console
from tests.diagnostics.storage.sources import make_links, make_source, narrowed, set_columns
from tests.factories import BOTH_ENGINES
from tests.round_trip import assert_round_trip

SourceOf = Callable[..., SimpleNamespace]


@pytest.mark.parametrize("prefix", ["", None, "img/", "2026/a b/", "photos-2026/", "a/photos/", ".hidden/"])
def test_the_start_of_a_key_is_healthy(ctx: Context, session: Session, prefix: str) -> None:
    narrowed(ctx, make_source(session, bucket="photos", prefix=prefix))
    assert list(prefix_slash.answers(ctx)) == []


@pytest.mark.parametrize(
    ("prefix", "meant", "problem"),
    [
        ("/img", "img", "begins with a slash"), ("/img/", "img/", "begins with a slash"), ("//img", "img", "begins with"),
        ("/", "", "begins with a slash"), ("s3://photos/img/", "img/", "is an address"), ("s3://photos", "", "is an address"),
        ("https://photos.s3.amazonaws.com/img", "img", "is an address"), ("s3://other/img", None, "another bucket, other"),
        ("photos/img", "img", "repeats the name"), ("photos", "", "repeats the name"), ("photos/", "", "repeats the name"),
        ("img/*", "img/", "a wildcard"), ("img/*.jpg", "img", "a wildcard"), ("img*", "", "a wildcard"),
        (" img", "img", "blanks"), ("img/ ", "img/", "blanks"), ("img\n", "img", "blanks"), ("img\\a", "img/a", "backslashes"),
        ("img//a", "img/a", "an empty folder"), ("./img", "img", "an empty folder"),
        (" /photos/img", "img", "begins with a slash"),
    ],
)  # fmt: skip
def test_what_no_key_begins_with(
    console: Console, ctx: Context, session: Session, prefix: str, meant: str | None, problem: str
) -> None:
    storage = narrowed(ctx, make_source(session, bucket="photos", prefix=prefix))
    [finding] = prefix_slash.run(ctx)
    assert (finding.subject, finding.severity) == (storage.subject, Severity.ERROR)
    assert problem in finding.summary and finding.evidence.rows[0]["meant"] == meant
    assert finding.fixes == (() if meant is None else ("use_meant_prefix",))
    if prefix == "s3://photos":
        assert_round_trip(console, ctx, prefix_slash, "use_meant_prefix", finding)


@BOTH_ENGINES
def test_a_prefix_that_has_brought_tasks_is_healthy(ctx: Context, session: Session) -> None:
    storage = narrowed(ctx, make_source(session, bucket="photos", prefix="photos/img"))
    make_links(session, storage, ["img/1.jpg"])
    assert len(prefix_slash.run(ctx)) == 1
    make_links(session, storage, ["photos/img/1.jpg"])
    assert list(prefix_slash.answers(ctx)) == []


def test_a_target_is_a_warning(console: Console, ctx: Context, session: Session) -> None:
    narrowed(ctx, make_source(session, table="io_storages_s3exportstorage", bucket="photos", prefix="/out"))
    [finding] = prefix_slash.run(ctx)
    assert finding.severity == Severity.WARNING
    assert_round_trip(console, ctx, prefix_slash, "use_meant_prefix", finding)


@pytest.mark.parametrize(
    ("reference", "table", "prefix"),
    [("gcs:1", "io_storages_gcsstoragemixin", "gs://ls-demo-gcs/news/"),
     ("azure:1", "io_storages_azureblobstoragemixin", "/calls/")],
)  # fmt: skip
def test_other_providers(
    console: Console, ctx: Context, session: Session, reference: str, table: str, prefix: str
) -> None:
    set_columns(session, table, "id", 1, prefix=prefix)
    ctx.scope = Scope(storage=reference)
    [finding] = prefix_slash.run(ctx)
    assert_round_trip(console, ctx, prefix_slash, "use_meant_prefix", finding)


def test_half_a_folder_name(console: Console, ctx: Context, source_of: SourceOf) -> None:
    source_of(["a/images/1.jpg", "a/other/1.jpg"], prefix="a/ima")
    [finding] = prefix_slash.run(ctx)
    assert finding.summary == "The prefix `a/ima` is half a folder name: there is no `a/ima/`, but `a/images/`"
    assert_round_trip(console, ctx, prefix_slash, "use_meant_prefix", finding)


def test_half_of_two_names_is_not_repaired(ctx: Context, source_of: SourceOf) -> None:
    source_of(["images-1/1.jpg", "images-2/1.jpg"], prefix="images-")
    [finding] = prefix_slash.run(ctx)
    assert finding.fixes == () and "2 folders that begin so" in finding.summary


@pytest.mark.parametrize("keys", [["img/1.jpg"], ["img/1.jpg", "img-2/1.jpg"], ["other/1.jpg"], []])
def test_whole_folders_and_empty_ones_are_healthy(ctx: Context, source_of: SourceOf, keys: list[str]) -> None:
    source_of(keys, prefix="img")
    assert list(prefix_slash.answers(ctx)) == []


def test_an_unreachable_bucket_is_unknown(ctx: Context, source_of: SourceOf, dead_endpoint: str) -> None:
    source_of(bucket="somewhere", s3_endpoint=dead_endpoint, prefix="img")
    [answer] = list(prefix_slash.answers(ctx))
    assert isinstance(answer, Unknown)
