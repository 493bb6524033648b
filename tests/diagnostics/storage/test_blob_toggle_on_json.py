"""storage.blob_toggle_on_json: JSON files shown as links, told by the links and by the listing."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

from sqlalchemy import event
from sqlalchemy.orm import Session

from console.diagnostics import Finding, Severity, Unknown
from console.diagnostics.check import Context, Scope
from console.diagnostics.storage.blob_toggle_on_json import blob_toggle_on_json
from console.service import Console
from tests.diagnostics.storage.sources import make_links, make_source, set_columns
from tests.factories import BOTH_ENGINES
from tests.round_trip import assert_round_trip

REVIEWS = ["reviews/1.json", "reviews/2.JSONL"]
SourceOf = Callable[..., SimpleNamespace]


def test_photos_are_healthy(ctx: Context, session: Session, source_of: SourceOf) -> None:
    make_links(session, source_of(["1.jpg"], use_blob_urls=True), ["1.jpg"])
    assert list(blob_toggle_on_json.answers(ctx)) == []


def test_json_read_as_tasks_is_healthy(ctx: Context, session: Session, source_of: SourceOf) -> None:
    make_links(session, source_of(REVIEWS), REVIEWS)
    assert list(blob_toggle_on_json.answers(ctx)) == []


@BOTH_ENGINES
def test_links_to_json(console: Console, ctx: Context, session: Session, source_of: SourceOf) -> None:
    storage = source_of(REVIEWS, use_blob_urls=True)
    make_links(session, storage, REVIEWS)
    [finding] = blob_toggle_on_json.run(ctx)
    assert (finding.subject, finding.severity, finding.fixes) == (storage.subject, Severity.ERROR, ("switch_off",))
    assert finding.summary.startswith("2 of 2 tasks were made of JSON files, and 2 of 2 keys a sync takes are JSON")
    assert finding.evidence.total == 2
    assert finding.evidence.rows[0]["key"] == REVIEWS[0]
    assert finding.evidence.rows[0]["data"] == f'{{"$undefined$": "s3://{storage.bucket}/reviews/1.json"}}'
    assert_round_trip(console, ctx, blob_toggle_on_json, "switch_off", finding)


def test_the_listing_alone_tells_before_the_first_sync(console: Console, ctx: Context, source_of: SourceOf) -> None:
    source_of(REVIEWS, use_blob_urls=True)
    [finding] = blob_toggle_on_json.run(ctx)
    assert [row["key"] for row in finding.evidence] == REVIEWS
    assert_round_trip(console, ctx, blob_toggle_on_json, "switch_off", finding)


def test_a_manifest_among_photos_is_a_warning_without_repair(ctx: Context, source_of: SourceOf) -> None:
    source_of(["1.jpg", "2.jpg", "manifest.json"], use_blob_urls=True)
    [finding] = blob_toggle_on_json.run(ctx)
    assert (finding.severity, finding.fixes) == (Severity.WARNING, ())


def test_a_manifest_that_the_filter_keeps_out_is_healthy(ctx: Context, source_of: SourceOf) -> None:
    source_of(["1.jpg", "manifest.json"], use_blob_urls=True, regex_filter=r".*\.jpg$")
    assert list(blob_toggle_on_json.answers(ctx)) == []


def test_links_decide_where_the_bucket_is_unreachable(
    ctx: Context, session: Session, source_of: SourceOf, dead_endpoint: str
) -> None:
    storage = source_of(bucket="somewhere", s3_endpoint=dead_endpoint, use_blob_urls=True)
    [answer] = list(blob_toggle_on_json.answers(ctx))
    assert isinstance(answer, Unknown)
    make_links(session, storage, REVIEWS)
    undecided, finding = list(blob_toggle_on_json.answers(ctx))
    assert isinstance(undecided, Unknown) and isinstance(finding, Finding)
    assert finding.summary == "2 of 2 tasks were made of JSON files, while every object counts as a file to show"


def test_links_of_local_files(console: Console, ctx: Context, session: Session) -> None:
    set_columns(session, "io_storages_localfilesmixin", "id", 1, use_blob_urls=True)
    ctx.scope = Scope(storage="localfiles:1")
    [finding] = blob_toggle_on_json.run(ctx)
    assert isinstance(finding, Finding)
    assert (finding.subject, finding.evidence.total) == ("storage:localfiles:1", 10)
    assert_round_trip(console, ctx, blob_toggle_on_json, "switch_off", finding)


def test_the_whole_deployment_takes_one_statement_per_provider(ctx: Context, session: Session) -> None:
    first = make_source(session, use_blob_urls=True, bucket=None)
    make_links(session, first, REVIEWS)
    make_links(session, make_source(session, use_blob_urls=True, bucket=None), ["1.jpg"])
    counts: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        if "importstoragelink" in statement and "count" in statement:
            counts.append(statement)

    event.listen(ctx.deployment.engine, "before_cursor_execute", note)
    assert {finding.subject for finding in blob_toggle_on_json.run(ctx)} == {first.subject}
    assert ["s3" in statement for statement in counts] == [True, False]  # and Azure, whose storage shows files too
