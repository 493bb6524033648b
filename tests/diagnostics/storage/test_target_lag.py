"""storage.target_lag: annotations that a target was never given."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from console.diagnostics.check import Context
from console.diagnostics.storage.target_lag import target_lag
from tests.diagnostics.storage.sources import make_exported, make_target, make_unexported, narrowed
from tests.factories import BOTH_ENGINES


def test_everything_written_is_healthy(ctx: Context, session: Session) -> None:
    make_exported(session, narrowed(ctx, make_target(session)), 3)
    assert list(target_lag.answers(ctx)) == []


def test_an_annotation_of_this_hour_is_healthy(ctx: Context, session: Session) -> None:
    make_unexported(session, narrowed(ctx, make_target(session)), 1, minutes_ago=59)
    assert list(target_lag.answers(ctx)) == []


@BOTH_ENGINES
def test_annotations_that_are_missing(ctx: Context, session: Session) -> None:
    target = narrowed(ctx, make_target(session))
    make_exported(session, target, 2)
    make_unexported(session, target, 3)
    [finding] = target_lag.run(ctx)
    assert finding.subject == target.subject
    assert finding.summary.startswith("3 annotations are not in the target, 2 are, the oldest is 1 h 59 min old")
    assert finding.evidence.total == 3 and set(finding.evidence.rows[0]) == {"annotation", "task", "created_at", "user"}


def test_a_target_that_was_never_synced(ctx: Context, session: Session) -> None:
    target = narrowed(ctx, make_target(session, status="initialized", last_sync=None, meta={}))
    make_unexported(session, target, 1)
    [finding] = target_lag.run(ctx)
    assert finding.summary.endswith("; it was never synced")
    assert finding.cause.endswith(f"lsconsole storage sync s3-export:{target.id}")


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_a_sync_under_way_is_waited_for(ctx: Context, session: Session, status: str) -> None:
    make_unexported(session, narrowed(ctx, make_target(session, status=status)), 1)
    assert list(target_lag.answers(ctx)) == []
