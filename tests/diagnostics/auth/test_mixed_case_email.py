"""auth.mixed_case_email: capitals are found, lowered where the address is free, and left alone where it is not."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from console.diagnostics.auth.mixed_case_email import mixed_case_email
from console.diagnostics.check import Context, Scope
from console.errors import Refused
from console.service import Console
from tests.factories import BOTH_ENGINES, make_user
from tests.round_trip import assert_round_trip
from tests.servers import dump_versions

DAVE = 4


def test_nothing_is_found_when_every_address_is_in_lower_case(ctx: Context, healthy: Session) -> None:
    assert mixed_case_email.run(ctx) == []


@BOTH_ENGINES
def test_dave_is_found_repaired_and_put_back(console: Console, ctx: Context) -> None:
    [finding] = mixed_case_email.run(ctx)
    assert (finding.subject, finding.name) == (f"user:{DAVE}", "Dave.Capital@Example.com")
    assert finding.summary == "Dave.Capital@Example.com cannot sign in: the e-mail has capital letters"
    assert_round_trip(console, ctx, mixed_case_email, "lower", finding)


@pytest.mark.parametrize("version", dump_versions())
def test_dave_is_the_only_one_in_any_release(ctx: Context) -> None:
    assert [finding.subject for finding in mixed_case_email.run(ctx)] == [f"user:{DAVE}"]


def test_a_taken_address_is_reported_without_a_fix(console: Console, ctx: Context, healthy: Session) -> None:
    capital, lower = make_user(healthy, email="Lena@example.com"), make_user(healthy, email="lena@example.com")
    [finding] = mixed_case_email.run(ctx)
    assert (finding.subject, finding.fixes) == (f"user:{capital.id}", ())
    assert f"user {lower.id} (lena@example.com)" in finding.cause
    assert [row["collides"] for row in finding.evidence.rows] == [False, True]
    with pytest.raises(Refused):
        console.plan(finding, "lower", by="test")


def test_two_addresses_that_would_become_one_are_both_left_alone(ctx: Context, healthy: Session) -> None:
    make_user(healthy, email="Ann@example.com")
    make_user(healthy, email="aNN@example.com")
    assert [finding.fixes for finding in mixed_case_email.run(ctx)] == [(), ()]


def test_a_username_that_repeats_the_address_is_lowered_with_it(
    console: Console, ctx: Context, healthy: Session
) -> None:
    make_user(healthy, email="Kim@Example.com", username="Kim@Example.com")
    [finding] = mixed_case_email.run(ctx)
    plan = console.plan(finding, "lower", by="test")
    assert plan.changes[0]["after"] == {"email": "kim@example.com", "username": "kim@example.com"}


@BOTH_ENGINES
def test_letters_outside_ascii_and_full_length(console: Console, ctx: Context, healthy: Session) -> None:
    for email in ("ÖZGE@example.com", "Ж" * 242 + "@example.com", "<b>Bold</b>@example.com", ""):
        make_user(healthy, email=email)
    found = mixed_case_email.run(ctx)
    assert [finding.evidence.rows[0]["lowered"] for finding in found] == [
        "özge@example.com", "ж" * 242 + "@example.com", "<b>bold</b>@example.com",
    ]  # fmt: skip
    assert_round_trip(console, ctx, mixed_case_email, "lower", found[1])


def test_a_run_for_one_account_reports_that_account(ctx: Context, session: Session) -> None:
    other = make_user(session, email="Other@example.com")
    ctx.scope = Scope(user_ids=(other.id,))
    assert [finding.subject for finding in mixed_case_email.run(ctx)] == [f"user:{other.id}"]
