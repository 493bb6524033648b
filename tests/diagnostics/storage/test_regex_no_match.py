"""storage.regex_no_match: valid filters that match nothing, and the nearest filter that does."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from console.diagnostics import Severity, Unknown
from console.diagnostics.check import Context
from console.diagnostics.probes import BucketProbes
from console.diagnostics.storage.regex_no_match import regex_no_match
from console.service import Console
from tests.round_trip import assert_round_trip

SCANS = ["scans/2025/IMG_1.jpg", "scans/2025/IMG_2.jpg", "scans/2025/readme.txt"]
SourceOf = Callable[..., SimpleNamespace]


def test_a_filter_that_matches_is_healthy(ctx: Context, source_of: SourceOf) -> None:
    source_of(SCANS, regex_filter=r".*IMG_\d+\.jpg$")
    assert list(regex_no_match.answers(ctx)) == []


def test_no_filter_and_no_keys_are_healthy(ctx: Context, source_of: SourceOf) -> None:
    source_of(SCANS, regex_filter="")
    assert list(regex_no_match.answers(ctx)) == []
    source_of([], regex_filter="x")
    assert list(regex_no_match.answers(ctx)) == []


def test_the_folder_is_part_of_the_key(console: Console, ctx: Context, source_of: SourceOf) -> None:
    storage = source_of(SCANS, prefix="scans/2025", regex_filter=r"IMG_\d+\.jpg$")
    [finding] = regex_no_match.run(ctx)
    assert (finding.subject, finding.severity) == (storage.subject, Severity.ERROR)
    assert finding.summary == r"None of 3 keys matches the filter `IMG_\d+\.jpg$`"
    assert r"`.*IMG_\d+\.jpg$` would match 2 of them" in finding.cause
    assert [(row["extension"], row["keys"], row["example"], row["matched_then"]) for row in finding.evidence] == [
        (".jpg", 2, SCANS[0], 2), (".txt", 1, SCANS[2], 0),
    ]  # fmt: skip
    assert_round_trip(console, ctx, regex_no_match, "replace_filter", finding)


@pytest.mark.parametrize(
    ("pattern", "key", "nearest"),
    [
        (r"IMG_.*\.jpg$", "a/IMG_1.jpg", r".*IMG_.*\.jpg$"),
        (r"^IMG_.*\.jpg$", "a/IMG_1.jpg", r".*IMG_.*\.jpg$"),
        (r".*\.jpg$", "a/1.JPG", r"(?i).*\.jpg$"),
        (r"img_.*\.jpg$", "a/IMG_1.JPG", r"(?i).*img_.*\.jpg$"),
        (r".*\.jpg$", "a/1.jpeg", r".*\.jpe?g$"),
        (r".*\.json$", "a/1.jsonl", r".*\.jsonl?$"),
        (r"1\.jpg$", "a/1.JPEG", r"(?i).*1\.jpe?g$"),
        (r"x|1\.jpg$", "a/1.jpg", r".*(?:x|1\.jpg$)"),
        (r"(?s)1\.jpg", "a/1.JPG", r"(?is).*1\.jpg"),
        ("b/*.jpg", "b/c/1.jpg", r"b/.*\.jpg$"),
        (r"фото\.jpg", "альбом/фото.jpg", r".*фото\.jpg"),
    ],
)
def test_the_nearest_filter(ctx: Context, source_of: SourceOf, pattern: str, key: str, nearest: str) -> None:
    source_of([key], regex_filter=pattern)
    [finding] = regex_no_match.run(ctx)
    assert finding.evidence.rows[0]["nearest"] == nearest
    assert finding.evidence.rows[0]["matched_then"] == 1 and finding.fixes == ("replace_filter",)


def test_a_filter_for_other_files_has_no_repair(ctx: Context, source_of: SourceOf) -> None:
    source_of(SCANS, regex_filter=r"reviews/.*\.csv$")
    [finding] = regex_no_match.run(ctx)
    assert finding.fixes == () and finding.evidence.rows[0]["nearest"] is None


def test_only_the_first_thousand_keys_are_listed(console: Console, ctx: Context, source_of: SourceOf) -> None:
    source_of([*(f"{number:05d}.jpg" for number in range(1001)), "x.png"], regex_filter=r".*\.png$")
    [finding] = regex_no_match.run(ctx)
    assert finding.severity == Severity.WARNING
    assert finding.summary == r"None of the first 1,000 keys matches the filter `.*\.png$`; a deep run looks at all"
    ctx.probes = BucketProbes(console.deployment, deep=True)
    assert list(regex_no_match.answers(ctx)) == []


def test_an_unreachable_bucket_is_unknown(ctx: Context, source_of: SourceOf, dead_endpoint: str) -> None:
    storage = source_of(bucket="somewhere", s3_endpoint=dead_endpoint, regex_filter="x")
    [answer] = list(regex_no_match.answers(ctx))
    assert isinstance(answer, Unknown) and str(answer).startswith(f"s3:{storage.id}: {dead_endpoint}")


def test_a_row_without_a_bucket_is_unknown(ctx: Context, source_of: SourceOf) -> None:
    source_of(bucket=None, regex_filter="x")
    [answer] = list(regex_no_match.answers(ctx))
    assert isinstance(answer, Unknown) and "names no bucket" in str(answer)


def test_a_catastrophic_pattern_ends_in_time(ctx: Context, source_of: SourceOf) -> None:
    source_of(["a" * 60 + "!"], regex_filter=r"(?=(a+)+$)b")
    [answer] = list(regex_no_match.answers(ctx))
    assert isinstance(answer, Unknown) and "took longer than" in str(answer)
    source_of(["a" * 60 + "!"], regex_filter=r"(a+)+$")
    [finding] = regex_no_match.run(ctx)
    assert finding.severity == Severity.ERROR


def test_an_invalid_pattern_is_left_to_the_check_that_reports_it(ctx: Context, source_of: SourceOf) -> None:
    source_of(SCANS, regex_filter="*.jpg")
    assert list(regex_no_match.answers(ctx)) == []
