"""auth.inactive: switched-off accounts of people who were here lately or are still members."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from console.diagnostics.auth.inactive import inactive
from console.diagnostics.check import Context, Scope, Severity
from console.service import Console
from tests.factories import BOTH_ENGINES, make_membership, make_user
from tests.round_trip import assert_round_trip
from tests.servers import dump_versions


def days_ago(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def test_nobody_is_switched_off_in_the_dumps(ctx: Context) -> None:
    assert inactive.run(ctx) == []


@BOTH_ENGINES
def test_seen_last_week_and_still_a_member(console: Console, ctx: Context, session: Session) -> None:
    sara = make_user(session, email="sara@example.com", is_active=False, last_activity=ctx.now - timedelta(days=6))
    [finding] = inactive.run(ctx)
    assert (finding.subject, finding.severity) == (f"user:{sara.id}", Severity.WARNING)
    assert finding.summary == (
        "sara@example.com is switched off, but was here 6 days ago and is still a member of Example Org"
    )
    assert_round_trip(console, ctx, inactive, "activate", finding)


def test_long_gone_and_no_member_is_as_it_should_be(ctx: Context, session: Session) -> None:
    gone = make_user(session, is_active=False, last_activity=days_ago(600), member_of=())
    make_membership(session, user=gone, deleted_at=days_ago(600))
    assert inactive.run(ctx) == []


def test_long_gone_but_still_a_member(ctx: Context, session: Session) -> None:
    make_user(session, email="<i>x</i>@example.com", is_active=False, last_activity=days_ago(600))
    [finding] = inactive.run(ctx)
    assert finding.summary == "<i>x</i>@example.com is switched off, but is still a member of Example Org"


@pytest.mark.parametrize("version", dump_versions()[:1])
def test_a_release_that_keeps_no_ended_memberships(ctx: Context, session: Session) -> None:
    member = make_user(session, is_active=False, last_activity=days_ago(600))
    make_user(session, is_active=False, last_activity=days_ago(600), member_of=())
    assert [finding.subject for finding in inactive.run(ctx)] == [f"user:{member.id}"]


def test_the_operator_sets_what_lately_means(ctx: Context, session: Session) -> None:
    make_user(session, is_active=False, last_activity=days_ago(6), member_of=())
    assert len(inactive.run(ctx)) == 1
    ctx.deployment.settings = replace(ctx.settings, thresholds={"auth.inactive.active_within_days": 5})
    assert inactive.run(ctx) == []


def test_a_run_for_one_account(ctx: Context, session: Session) -> None:
    make_user(session, is_active=False)
    ctx.scope = Scope(user_ids=(1,))
    assert inactive.run(ctx) == []
