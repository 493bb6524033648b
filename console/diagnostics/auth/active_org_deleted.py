"""An account works in an organization that it no longer belongs to.

Removing a member leaves the membership row with `deleted_at` set, and often leaves that organization active as well.
The sign-in works, project titles may still be listed, and every project answers 403 (before Label Studio 1.23.1 only
the member pages do). Where the person belongs to another organization, that one should be active.

The sign-in takes the oldest membership, ended or not. Where the ended one is the older, `switch` therefore lasts only
until the next sign-in; `forget` removes the ended row too, as leaving an organization does in Label Studio.

Where no other membership is left, somebody probably removed this person on purpose: then nothing is wrong but the
account, which may be switched off. If it was a mistake, `restore` ends it. Inviting again does not: Label Studio
finds the ended row and adds nothing.

Accounts without any membership row belong to `auth.no_membership`.

Source: the organization models and permission mixins of Label Studio's organizations and projects apps.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from ...deployment.models import Organization, OrganizationMember, User
from .. import Change, Context, DeleteRow, Finding, Severity, check, row_update
from .memberships import TABLE, Membership, live, memberships

ACCOUNTS = (
    select(User.id, User.email, User.active_organization_id.label("active_organization"))
    .where(User.is_active.is_(True))
    .order_by(User.id)
)


@check(
    title="Everybody works in an organization they belong to",
    severity=Severity.ERROR,
    scopes=["user"],
    impact="This person signs in and finds no project that opens",
    cause="The active organization is one that the person does not belong to any more.",
)
def active_org_deleted(ctx: Context) -> Iterator[Finding]:
    """One finding per account. Rows: its memberships, the ended ones too."""
    statement = ACCOUNTS.where(User.id.in_(ctx.scope.user_ids)) if ctx.scope.user_ids else ACCOUNTS
    belongs = memberships(ctx, ctx.scope.user_ids)
    for account in ctx.read.execute(statement).all():
        rows = belongs.get(account.id, [])
        usable = live(rows)
        if rows and not usable:
            yield _removed(ctx, account, rows)
        elif usable and account.active_organization not in (None, *(item.organization_id for item in usable)):
            yield _elsewhere(ctx, account, rows, usable[0])


def _elsewhere(ctx: Context, account: Any, rows: list[Membership], target: Membership) -> Finding:
    """The active organization is over, another membership is live."""
    title = ctx.read.scalar(select(Organization.title).where(Organization.id == account.active_organization))
    comes_back = any(item.id < target.id for item in rows if item.deleted_at)
    return Finding(
        subject=f"user:{account.id}", name=account.email, fixes=("switch", "forget") if comes_back else ("switch",),
        summary=f"{account.email} works in {title or 'an organization'} without belonging there, and is a member of "
                f"{target.title}",
        evidence=ctx.evidence(ACCOUNTS, _evidence(account, rows, target)),
    )  # fmt: skip


def _removed(ctx: Context, account: Any, rows: list[Membership]) -> Finding:
    """No membership is left. Bringing one back is offered where it is certain which."""
    active = [item for item in rows if item.organization_id == account.active_organization]
    certain = active or (rows if len({item.organization_id for item in rows}) == 1 else [])
    titles = ", ".join(dict.fromkeys(item.title for item in rows))
    last = max(item.deleted_at for item in rows if item.deleted_at)
    return Finding(
        subject=f"user:{account.id}", name=account.email, severity=Severity.WARNING,
        fixes=("restore",) if certain else (),
        summary=f"{account.email} was removed from {titles} on {last:%Y-%m-%d} and belongs to no other organization",
        cause="Somebody removed this member. Inviting again does not bring the membership back.",
        evidence=ctx.evidence(ACCOUNTS, _evidence(account, rows, certain[0] if certain else None)),
    )  # fmt: skip


@active_org_deleted.fix(title="Switch to the organization this person belongs to")
def switch(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Make the oldest live membership the active one."""
    yield from (_work_in(row) for row in finding.evidence if row["chosen"])


@active_org_deleted.fix(title="Switch, and remove the ended membership")
def forget(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Also remove the ended memberships older than the live one, so that the next sign-in does not go back to them."""
    [chosen] = [row for row in finding.evidence if row["chosen"]]
    yield _work_in(chosen)
    for row in finding.evidence:
        if row["deleted_at"] is not None and row["id"] < chosen["id"]:
            yield DeleteRow(TABLE, {"id": row["id"]}, {name: row[name] for name in ctx.schema.columns[TABLE]})


@active_org_deleted.fix(title="Bring the membership back")
def restore(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Clear `deleted_at` in the organization the person worked in, and work there."""
    [chosen] = [row for row in finding.evidence if row["chosen"]]
    for row in finding.evidence:
        if row["organization_id"] == chosen["organization_id"] and row["deleted_at"] is not None:
            before = {"deleted_at": row["deleted_at"]}
            yield row_update(OrganizationMember, row["id"], before=before, after={"deleted_at": None})
    if chosen["active_organization_id"] != chosen["organization_id"]:
        yield _work_in(chosen)


def _evidence(account: Any, rows: list[Membership], chosen: Membership | None) -> Iterator[dict[str, Any]]:
    for item in rows:
        about = {"organization": item.title, "active_organization_id": account.active_organization}
        yield {"deleted_at": None} | item.row | about | {"chosen": item is chosen}


def _work_in(row: dict[str, Any]) -> Change:
    name = "active_organization_id"
    return row_update(User, row["user_id"], before={name: row[name]}, after={name: row["organization_id"]})
