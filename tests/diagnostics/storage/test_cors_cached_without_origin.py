"""storage.cors_cached_without_origin: an answer that is kept and forbids the editor."""

from __future__ import annotations

import pytest

from console.diagnostics.check import Context
from console.diagnostics.storage.cors_cached_without_origin import cors_cached_without_origin
from tests.diagnostics.storage.conftest import ORIGIN
from tests.s3_server import Cors, Stored


def kept(headers: dict[str, str]) -> dict[str, Stored]:
    return {"a.jpg": Stored(b"x" * 10, headers=headers)}


def test_an_answer_that_may_be_kept_and_does_not_vary(ctx: Context, story) -> None:
    storage = story(kept({"Cache-Control": "public, max-age=3600"}), use_blob_urls=True)
    storage.fake.cors = [Cors(origins=(ORIGIN,))]
    [finding] = cors_cached_without_origin.run(ctx)
    assert finding.subject == storage.subject and "max-age=3600" in finding.summary


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Cache-Control": "no-store"},
        {"Cache-Control": "max-age=0"},
        {"Cache-Control": "max-age=60", "Vary": "Origin"},
    ],
)
def test_healthy_ones(ctx: Context, story, headers) -> None:
    story(kept(headers), use_blob_urls=True).fake.cors = [Cors(origins=(ORIGIN,))]
    assert list(cors_cached_without_origin.answers(ctx)) == []
