"""auth.duplicate_by_case: accounts that share an address are shown with what each of them owns."""

from __future__ import annotations

from sqlalchemy.orm import Session

from console.diagnostics.auth.duplicate_by_case import duplicate_by_case
from console.diagnostics.check import Context, Scope, Severity
from tests.factories import BOTH_ENGINES, make_annotation, make_project, make_task, make_user


def test_no_dump_has_one(ctx: Context) -> None:
    assert duplicate_by_case.run(ctx) == []


@BOTH_ENGINES
def test_both_accounts_are_shown_with_what_they_own(ctx: Context, session: Session) -> None:
    capital, lower = (
        make_user(session, email="Lena@Example.com"),
        make_user(session, email="lena@example.com", member_of=(2,)),
    )
    project = make_project(session, created_by_id=capital.id)
    make_annotation(session, task=make_task(session, project=project), completed_by_id=capital.id)
    [finding] = duplicate_by_case.run(ctx)
    assert (finding.subject, finding.severity, finding.fixes) == (f"user:{lower.id}", Severity.ERROR, ())
    assert finding.summary == "2 accounts share the address lena@example.com, capital letters aside"
    assert [
        (row["id"], row["can_sign_in"], row["annotations"], row["projects_created"], row["organizations"])
        for row in finding.evidence.rows
    ] == [(capital.id, False, 1, 1, "Example Org"), (lower.id, True, 0, 0, "Second Lab")]


def test_without_a_lower_case_account_the_first_one_is_the_subject(ctx: Context, session: Session) -> None:
    first = make_user(session, email="ANN@example.com")
    make_user(session, email="Ann@example.com")
    make_user(session, email=" ann@Example.com ")
    [finding] = duplicate_by_case.run(ctx)
    assert (finding.subject, finding.evidence.total) == (f"user:{first.id}", 3)
    assert not any(row["can_sign_in"] for row in finding.evidence.rows)


def test_letters_outside_ascii_are_compared_too(ctx: Context, session: Session) -> None:
    make_user(session, email="ÖZGE@example.com")
    make_user(session, email="özge@example.com")
    assert len(duplicate_by_case.run(ctx)) == 1


def test_empty_addresses_are_not_a_pair(ctx: Context, session: Session) -> None:
    make_user(session, email="")
    make_user(session, email=" ")
    assert duplicate_by_case.run(ctx) == []


def test_either_account_of_the_pair_finds_it(ctx: Context, session: Session) -> None:
    pair = [make_user(session, email="Lena@example.com"), make_user(session, email="lena@example.com")]
    for user in pair:
        ctx.scope = Scope(user_ids=(user.id,))
        assert [finding.subject for finding in duplicate_by_case.run(ctx)] == [f"user:{pair[1].id}"]
    ctx.scope = Scope(user_ids=(1,))
    assert duplicate_by_case.run(ctx) == []
