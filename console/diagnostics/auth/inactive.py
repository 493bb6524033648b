"""An account is switched off although its owner was here lately or still belongs to an organization.

A switched-off account (`is_active` false) is refused with the sentence of a wrong password, so neither the person
nor the helper sees the reason. Accounts of people who left are switched off rightly; what is reported are those seen
within `active_within_days` and those that are still members. Where the person has left for good, remove the member
in Label Studio and the finding goes away; otherwise switch the account on again.

With Redis, Label Studio writes `last_activity` in batches, so that it may lag behind.

Source: the log-in form of Label Studio's users app; Django refuses inactive accounts before it looks at them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import select

from ...deployment.models import User
from .. import Change, Context, Finding, Severity, check, row_update
from .memberships import live, memberships

SWITCHED_OFF = (
    select(User.id, User.email, User.is_active, User.last_activity, User.last_login)
    .where(User.is_active.is_(False))
    .order_by(User.id)
)


@check(
    title="Nobody who still works here is switched off",
    severity=Severity.WARNING,
    scopes=["user"],
    impact="This person cannot sign in and reads that e-mail and password do not match",
    cause="The account is switched off (is_active is false); the sign-in form answers as to a wrong password.",
)
def inactive(ctx: Context, active_within_days: int = 90) -> Iterator[Finding]:
    """One finding per account. Rows: the account, its last activity and the organizations it belongs to."""
    statement = SWITCHED_OFF.where(User.id.in_(ctx.scope.user_ids)) if ctx.scope.user_ids else SWITCHED_OFF
    accounts = ctx.read.execute(statement).all()
    belongs = memberships(ctx, [account.id for account in accounts]) if accounts else {}
    since = ctx.now - timedelta(days=active_within_days)
    for account in accounts:
        organizations = [item.title for item in live(belongs.get(account.id, []))]
        was_here = account.last_activity is not None and account.last_activity >= since
        if not (was_here or organizations):
            continue
        seen = f"was here {_days(ctx, account.last_activity)}" if was_here else ""
        member = f"is still a member of {', '.join(organizations)}" if organizations else ""
        yield Finding(
            subject=f"user:{account.id}", name=account.email,
            summary=f"{account.email} is switched off, but {' and '.join(filter(None, (seen, member)))}",
            evidence=ctx.evidence(SWITCHED_OFF, [dict(account._mapping) | {"organizations": ", ".join(organizations)}]),
        )  # fmt: skip


@inactive.fix(title="Switch the account on")
def activate(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Set `is_active`; password, memberships and tokens stay as they are and work again at once."""
    for row in finding.evidence:
        yield row_update(User, row["id"], before={"is_active": row["is_active"]}, after={"is_active": True})


def _days(ctx: Context, then: object) -> str:
    days = (ctx.now - then).days  # type: ignore[operator]
    return "today" if days < 1 else "yesterday" if days == 1 else f"{days} days ago"
