"""auth.active_org_deleted: people who work where they do not belong, and people who were removed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from console.diagnostics.auth.active_org_deleted import active_org_deleted
from console.diagnostics.check import Context, Scope, Severity
from console.service import Console
from tests.factories import BOTH_ENGINES, change_row, make_membership, make_organization, make_user
from tests.round_trip import assert_round_trip
from tests.servers import dump_versions

GRACE = 7
LEFT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("version", [name for name in ("1.13.1", "1.23.2") if name in dump_versions()])
@BOTH_ENGINES
def test_grace_was_removed_and_can_be_brought_back(console: Console, ctx: Context) -> None:
    [finding] = active_org_deleted.run(ctx)
    assert (finding.subject, finding.severity, finding.fixes) == (f"user:{GRACE}", Severity.WARNING, ("restore",))
    assert finding.summary == (
        "grace@example.com was removed from Example Org on 2026-11-22 and belongs to no other organization"
    )
    assert_round_trip(console, ctx, active_org_deleted, "restore", finding)


def test_a_removed_person_without_an_active_organization(console: Console, ctx: Context, session: Session) -> None:
    change_row(session, "htx_user", GRACE, active_organization_id=None)
    [finding] = active_org_deleted.run(ctx)
    assert_round_trip(console, ctx, active_org_deleted, "restore", finding)


@BOTH_ENGINES
def test_another_membership_is_live(console: Console, ctx: Context, healthy: Session) -> None:
    yuki = make_user(healthy, email="yuki@example.com", member_of=(1,), active_organization_id=2)
    make_membership(healthy, user=yuki, organization_id=2, deleted_at=LEFT)
    [finding] = active_org_deleted.run(ctx)
    assert (finding.subject, finding.severity, finding.fixes) == (f"user:{yuki.id}", Severity.ERROR, ("switch",))
    assert finding.summary == (
        "yuki@example.com works in Second Lab without belonging there, and is a member of Example Org"
    )
    assert_round_trip(console, ctx, active_org_deleted, "switch", finding)


@BOTH_ENGINES
def test_an_older_ended_membership_can_be_removed_with_the_switch(
    console: Console, ctx: Context, healthy: Session
) -> None:
    user = make_user(healthy, member_of=(), active_organization_id=2)
    make_membership(healthy, user=user, organization_id=2, deleted_at=LEFT)
    make_membership(healthy, user=user, organization_id=1)
    [finding] = active_org_deleted.run(ctx)
    assert finding.fixes == ("switch", "forget")
    assert_round_trip(console, ctx, active_org_deleted, "forget", finding)


@pytest.mark.parametrize("version", dump_versions()[:1])
@BOTH_ENGINES
def test_a_release_without_ended_memberships(console: Console, ctx: Context, session: Session) -> None:
    assert active_org_deleted.run(ctx) == []
    user = make_user(session, member_of=(1,), active_organization_id=2)
    [finding] = active_org_deleted.run(ctx)
    assert (finding.subject, finding.fixes) == (f"user:{user.id}", ("switch",))
    assert_round_trip(console, ctx, active_org_deleted, "switch", finding)


def test_removed_from_two_places_it_is_not_certain_where_to_restore(ctx: Context, healthy: Session) -> None:
    user = make_user(healthy, member_of=(), active_organization_id=None)
    for organization_id in (1, 2):
        make_membership(healthy, user=user, organization_id=organization_id, deleted_at=LEFT)
    [finding] = active_org_deleted.run(ctx)
    assert finding.fixes == ()
    assert "removed from Example Org, Second Lab on 2026-03-01" in finding.summary


def test_what_is_in_order_or_belongs_to_another_check(ctx: Context, healthy: Session) -> None:
    make_user(healthy, member_of=())  # auth.no_membership
    make_user(healthy, member_of=(), active_organization_id=2)  # auth.no_membership
    make_user(healthy, member_of=(1,), active_organization_id=None)  # auth.no_membership
    make_user(healthy, member_of=(1,), active_organization_id=2, is_active=False)  # auth.inactive
    malik = make_user(healthy, member_of=(1,))
    make_membership(healthy, user=malik, organization_id=2, deleted_at=LEFT)
    assert active_org_deleted.run(ctx) == []


def test_a_live_row_beside_an_ended_one_of_the_same_organization_is_restored(
    console: Console, ctx: Context, healthy: Session
) -> None:
    user = make_user(healthy, member_of=(1,))
    make_membership(healthy, user=user, organization_id=1, deleted_at=LEFT)
    [finding] = active_org_deleted.run(ctx)
    assert_round_trip(console, ctx, active_org_deleted, "restore", finding)


def test_names_are_shown_as_they_are(ctx: Context, healthy: Session) -> None:
    lab = make_organization(healthy, title="<b>Łab</b> & Söhne")
    user = make_user(healthy, member_of=(1,), active_organization_id=lab.id)
    ctx.scope = Scope(user_ids=(user.id,))
    [finding] = active_org_deleted.run(ctx)
    assert "works in <b>Łab</b> & Söhne without belonging there" in finding.summary
    ctx.scope = Scope(user_ids=(1,))
    assert active_org_deleted.run(ctx) == []
