"""auth.no_membership: accounts without an organization, and without an active one."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.diagnostics.auth.no_membership import no_membership
from console.diagnostics.check import Context, Scope, Severity
from console.errors import Conflict, Refused
from console.service import Console
from tests.factories import BOTH_ENGINES, change_row, make_membership, make_organization, make_user
from tests.round_trip import assert_round_trip
from tests.servers import dump_versions

GRACE = 7


def test_everybody_in_the_dumps_has_one(ctx: Context) -> None:
    assert no_membership.run(ctx) == []


@pytest.mark.parametrize("version", [dump_versions()[0], dump_versions()[-1]])
@BOTH_ENGINES
def test_the_active_organization_is_joined(console: Console, ctx: Context, session: Session) -> None:
    omar = make_user(session, email="omar@example.com", member_of=(), active_organization_id=2)
    [finding] = no_membership.run(ctx)
    assert (finding.subject, finding.severity, finding.fixes) == (f"user:{omar.id}", Severity.ERROR, ("join",))
    assert finding.summary == "omar@example.com is a member of none of 2 organizations"
    assert [(row["organization_id"], row["why"]) for row in finding.evidence] == [(2, "active organization")]
    assert_round_trip(console, ctx, no_membership, "join", finding)


def chosen(rows: Any) -> list[int]:
    return [row["organization_id"] for row in rows if row["chosen"]]


def test_the_organization_this_person_created_comes_first(console: Console, ctx: Context, session: Session) -> None:
    user = make_user(session, member_of=(), active_organization_id=2)
    own = make_organization(session, created_by_id=user.id)
    [finding] = no_membership.run(ctx)
    assert chosen(finding.evidence) == [own.id]
    plan = console.plan(finding, "join", by="test")
    assert [change["op"] for change in plan.changes] == ["insert", "update"]
    assert plan.changes[1]["after"] == {"active_organization_id": own.id}


def test_with_several_organizations_and_no_hint_nothing_is_offered(
    console: Console, ctx: Context, session: Session
) -> None:
    make_user(session, member_of=())
    [finding] = no_membership.run(ctx)
    assert (finding.fixes, chosen(finding.evidence), finding.evidence.total) == ((), [], 2)
    assert "nothing tells which organization is meant" in finding.cause
    with pytest.raises(Refused):
        console.plan(finding, "join", by="test")


def test_somebody_who_was_added_meanwhile_is_not_added_twice(console: Console, ctx: Context, session: Session) -> None:
    user = make_user(session, member_of=(), active_organization_id=1)
    [finding] = no_membership.run(ctx)
    ctx.close()
    plan = console.plan(finding, "join", by="test")
    make_membership(session, user=user)
    with pytest.raises(Conflict):
        console.apply(plan.id, by="test", reason="too late")


@BOTH_ENGINES
def test_no_active_organization(console: Console, ctx: Context, session: Session) -> None:
    user = make_user(session, email="mia@example.com", member_of=(2, 1), active_organization_id=None)
    [finding] = no_membership.run(ctx)
    assert (finding.subject, finding.severity) == (f"user:{user.id}", Severity.WARNING)
    assert finding.summary == "mia@example.com has no active organization, and is a member of 2"
    assert chosen(finding.evidence) == [2]
    assert_round_trip(console, ctx, no_membership, "choose_active", finding)


def test_people_who_were_removed_or_switched_off_are_not_ours(ctx: Context, session: Session) -> None:
    change_row(session, "htx_user", GRACE, active_organization_id=None)
    make_user(session, member_of=(), is_active=False)
    assert no_membership.run(ctx) == []


def test_a_run_for_one_account(ctx: Context, session: Session) -> None:
    user = make_user(session, email="<script>" + "ü" * 230 + "@example.com", member_of=())
    ctx.scope = Scope(user_ids=(user.id,))
    assert [finding.name for finding in no_membership.run(ctx)] == [user.email]
    ctx.scope = Scope(user_ids=(1,))
    assert no_membership.run(ctx) == []
