"""storage.s3_region: the bucket is elsewhere."""

from __future__ import annotations

import pytest

from console.diagnostics import Unknown
from console.diagnostics.check import Context
from console.diagnostics.storage.s3_region import s3_region
from console.service import Console
from tests.round_trip import assert_round_trip


def test_the_right_region_is_healthy(ctx: Context, story) -> None:
    story({"a.json": b"{}"}, region_name="us-east-1")
    assert list(s3_region.answers(ctx)) == []


@pytest.mark.parametrize("stored", ["us-east-1", "", None, "eu-central-1"])
def test_another_region_is_told_and_set(console: Console, ctx: Context, story, stored) -> None:
    storage = story({"a.json": b"{}"}, region_name=stored)
    storage.fake.region = "eu-west-1"
    [finding] = s3_region.run(ctx)
    assert finding.summary.endswith("and its bucket is in eu-west-1")
    assert_round_trip(console, ctx, s3_region, "set_region", finding)


def test_targets_too(ctx: Context, story) -> None:
    story({}, target=True, region_name="us-east-1").fake.region = "ap-south-1"
    [finding] = s3_region.run(ctx)
    assert finding.subject.startswith("storage:s3-export:")


def test_a_dead_endpoint_is_undecided(ctx: Context, story) -> None:
    story({}, s3_endpoint="http://127.0.0.1:9")
    [answer] = list(s3_region.answers(ctx))
    assert isinstance(answer, Unknown)
