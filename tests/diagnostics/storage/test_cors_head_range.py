"""storage.cors_head_range: parts of files do not reach players."""

from __future__ import annotations

import pytest

from console.diagnostics.check import Context
from console.diagnostics.storage.cors_head_range import cors_head_range
from tests.s3_server import Cors

SOUND = {"a.mp3": b"x" * 1000}


def test_healthy_ones(ctx: Context, story) -> None:
    story(SOUND, use_blob_urls=True).fake.cors = [Cors()]
    assert list(cors_head_range.answers(ctx)) == []
    picture = story({"a.jpg": b"x"}, use_blob_urls=True)
    picture.fake.cors, picture.fake.ranges = [Cors(headers=())], False
    assert list(cors_head_range.answers(ctx)) == []  # pictures are read whole


@pytest.mark.parametrize(
    ("cors", "ranges", "told"),
    [
        (Cors(headers=()), True, "Range"),
        (Cors(), False, "whole file"),
        (Cors(exposed=()), True, "not exposed"),
    ],
)
def test_what_players_miss(ctx: Context, story, cors, ranges, told) -> None:
    storage = story(SOUND, use_blob_urls=True)
    storage.fake.cors, storage.fake.ranges = [cors], ranges
    [finding] = cors_head_range.run(ctx)
    assert finding.subject == storage.subject and told in finding.cause
    assert [row["tried"] for row in finding.evidence] == ["range", "preflight", "simple"]


def test_no_rule_at_all_is_another_matter(ctx: Context, story) -> None:
    story(SOUND, use_blob_urls=True)
    assert list(cors_head_range.answers(ctx)) == []
