"""storage.cors_missing: pages of Label Studio may not read the files."""

from __future__ import annotations

from dataclasses import replace

import pytest

from console.diagnostics import NotApplicable, Unknown
from console.diagnostics.check import Context
from console.diagnostics.storage.cors_missing import cors_missing
from tests.diagnostics.storage.conftest import ORIGIN
from tests.s3_server import Cors

MEDIA = {"a.jpg": b"x" * 100}


def test_a_rule_for_everybody_or_for_us_is_healthy(ctx: Context, story) -> None:
    for cors in (Cors(), Cors(origins=(ORIGIN,))):
        story(MEDIA, use_blob_urls=True).fake.cors = [cors]
        assert list(cors_missing.answers(ctx)) == []


@pytest.mark.parametrize(
    "cors",
    [None, [], [Cors(origins=("https://other.example.com",))], [Cors(origins=(f"{ORIGIN}:8080",))]],
)
def test_no_rule_for_us(ctx: Context, story, cors) -> None:
    storage = story(MEDIA, use_blob_urls=True)
    storage.fake.cors = cors
    [finding] = cors_missing.run(ctx)
    assert finding.subject == storage.subject and ORIGIN in finding.summary
    assert "AllowedOrigins" in finding.cause
    assert {row["tried"] for row in finding.evidence} == {"simple", "preflight"}


def test_where_it_does_not_matter(ctx: Context, story) -> None:
    story(MEDIA, use_blob_urls=True, presign=False)
    with pytest.raises(NotApplicable):
        list(cors_missing.answers(ctx))
    story({}, use_blob_urls=True)
    assert list(cors_missing.answers(ctx)) == []  # an empty bucket has nothing to read
    story({"a.json": b"{}"}, use_blob_urls=False)
    assert list(cors_missing.answers(ctx)) == []  # tasks, no files


def test_links_that_do_not_open_are_another_matter(ctx: Context, story) -> None:
    story(MEDIA, use_blob_urls=True).fake.faults["GET"] = "deny"
    assert list(cors_missing.answers(ctx)) == []


def test_without_an_address_of_label_studio_it_is_undecided(ctx: Context, story) -> None:
    story(MEDIA, use_blob_urls=True)
    ctx.deployment.settings = replace(ctx.deployment.settings, label_studio_url=None)
    [answer] = list(cors_missing.answers(ctx))
    assert isinstance(answer, Unknown) and "LSCONSOLE_LABEL_STUDIO_URL" in str(answer)
