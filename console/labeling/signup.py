"""Sign in and sign up as the forms of Label Studio do it: `users/forms.py`, `users/views.py`, `users/functions/common.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from ..errors import Forbidden
from ..passwords import NOBODY, check_password, make_password, spend_the_rest
from . import tokens, users
from .db import Db
from .organizations import MEMBERS, new_token

NO_MATCH = "The email and password you entered don't match."
TOO_LONG = "Email is too long"
TAKEN = "User with this email already exists"
LEAST, MOST = 8, 128
PASSWORD_LENGTH = f"Please enter a password {LEAST}–{MOST} characters in length."
#: What the first sign-up on a database without users founds.
FIRST_TITLE = "Label Studio"
POLICY, DEFAULT_POLICY = (
    "session_policy_sessiontimeoutpolicy",
    {"max_session_age": 11520, "max_time_between_activity": 4320},
)


@dataclass(frozen=True)
class SignedIn:
    """Who is signed in now; `password` is the stored hash, which the session is tied to."""

    id: int
    email: str
    password: str
    organization_id: int


def matching(db: Db, email: str, password: str) -> SignedIn | None:
    """The account these belong to, or None for a wrong pair or an account switched off.

    As in Label Studio the lower-cased address has to be stored just so, and the organization is the one somebody joined
    first. Raises Forbidden for an account that belongs nowhere, where Label Studio answers 500.
    """
    user, member = db.table("htx_user"), db.table(MEMBERS)
    address = email.lower()
    statement = select(user.c.id, user.c.email, user.c.password, user.c.is_active).where(user.c.email == address)
    row = db.first(statement) if len(address) < 256 and "\x00" not in address else None
    encoded = row.password if row is not None else NOBODY
    if not check_password(password, encoded) or row is None or not row.is_active:
        spend_the_rest(password, encoded)
        return None
    first = select(member.c.organization_id).where(member.c.user_id == row.id).order_by(member.c.id).limit(1)
    organization_id = db.value(first)
    if organization_id is None:
        raise Forbidden("The password is right, but this account belongs to no organization. Ask for an invitation.")
    return SignedIn(row.id, row.email, row.password, organization_id)


def enter(db: Db, person: SignedIn) -> None:
    """What a sign-in leaves behind: its time, and the organization as the active one."""
    user = db.table("htx_user")
    db.update("htx_user", user.c.id == person.id,
              {"last_login": db.now, "active_organization_id": person.organization_id})  # fmt: skip
    db.record("signed in to the API", f"user:{person.id}")


def need_invitation(db: Db, token: str | None, *, link_only: bool) -> None:
    """Raise Forbidden unless somebody with this token, or with none, may sign up."""
    organization = db.table("organization")
    row = db.first(select(organization.c.token).order_by(organization.c.id).limit(1))
    if link_only:
        allowed = bool(token) and row is not None and token == row.token
    else:
        allowed = not token or row is None or token == row.token
    if not allowed:
        raise Forbidden("This invitation link is not valid, or was reset. Ask for a new one.")


def password_problem(password: str) -> str | None:
    """What is wrong with a password somebody chose. Label Studio compares it with nothing of the account here."""
    return None if LEAST <= len(password) <= MOST else PASSWORD_LENGTH


def sign_up(db: Db, email: str, password: str, *, newsletters: bool, legacy_tokens: bool) -> SignedIn:
    """Make an account, its legacy token and its membership; the first one founds the organization.

    `legacy_tokens`: whether an organization founded so accepts legacy tokens. The caller has checked the values.
    """
    encoded = make_password(password)
    values = {"email": email, "username": email.split("@")[0], "password": encoded, "allow_newsletters": newsletters}
    user_id = users.insert(db, values)
    organization = db.table("organization")
    organization_id = db.value(select(organization.c.id).order_by(organization.c.id).limit(1))
    if organization_id is None:
        organization_id = found(db, user_id, legacy_tokens=legacy_tokens)
    users.join(db, user_id, organization_id)
    user = db.table("htx_user")
    db.update("htx_user", user.c.id == user_id, {"active_organization_id": organization_id, "last_login": db.now})
    db.record("signed up", f"user:{user_id}", organization=organization_id)
    return SignedIn(user_id, email, encoded, organization_id)


def found(db: Db, user_id: int, *, legacy_tokens: bool) -> int:
    """The organization of the first account, with its settings of tokens. Source: `organizations/functions.py`."""
    times = {"created_at": db.now, "updated_at": db.now}
    row: Mapping[str, Any] = {"title": FIRST_TITLE, "token": new_token(), "created_by_id": user_id, **times}
    organization_id = db.insert("organization", row)
    if db.has(tokens.SETTINGS):
        db.insert(tokens.SETTINGS, {
            "organization_id": organization_id, "api_tokens_enabled": True, "legacy_api_tokens_enabled": legacy_tokens,
            "api_token_ttl_days": 200 * 365, **times,
        })  # fmt: skip
    return organization_id
