"""storage.regex_invalid: wildcards are found, translated, tried on real keys, and repaired in the right table."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.diagnostics import Severity, Unknown
from console.diagnostics.check import Context, Scope
from console.diagnostics.report import finding_dict
from console.diagnostics.storage.regex_invalid import regex_invalid
from console.service import Console
from tests.diagnostics.storage.sources import make_source, set_columns
from tests.factories import BOTH_ENGINES
from tests.round_trip import assert_round_trip

PHOTOS = ["north/a.jpg", "north/b.jpg", "north/notes.txt"]
SourceOf = Callable[..., SimpleNamespace]


@BOTH_ENGINES
def test_a_wildcard_that_does_not_compile(console: Console, ctx: Context, source_of: SourceOf) -> None:
    storage = source_of(PHOTOS, prefix="north/", regex_filter="*.jpg", title="Street photos")
    [finding] = regex_invalid.run(ctx)
    assert (finding.subject, finding.name, finding.severity) == (storage.subject, "Street photos", Severity.ERROR)
    assert finding.summary == "The filter `*.jpg` is no regular expression: nothing to repeat at position 0"
    assert finding.evidence.rows == [
        {"filter": "*.jpg", "meant": r".*\.jpg$", "keys_listed": 3, "matched_now": 0, "matched_then": 2}
    ]
    assert_round_trip(console, ctx, regex_invalid, "use_meant_regex", finding)


def test_a_wildcard_that_compiles_is_a_warning(ctx: Context, source_of: SourceOf) -> None:
    source_of(PHOTOS, prefix="north/", regex_filter="north/*.jpg")
    [finding] = regex_invalid.run(ctx)
    assert finding.severity == Severity.WARNING
    assert finding.summary.endswith("is a wildcard, and it is read as a regular expression: it matches 0 of 3 keys")
    assert finding.evidence.rows[0]["meant"] == r"north/.*\.jpg$"


def test_blanks_around_a_pattern(console: Console, ctx: Context, source_of: SourceOf) -> None:
    source_of(PHOTOS, regex_filter=" .*\\.jpg\n")
    [finding] = regex_invalid.run(ctx)
    assert finding.severity == Severity.WARNING and "has blanks around it" in finding.summary
    assert_round_trip(console, ctx, regex_invalid, "use_meant_regex", finding)


def test_it_is_judged_without_the_bucket(ctx: Context, source_of: SourceOf, dead_endpoint: str) -> None:
    source_of(bucket="somewhere", s3_endpoint=dead_endpoint, regex_filter="*.jpg")
    [finding] = list(regex_invalid.answers(ctx))
    assert not isinstance(finding, Unknown)
    assert finding.evidence.rows[0]["keys_listed"] is None
    assert finding.fixes == ("use_meant_regex",)


def test_the_keys_decide_between_two_meanings(ctx: Context, source_of: SourceOf) -> None:
    source_of(["north/a.JPG"], prefix="north/", regex_filter="*.jpg")
    [finding] = regex_invalid.run(ctx)
    assert (finding.evidence.rows[0]["meant"], finding.evidence.rows[0]["matched_then"]) == (r"(?i).*\.jpg$", 1)


@pytest.mark.parametrize(
    ("reference", "parent", "column", "typed", "meant"),
    [
        ("gcs:1", "io_storages_gcsstoragemixin", "id", "texts/*.json", r".*texts/.*\.json$"),
        ("azure:1", "io_storages_azureblobstoragemixin", "id", "*.wav", r".*\.wav$"),
        ("localfiles:1", "io_storages_localfilesmixin", "id", "ner/*.json", r".*\.json$"),
    ],
)
def test_the_filter_of_the_others_stands_in_the_parent_table(
    console: Console, ctx: Context, session: Session, reference: str, parent: str, column: str, typed: str, meant: str
) -> None:
    set_columns(session, parent, column, 1, regex_filter=typed)
    ctx.scope = Scope(storage=reference)
    [finding] = regex_invalid.run(ctx)
    assert (finding.subject, finding.evidence.rows[0]["meant"]) == (f"storage:{reference}", meant)
    assert finding.evidence.rows[0]["keys_listed"] is None
    assert_round_trip(console, ctx, regex_invalid, "use_meant_regex", finding)


@pytest.mark.parametrize("pattern", ["(" * 5000, "*" * 5000, "[", "a{5,2}", "ü(", "(?P<x>", "\\"])
def test_a_broken_pattern_without_a_meaning_has_no_repair(ctx: Context, session: Session, pattern: str) -> None:
    source = make_source(session, regex_filter=pattern, bucket=None)
    ctx.scope = Scope(storage=f"s3:{source.id}")
    [finding] = regex_invalid.run(ctx)
    assert finding.severity == Severity.ERROR and len(finding.summary) < 300
    if pattern[0] != "*":
        assert finding.fixes == ()


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(x+x+)+y", "фото/.*", "", None, "a" * 5000, r"(?i).*\.jpe?g"])
def test_an_odd_pattern_is_left_alone(ctx: Context, session: Session, pattern: str | None) -> None:
    source = make_source(session, regex_filter=pattern, bucket=None)
    ctx.scope = Scope(storage=f"s3:{source.id}")
    assert list(regex_invalid.answers(ctx)) == []


def test_a_pattern_too_long_to_try_is_unknown(ctx: Context, session: Session) -> None:
    source = make_source(session, regex_filter="a" * 30_000)
    ctx.scope = Scope(storage=f"s3:{source.id}")
    [answer] = list(regex_invalid.answers(ctx))
    assert isinstance(answer, Unknown) and str(answer).startswith(f"s3:{source.id}: the filter")


def test_a_filter_that_holds_a_secret_is_shown_masked_and_not_repaired(ctx: Context, session: Session) -> None:
    source = make_source(session, regex_filter="*token=ghp_abcdefghijklmnopqrstuvwxyz0123456789.jpg")
    ctx.scope = Scope(storage=f"s3:{source.id}")
    [finding] = regex_invalid.run(ctx)
    assert finding.fixes == ()
    assert "abcdefghijkl" not in str(finding_dict(finding))


def test_a_secret_in_a_title_is_masked_in_the_report(ctx: Context, session: Session) -> None:
    source = make_source(session, regex_filter="*.jpg", title="bucket with secret_key=Zm9vYmFyYmF6cXV4")
    ctx.scope = Scope(storage=f"s3:{source.id}")
    [finding] = regex_invalid.run(ctx)
    assert "Zm9vYmFy" not in str(finding_dict(finding))


def test_a_disabled_storage_is_passed_over(ctx: Context, session: Session) -> None:
    source = make_source(session, regex_filter="*.jpg", synchronizable=False)
    found: Any = [finding.subject for finding in regex_invalid.run(ctx)]
    assert source.subject not in found
