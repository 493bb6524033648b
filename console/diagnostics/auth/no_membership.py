"""An account belongs to no organization, or works in none.

Without any membership the sign-in ends in an error page (500) although the password was right: Label Studio looks
for the first membership and finds no row. The person is not signed in and may try for ever.

With a membership but without an active organization, the sign-in works and picks the first membership. Until then a
request with a token lists no project (a personal access token even ends in a 500), and a session that is open is put
into the first organization of the database, whether the person belongs there or not.

Accounts whose memberships have all ended are reported by `auth.active_org_deleted`.

Source: the log-in view of Label Studio's users app, and the session middleware of its organizations app.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import select

from ...deployment.models import Organization, User
from .. import Change, Context, Finding, InsertRow, Severity, check, row_update
from .memberships import TABLE, live, memberships

ACCOUNTS = (
    select(User.id, User.email, User.active_organization_id).where(User.is_active.is_(True)).order_by(User.id)
)  # fmt: skip
ORGANIZATIONS = select(Organization.id, Organization.title, Organization.created_by_id).order_by(Organization.id)
UNCERTAIN = (
    "The account has no membership row, and nothing tells which organization is meant. The runbook holds the two "
    "statements that add it; an invitation cannot, as nobody who has an account can sign up again."
)


@check(
    title="Every account belongs to an organization and works in one",
    severity=Severity.ERROR,
    scopes=["user"],
    impact="This person gets an error page after typing the right password",
    cause="The account has no membership row, and the sign-in needs one.",
)
def no_membership(ctx: Context) -> Iterator[Finding]:
    """One finding per account. Rows: the organizations in question, the one a fix would take marked."""
    statement = ACCOUNTS.where(User.id.in_(ctx.scope.user_ids)) if ctx.scope.user_ids else ACCOUNTS
    belongs = memberships(ctx, ctx.scope.user_ids)
    organizations = ctx.read.execute(ORGANIZATIONS).all()
    for account in ctx.read.execute(statement).all():
        rows = belongs.get(account.id, [])
        if not rows:
            choices = _candidates(account, organizations)
            certain = any(row["chosen"] for row in choices)
            yield Finding(
                subject=f"user:{account.id}", name=account.email,
                summary=f"{account.email} is a member of none of {len(organizations)} organizations",
                evidence=ctx.evidence(ORGANIZATIONS, choices),
                fixes=("join",) if certain else (), cause="" if certain else UNCERTAIN,
            )  # fmt: skip
        elif account.active_organization_id is None and (live_rows := live(rows)):
            choices = [
                _row(account, item.organization_id, item.title, why="member", chosen=item is live_rows[0])
                for item in live_rows
            ]  # fmt: skip
            yield Finding(
                subject=f"user:{account.id}", name=account.email, severity=Severity.WARNING, fixes=("choose_active",),
                summary=f"{account.email} has no active organization, and is a member of {len(live_rows)}",
                impact="Requests with this account's token list no project; an open session may land in an "
                       "organization that is not the person's",
                cause="active_organization_id is empty; only the next sign-in fills it.",
                evidence=ctx.evidence(ACCOUNTS, choices),
            )  # fmt: skip


@no_membership.fix(title="Add the membership and work there")
def join(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Offered when the organization is certain: the one this person created, else the active one, else the only one."""
    for row in finding.evidence:
        if row["chosen"]:
            place = {"user_id": row["user_id"], "organization_id": row["organization_id"]}
            times = {"created_at": ctx.now, "updated_at": ctx.now}
            yield InsertRow(TABLE, place | times | {"deleted_at": None}, unless=place)
            if row["active_organization_id"] != row["organization_id"]:
                yield _work_in(row)


@no_membership.fix(title="Work in the first organization")
def choose_active(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Take the oldest membership, as the sign-in does."""
    yield from (_work_in(row) for row in finding.evidence if row["chosen"])


def _candidates(account: Any, organizations: Sequence[Any]) -> list[dict[str, Any]]:
    """Organizations the account could belong to; at most one is chosen."""
    made = [item.id for item in organizations if item.created_by_id == account.id]
    everything = [item.id for item in organizations]
    active = account.active_organization_id
    certain = made if len(made) == 1 else [active] if active else everything
    related = {*made, active} - {None} or set(everything)
    reasons = {True: "created by this person", False: "exists"}
    return [
        _row(account, item.id, item.title or "", chosen=certain == [item.id],
             why="active organization" if item.id == active else reasons[item.id in made])
        for item in organizations if item.id in related
    ]  # fmt: skip


def _row(account: Any, organization_id: int, title: str, *, why: str, chosen: bool) -> dict[str, Any]:
    return {
        "user_id": account.id, "active_organization_id": account.active_organization_id,
        "organization_id": organization_id, "organization": title, "why": why, "chosen": chosen,
    }  # fmt: skip


def _work_in(row: dict[str, Any]) -> Change:
    name = "active_organization_id"
    return row_update(User, row["user_id"], before={name: row[name]}, after={name: row["organization_id"]})
