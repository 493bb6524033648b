"""storage.recursive_off: folders that a sync does not enter."""

from __future__ import annotations

import pytest

from console.diagnostics import NotApplicable, Unknown
from console.diagnostics.check import Context
from console.diagnostics.storage.recursive_off import recursive_off
from console.service import Console
from tests.factories import BOTH_ENGINES
from tests.round_trip import assert_round_trip

DEEP = {"scans/a/1.jpg": b"x", "scans/a/2.jpg": b"x", "scans/b/3.jpg": b"x", "scans/b/4.txt": b"x"}


@BOTH_ENGINES
def test_folders_are_told_and_entered_and_left_again(console: Console, ctx: Context, story) -> None:
    storage = story(DEEP, prefix="scans", recursive_scan=False, regex_filter=r".*\.jpg$")
    [finding] = recursive_off.run(ctx)
    assert finding.subject == storage.subject
    assert finding.summary.endswith("with folders entered, 3 of 4 keys would be taken")
    assert [(row["folder"], row["keys"]) for row in finding.evidence] == [("a/", 2), ("b/", 1)]
    assert_round_trip(console, ctx, recursive_off, "switch_on", finding)


@pytest.mark.parametrize(
    ("objects", "columns"),
    [
        (DEEP, {"prefix": "scans", "recursive_scan": True}),
        (DEEP | {"scans/top.jpg": b"x"}, {"prefix": "scans", "recursive_scan": False}),
        ({}, {"prefix": "", "recursive_scan": False}),
        ({"scans/": b""}, {"prefix": "scans", "recursive_scan": False}),
    ],
)
def test_healthy_ones(ctx: Context, story, objects, columns) -> None:
    story(objects, **columns)
    try:
        assert list(recursive_off.answers(ctx)) == []
    except NotApplicable:
        assert columns["recursive_scan"]


def test_a_filter_that_refuses_what_lies_below(ctx: Context, story) -> None:
    story(DEEP, recursive_scan=False, regex_filter=r".*\.mp4$")
    [finding] = recursive_off.run(ctx)
    assert "none of 4 keys, as the filter refuses them," in finding.summary


def test_a_bucket_that_may_not_be_listed_is_undecided(ctx: Context, story) -> None:
    storage = story(DEEP, recursive_scan=False)
    storage.fake.faults["LIST"] = "deny"
    [answer] = list(recursive_off.answers(ctx))
    assert isinstance(answer, Unknown) and "s3:ListBucket" in str(answer)
