"""storage.regex_empty: a note where all objects are alike, a warning where others lie among them."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from sqlalchemy.orm import Session

from console.diagnostics import Finding, Severity, Unknown
from console.diagnostics.check import Context, Scope
from console.diagnostics.storage.regex_empty import regex_empty
from console.service import Console
from tests.diagnostics.storage.sources import set_columns
from tests.factories import BOTH_ENGINES
from tests.round_trip import assert_round_trip

SHELF = [*(f"shelf/{number}.jpg" for number in range(8)), "shelf/9.JPEG", "shelf/.DS_Store", "shelf/camera.log"]
SourceOf = Callable[..., SimpleNamespace]


@pytest.mark.parametrize("empty", [None, ""])
def test_junk_among_photos(console: Console, ctx: Context, source_of: SourceOf, empty: str | None) -> None:
    storage = source_of(SHELF, use_blob_urls=True, regex_filter=empty)
    [finding] = regex_empty.run(ctx)
    assert (finding.subject, finding.severity) == (storage.subject, Severity.WARNING)
    assert finding.summary == "The filter is empty, and 2 of 11 keys are of another kind than the rest"
    counted = {row["extension"]: row["keys"] for row in finding.evidence}
    assert counted == {".jpg": 8, ".jpeg": 1, "none": 1, ".log": 1}
    assert finding.evidence.rows[0]["suggested"] == r"(?i).*\.jpe?g$"
    assert_round_trip(console, ctx, regex_empty, "set_filter", finding)


def test_files_of_one_kind_are_a_note(ctx: Context, source_of: SourceOf) -> None:
    source_of(["a.png", "b.jpg"], use_blob_urls=True)
    [finding] = regex_empty.run(ctx)
    assert finding.severity == Severity.INFO
    assert finding.summary == "The filter is empty: a sync takes every object, of 2 keys looked at"
    assert finding.evidence.rows[0]["suggested"] == r".*\.(jpe?g|png)$"


def test_photos_among_json_tasks(console: Console, ctx: Context, source_of: SourceOf) -> None:
    source_of(["a.json", "b.jsonl", "c.png"])
    [finding] = regex_empty.run(ctx)
    assert (finding.severity, finding.impact) == (
        Severity.WARNING, "A sync fails at the first file that is not JSON",
    )  # fmt: skip
    assert finding.evidence.rows[0]["suggested"] == r".*\.jsonl?$"
    assert_round_trip(console, ctx, regex_empty, "set_filter", finding)


def test_one_stray_file_among_many_is_below_the_limit(ctx: Context, source_of: SourceOf) -> None:
    source_of([*(f"{number}.json" for number in range(19)), "readme.txt"])
    [finding] = regex_empty.run(ctx)
    assert finding.severity == Severity.INFO


def test_no_json_at_all_suggests_no_json_filter(ctx: Context, source_of: SourceOf) -> None:
    source_of(["a.jpg"])
    [finding] = regex_empty.run(ctx)
    assert finding.severity == Severity.WARNING and finding.fixes == ()


def test_an_empty_bucket_is_a_note(ctx: Context, source_of: SourceOf) -> None:
    source_of([], use_blob_urls=True)
    [finding] = regex_empty.run(ctx)
    assert (finding.severity, finding.fixes, finding.evidence.total) == (Severity.INFO, (), 1)


def test_an_unreachable_bucket_is_a_note_and_undecided(ctx: Context, source_of: SourceOf, dead_endpoint: str) -> None:
    storage = source_of(bucket="somewhere", s3_endpoint=dead_endpoint)
    undecided, finding = list(regex_empty.answers(ctx))
    assert isinstance(undecided, Unknown) and str(undecided).startswith(f"s3:{storage.id}: ")
    assert isinstance(finding, Finding) and finding.severity == Severity.INFO


@BOTH_ENGINES
def test_other_providers_are_judged_by_the_row(console: Console, ctx: Context, session: Session) -> None:
    set_columns(session, "io_storages_gcsstoragemixin", "id", 1, regex_filter=None)
    ctx.scope = Scope(storage="gcs:1")
    [finding] = regex_empty.run(ctx)
    assert isinstance(finding, Finding) and finding.severity == Severity.INFO
    assert_round_trip(console, ctx, regex_empty, "set_filter", finding)
