"""storage.blob_toggle_off: media where JSON tasks are read, by the share of keys that pass the filter."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

from console.diagnostics import Unknown
from console.diagnostics.check import Context
from console.diagnostics.storage.blob_toggle_off import blob_toggle_off
from console.service import Console
from tests.factories import BOTH_ENGINES
from tests.round_trip import assert_round_trip

PHOTOS = ["yard/1.jpg", "yard/2.jpg"]
SourceOf = Callable[..., SimpleNamespace]


def test_json_tasks_are_healthy(ctx: Context, source_of: SourceOf) -> None:
    source_of(["a.json", "b.JSONL", "c.parquet", "without-extension"])
    assert list(blob_toggle_off.answers(ctx)) == []


def test_photos_that_the_filter_keeps_out_are_healthy(ctx: Context, source_of: SourceOf) -> None:
    source_of([*PHOTOS, "a.json"], regex_filter=r".*\.json$")
    assert list(blob_toggle_off.answers(ctx)) == []


def test_photos_read_as_photos_are_none_of_its_business(ctx: Context, source_of: SourceOf) -> None:
    source_of(PHOTOS, use_blob_urls=True)
    assert list(blob_toggle_off.answers(ctx)) == []


def test_five_in_a_hundred_is_the_limit(ctx: Context, source_of: SourceOf) -> None:
    source_of([*(f"{number}.json" for number in range(95)), *(f"{number}.txt" for number in range(5))])
    assert list(blob_toggle_off.answers(ctx)) == []
    source_of([*(f"{number}.json" for number in range(94)), *(f"{number}.txt" for number in range(6))])
    assert len(blob_toggle_off.run(ctx)) == 1


@BOTH_ENGINES
def test_photos_where_tasks_are_read(console: Console, ctx: Context, source_of: SourceOf) -> None:
    storage = source_of(PHOTOS, regex_filter=".*", title="Forklifts")
    [finding] = blob_toggle_off.run(ctx)
    assert (finding.subject, finding.name, finding.fixes) == (storage.subject, "Forklifts", ("switch_on",))
    assert finding.summary == "2 of 2 keys taken by the filter are no JSON, and the storage reads JSON tasks"
    assert finding.evidence.rows == [
        {"extension": ".jpg", "keys": 2, "example": "yard/1.jpg", "sync": "fails", "filter": ".*", "narrowed": None}
    ]
    assert_round_trip(console, ctx, blob_toggle_off, "switch_on", finding)


def test_json_beside_photos_can_be_narrowed(console: Console, ctx: Context, source_of: SourceOf) -> None:
    source_of([*PHOTOS, "a.json"])
    [finding] = blob_toggle_off.run(ctx)
    assert finding.fixes == ("switch_on", "narrow_filter")
    assert_round_trip(console, ctx, blob_toggle_off, "narrow_filter", finding)


def test_mostly_json_is_not_to_be_switched_on(ctx: Context, source_of: SourceOf) -> None:
    source_of([PHOTOS[0], "a.json", "b.json"], regex_filter=r".*\.(jpg|json)$")
    [finding] = blob_toggle_off.run(ctx)
    assert finding.fixes == ("narrow_filter",)


def test_an_unreachable_bucket_is_unknown(ctx: Context, source_of: SourceOf, dead_endpoint: str) -> None:
    storage = source_of(bucket="somewhere", s3_endpoint=dead_endpoint)
    [answer] = list(blob_toggle_off.answers(ctx))
    assert isinstance(answer, Unknown) and str(answer).startswith(f"s3:{storage.id}: ")


def test_an_invalid_or_endless_filter(ctx: Context, source_of: SourceOf) -> None:
    source_of(PHOTOS, regex_filter="*.jpg")
    assert list(blob_toggle_off.answers(ctx)) == []
    source_of(["a" * 60 + ".jpg"], regex_filter=r"(?=(a+)+$)b")
    [answer] = list(blob_toggle_off.answers(ctx))
    assert isinstance(answer, Unknown)
