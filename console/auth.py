"""Sign-in with Label Studio accounts, and who may do what here.

Roles: `admin` (superusers, and people the operator names) may do everything; `support` (staff, and people named so)
may look, run checks and runbooks and plan fixes, but not apply them. Everybody else has no business in these pages.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from flask_login import UserMixin
from sqlalchemy import func, or_, select

from .deployment.models import User
from .errors import CannotAttach, Forbidden, NotFound, Refused, Unknown
from .passwords import NOBODY, check_password, spend_the_rest
from .service import Console, find_users
from .state import audit
from .state.models import GrantRow

Role = Literal["admin", "support"]
#: `api` stands for every active account, within its own organization; `api.authentication` finds it.
Permission = Literal["public", "look", "run", "fix", "api"]
ALLOWED: dict[str, frozenset[str]] = {
    "admin": frozenset({"public", "look", "run", "fix"}),
    "support": frozenset({"public", "look", "run"}),
}
#: A signed-in person is looked up again after this long: a removed right is gone by then.
REMEMBER_SECONDS = 15.0


@dataclass(frozen=True)
class Person(UserMixin):
    """Who is signed in. `mark` changes with the password, so that a session ends when the password changes."""

    id: int
    email: str
    role: Role
    superuser: bool
    mark: str

    def get_id(self) -> str:
        return f"{self.id}:{self.mark}"

    def may(self, permission: str) -> bool:
        return permission in ALLOWED[self.role]

    @property
    def role_title(self) -> str:
        return "superuser" if self.superuser else self.role


def requires(permission: Permission) -> Callable[[Any], Any]:
    """Declare what a route needs. A route without it does not start."""

    def mark(view: Any) -> Any:
        view.permission = permission
        return view

    return mark


def sign_in(console: Console, email: str, password: str) -> Person:
    """The person these belong to. Raises Refused for a wrong pair, Forbidden when the account has no role here.

    Unlike Label Studio's form the address is found in whatever case it is stored, if that is unambiguous: a
    superuser locked out by a capital letter can still come here and repair it.
    """
    row = _account(console, email.strip())
    encoded = row.password if row is not None else NOBODY
    if not check_password(password, encoded) or row is None or not row.is_active:
        spend_the_rest(password, encoded)
        raise Refused("E-mail and password do not match an active Label Studio account.")
    role = role_of(console, row)
    if role is None:
        raise Forbidden(
            f"The password is right, but {row.email} has no role here. Superusers and staff of Label Studio have one; "
            "the operator can name others in LSCONSOLE_ADMINS or LSCONSOLE_SUPPORT, or with "
            f"`lsconsole grant {row.email} support`."
        )
    return _person(console, row, role)


def load(console: Console, session_id: str) -> Person | None:
    """The person of a session, or None when the account, its password, its activity or its role changed.

    While the deployment does not answer, whoever this process knew last is still known: the pages that say so have to
    be read by somebody, and nothing can be changed meanwhile.
    """
    number, _, mark = session_id.partition(":")
    remembered = _remembered.get((id(console), session_id))
    if remembered and time.monotonic() - remembered[0] < REMEMBER_SECONDS:
        return remembered[1]
    person = None
    if number.isdigit() and len(number) < 12:
        try:
            with console.deployment.read() as session:
                row = session.execute(_columns(console).where(User.id == int(number))).first()
        except (CannotAttach, Unknown):
            if remembered is None:
                raise
            return remembered[1]
        if row is not None and row.is_active:
            role = role_of(console, row)
            person = _person(console, row, role) if role else None
    if person is not None and not hmac.compare_digest(person.mark.encode(), mark.encode()):
        person = None
    if len(_remembered) > 1000:
        _remembered.clear()
    _remembered[(id(console), session_id)] = (time.monotonic(), person)
    return person


_remembered: dict[tuple[int, str], tuple[float, Person | None]] = {}


def role_of(console: Console, row: Any) -> Role | None:
    """The highest role an account has: from Label Studio, from the settings, from a grant."""
    email = row.email.lower()
    granted = grants(console).get(email)
    if row.is_superuser or email in _lowered(console.settings.admins) or granted == "admin":
        return "admin"
    if row.is_staff or email in _lowered(console.settings.support) or granted == "support":
        return "support"
    return None


def grants(console: Console) -> dict[str, str]:
    """Roles given with `lsconsole grant`, by lower-case e-mail."""
    with console.store.read() as session:
        return {row.email: row.role for row in session.scalars(select(GrantRow))}


def grant(console: Console, email: str, role: str, *, by: str) -> None:
    """Give a role (or take it with `none`) to an account that exists; kept in the state store and audited."""
    from datetime import UTC, datetime

    if role not in {"admin", "support", "none"}:
        raise Refused(f"{role!r} is no role; accepted: admin, support, none.")
    if _account(console, email.strip()) is None and role != "none":
        raise NotFound(f"No account of this deployment has the e-mail {email}.")
    key = email.strip().lower()
    with console.store.session() as session:
        row = session.get(GrantRow, key)
        before = row.role if row else None
        if role == "none":
            if row:
                session.delete(row)
        elif row:
            row.role, row.by, row.at = role, by, datetime.now(UTC)
        else:
            session.add(GrantRow(email=key, role=role, by=by, at=datetime.now(UTC)))
        audit.append(
            session,
            actor=by,
            action="granted",
            subject="",
            reason="",
            data={"email": key, "role": role, "before": before},
        )
    _remembered.clear()


def who_may_fix(console: Console, most: int = 5) -> list[str]:
    """E-mails of active accounts that may apply plans: superusers first, then people named so."""
    granted = [email for email, role in grants(console).items() if role == "admin"]
    named = _lowered(console.settings.admins) | set(granted)
    with console.deployment.read() as session:
        emails = session.scalars(
            select(User.email).where(User.is_active, or_(User.is_superuser, func.lower(User.email).in_(named)))
            .order_by(User.is_superuser.desc(), User.id).limit(most)
        )  # fmt: skip
        return list(emails)


def _lowered(emails: tuple[str, ...]) -> set[str]:
    return {email.lower() for email in emails}


def _columns(console: Console) -> Any:
    return select(User.id, User.email, User.password, User.is_active, User.is_staff, User.is_superuser)


def _account(console: Console, email: str) -> Any:
    if not email or len(email) > 254:
        return None
    with console.deployment.read() as session:
        rows = session.execute(_columns(console).where(User.id.in_(find_users(session, email)[:10]))).all()
    exact = [row for row in rows if row.email == email] or [row for row in rows if row.email == email.lower()]
    return exact[0] if exact else rows[0] if len(rows) == 1 else None


def _person(console: Console, row: Any, role: Role) -> Person:
    mark = hmac.new(console.settings.signing_key().encode(), (row.password or "").encode(), hashlib.sha256).hexdigest()[
        :24
    ]
    return Person(row.id, row.email, role, bool(row.is_superuser), mark)
