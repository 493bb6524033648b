"""One person has two accounts whose e-mails differ by capital letters alone.

Label Studio compares addresses by exact case when it stores them, so `Ann@example.com` and `ann@example.com` are two
accounts. The sign-in form lower-cases what is typed and therefore only ever opens the lower-case one: work done under
the other account seems to be lost. Invitations, SSO and accounts made by command line or SDK add the second account.

Which one to keep is for a person to decide, so nothing is repaired here. Keep the account that can sign in, unless
the other one did the work: compare annotations, projects and last activity. To hand over to the account with the
capitals, give the other one an address of its own first (one with `+old` before the @ will do), then run
`lsconsole fix auth.mixed_case_email`. Switch off the account that is left behind and do not delete it: Label Studio
deletes the files that an account uploaded together with it.

Source: `htx_user.email` is unique by exact case; the log-in form of Label Studio's users app lower-cases.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from sqlalchemy import func, select

from ...deployment.models import Annotation, Project, User
from .. import Context, Finding, Severity, check
from .memberships import Membership, live, memberships

ACCOUNTS = select(User.id, User.email, User.is_active, User.last_activity).order_by(User.id)
#: Ids named by one statement.
CHUNK = 500


@check(
    title="No two accounts share an e-mail but for its case",
    severity=Severity.ERROR,
    scopes=["user"],
    impact="Only the account in lower case can be signed in to; work and projects of the other one are out of reach",
    cause="Addresses are unique by exact case, so an invitation, SSO or a script could add the same person again.",
)
def duplicate_by_case(ctx: Context) -> Iterator[Finding]:
    """One finding per address, on the account that can sign in. Rows: each account and what it owns."""
    # Compared in Python: lower() of SQLite, and of PostgreSQL under the C locale, knows ASCII only.
    groups: defaultdict[str, list[Any]] = defaultdict(list)
    for account in ctx.read.execute(ACCOUNTS):
        if account.email and account.email.strip():
            groups[account.email.strip().lower()].append(account)
    wanted = set(ctx.scope.user_ids)
    shared = {
        address: accounts for address, accounts in groups.items()
        if len(accounts) > 1 and (not wanted or wanted & {account.id for account in accounts})
    }  # fmt: skip
    ids = [account.id for accounts in shared.values() for account in accounts]
    annotations, projects = _owned(ctx, Annotation.completed_by_id, ids), _owned(ctx, Project.created_by_id, ids)
    belongs = memberships(ctx, ids)
    for address, accounts in shared.items():
        rows = [
            {"id": account.id, "email": account.email, "can_sign_in": account.email == address and account.is_active,
             "annotations": annotations.get(account.id, 0), "projects_created": projects.get(account.id, 0),
             "organizations": _titles(belongs.get(account.id, [])), "last_activity": account.last_activity}
            for account in accounts
        ]  # fmt: skip
        subject = next((account for account in accounts if account.email == address), accounts[0])
        yield Finding(
            subject=f"user:{subject.id}", name=subject.email,
            summary=f"{len(accounts)} accounts share the address {address}, capital letters aside",
            evidence=ctx.evidence(ACCOUNTS, rows),
        )  # fmt: skip


def _owned(ctx: Context, owner: Any, ids: list[int]) -> dict[int, int]:
    """How many rows each account owns."""
    counted: dict[int, int] = {}
    for start in range(0, len(ids), CHUNK):
        statement = select(owner, func.count()).where(owner.in_(ids[start : start + CHUNK])).group_by(owner)
        counted |= {row[0]: row[1] for row in ctx.read.execute(statement)}
    return counted


def _titles(rows: list[Membership]) -> str:
    return ", ".join(item.title for item in live(rows)) or "none"
