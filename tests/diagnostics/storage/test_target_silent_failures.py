"""storage.target_silent_failures: counted and not written, by what the links say."""

from __future__ import annotations

from sqlalchemy.orm import Session

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.storage.target_silent_failures import target_silent_failures
from tests.diagnostics.storage.sources import make_exported, make_target, make_unexported, narrowed
from tests.factories import BOTH_ENGINES


def test_as_many_links_as_were_counted_is_healthy(ctx: Context, session: Session) -> None:
    make_exported(session, narrowed(ctx, make_target(session, last_sync_count=3)), 3)
    assert list(target_silent_failures.answers(ctx)) == []


def test_annotations_made_since_are_healthy(ctx: Context, session: Session) -> None:
    target = narrowed(ctx, make_target(session, last_sync_count=3))
    make_exported(session, target, 3)
    make_unexported(session, target, 2, minutes_ago=5)
    assert list(target_silent_failures.answers(ctx)) == []


@BOTH_ENGINES
def test_uploads_that_were_lost(ctx: Context, session: Session) -> None:
    target = narrowed(ctx, make_target(session, last_sync_count=5))
    make_exported(session, target, 3)
    make_unexported(session, target, 2)
    [finding] = target_silent_failures.run(ctx)
    assert (finding.subject, finding.severity) == (target.subject, Severity.ERROR)
    assert finding.summary == "The last sync counted 5 annotations, and 3 have a link; 2 that were there have none"
    assert [row["written"] for row in finding.evidence] == [None, None]


def test_files_that_were_not_written_anew(ctx: Context, session: Session) -> None:
    target = narrowed(ctx, make_target(session, last_sync_count=3))
    make_exported(session, target, 2)
    make_exported(session, target, 1, minutes_ago=90)
    [finding] = target_silent_failures.run(ctx)
    assert (finding.severity, finding.summary) == (Severity.ERROR, "1 was not written anew")


def test_a_sync_of_what_is_new_leaves_the_rest(ctx: Context, session: Session) -> None:
    target = narrowed(ctx, make_target(session, last_sync_count=1))
    make_exported(session, target, 1)
    make_exported(session, target, 4, minutes_ago=90)
    assert list(target_silent_failures.answers(ctx)) == []


def test_annotations_that_were_deleted_since_are_a_note(ctx: Context, session: Session) -> None:
    target = narrowed(ctx, make_target(session, last_sync_count=9))
    make_exported(session, target, 3)
    [finding] = target_silent_failures.run(ctx)
    assert finding.severity == Severity.INFO and "deleted since" in finding.cause


def test_other_states_are_none_of_its_business(ctx: Context, session: Session) -> None:
    make_unexported(session, narrowed(ctx, make_target(session, status="failed", last_sync_count=9)), 2)
    assert list(target_silent_failures.answers(ctx)) == []
