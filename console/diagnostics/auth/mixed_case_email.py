"""An e-mail with capital letters locks its owner out.

Label Studio's sign-in form lower-cases what is typed and then looks for exactly that address. Sign-up lower-cases as
well, but accounts made by command line, admin page, SDK or environment keep their capitals: the look-up misses, and
the form says that e-mail and password do not match, whatever the password. A password reset does not help.

The repair stores the address in lower case. Where another account has that address already, or would get it too, no
repair is offered: see `auth.duplicate_by_case`.

Source: the log-in form and the user model of Label Studio's users app; `htx_user.email` is unique by exact case.
"""

from collections import defaultdict
from collections.abc import Iterator

from sqlalchemy import select

from ...deployment.models import User
from .. import Change, Context, Finding, Severity, check, row_update

ACCOUNTS = select(User.id, User.email, User.username, User.is_active, User.last_login).order_by(User.id)


@check(
    title="Every e-mail is in lower case",
    severity=Severity.ERROR,
    scopes=["user"],
    impact="This person cannot sign in, whatever password is typed",
    cause="The sign-in form lower-cases what is typed; this row keeps its capitals, so the look-up misses.",
)
def mixed_case_email(ctx: Context) -> Iterator[Finding]:
    """One finding per account. Rows: the account, and the accounts its lowered address would collide with."""
    # Compared in Python: lower() of SQLite, and of PostgreSQL under the C locale, knows ASCII only.
    accounts = [row for row in ctx.read.execute(ACCOUNTS) if row.email]
    holders = defaultdict(list)
    for row in accounts:
        holders[row.email.lower()].append(row)
    for row in accounts:
        lowered = row.email.lower()
        if row.email == lowered or (ctx.scope.user_ids and row.id not in ctx.scope.user_ids):
            continue
        others = [other for other in holders[lowered] if other.id != row.id]
        rows = [
            {"id": item.id, "email": item.email, "username": item.username, "is_active": item.is_active,
             "last_login": item.last_login, "lowered": lowered, "collides": item.id != row.id}
            for item in (row, *others)
        ]  # fmt: skip
        summary = f"{row.email} cannot sign in: the e-mail has capital letters"
        cause, severity, impact = "", None, ""
        if not row.is_active:
            # Switched off, so nobody is locked out by the capitals today.
            severity, impact = (
                Severity.WARNING,
                "This person could not sign in even if the account were switched on again",
            )
        if others:
            names = ", ".join(f"user {other.id} ({other.email})" for other in others)
            cause = f"Lowered, the address would be that of {names}: one of the accounts has to give way first."
        yield Finding(
            subject=f"user:{row.id}", name=row.email, summary=summary, cause=cause, severity=severity, impact=impact,
            evidence=ctx.evidence(ACCOUNTS, rows), fixes=() if others else ("lower",),
        )  # fmt: skip


@mixed_case_email.fix(title="Store the e-mail in lower case")
def lower(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Lower the e-mail, and a username that repeats it. Nobody signs in by username; it is shown and sorted by."""
    for row in finding.evidence:
        if row["collides"]:
            continue
        before, after = {"email": row["email"]}, {"email": row["lowered"]}
        if row["username"] == row["email"]:
            before["username"], after["username"] = row["username"], row["lowered"]
        yield row_update(User, row["id"], before=before, after=after)
