"""storage.proxy_cuts_large: large files that go through Label Studio."""

from __future__ import annotations

import pytest

from console.diagnostics import NotApplicable
from console.diagnostics.check import Context
from console.diagnostics.storage.proxy_cuts_large import proxy_cuts_large
from console.service import Console
from tests.round_trip import assert_round_trip
from tests.s3_server import Stored

LARGE = Stored(size=80 * 2**20)


def test_large_files_with_links_off(console: Console, ctx: Context, story) -> None:
    storage = story({"a.mp4": LARGE, "b.mp4": Stored(size=2**20), "c.json": LARGE}, presign=False, use_blob_urls=True)
    [finding] = proxy_cuts_large.run(ctx)
    assert finding.subject == storage.subject
    assert finding.summary == "Pre-signed links are off, and 1 file is larger than 50 MiB (of 3 keys)"
    assert finding.evidence.rows == [{"key": "a.mp4", "kind": "video", "mib": 80.0}]
    assert_round_trip(console, ctx, proxy_cuts_large, "switch_on", finding)


def test_small_files_are_healthy(ctx: Context, story) -> None:
    story({"b.mp4": Stored(size=2**20)}, presign=False)
    assert list(proxy_cuts_large.answers(ctx)) == []


def test_with_links_on_there_is_nothing_to_look_at(ctx: Context, story) -> None:
    story({"a.mp4": LARGE}, presign=True)
    with pytest.raises(NotApplicable, match="pre-signed links off"):
        list(proxy_cuts_large.answers(ctx))
