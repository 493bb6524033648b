"""Tokens in the database: legacy keys, personal access tokens handed out and revoked, what an organization accepts.

Source: `users/models.py User.reset_token`, `jwt_auth/views.py`, the token blacklist of simplejwt.
"""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import exists, select

from ..errors import Conflict, Forbidden, NotFound
from . import tokens_jwt, users_lookup
from .db import Db
from .organizations import need_member
from .tokens_jwt import Token, TokenProblem

SETTINGS, HANDED_OUT, REVOKED = (
    "jwt_auth_jwtsettings",
    "token_blacklist_outstandingtoken",
    "token_blacklist_blacklistedtoken",
)
NO_ACCOUNT = "No active account found for the given token."


class RevokedToken(TokenProblem):
    """A token that is unknown here, or was revoked before."""


def legacy_key(db: Db) -> str:
    """The caller's legacy token. Raises NotFound for an account without one."""
    table = db.table("authtoken_token")
    key = db.value(select(table.c.key).where(table.c.user_id == db.caller.id))
    if key is None:
        raise NotFound("This account has no token. POST /api/current-user/reset-token/ makes one.")
    return str(key)


def new_legacy_key(db: Db, user_id: int) -> str:
    """Give an account a new legacy token; the old one stops working at once."""
    table = db.table("authtoken_token")
    db.delete("authtoken_token", table.c.user_id == user_id)
    key = secrets.token_hex(20)
    db.insert("authtoken_token", {"key": key, "created": db.now, "user_id": user_id})
    return key


def reset_legacy_key(db: Db) -> str:
    key = new_legacy_key(db, db.caller.id)
    db.record("reset a legacy token", f"user:{db.caller.id}")
    return key


def alive(db: Db) -> list[str]:
    """The caller's personal access tokens that still work, oldest first, without their signatures."""
    found = []
    for stored in db.values(_alive(db)):
        try:
            if tokens_jwt.peek(stored).kind == "refresh":
                found.append(tokens_jwt.truncated(stored))
        except TokenProblem:
            continue
    return found


def create(db: Db, secret: str) -> str:
    """A new personal access token of the caller. Raises Conflict while one is alive: there is one per account."""
    if db.value(_alive(db).limit(1)) is not None:
        raise Conflict("You already have a valid token. Please revoke it before creating a new one.")
    token = _hand_out(db, secret)
    db.record("created a personal access token", f"user:{db.caller.id}")
    return token


def access_token(db: Db, refresh: str, secret: str) -> str:
    """An access token for a personal access token. Raises TokenProblem in the words of Label Studio."""
    token = tokens_jwt.decode(refresh, secret, "refresh")
    user, given, revoked = db.table("htx_user"), db.table(HANDED_OUT), db.table(REVOKED)
    was_revoked = exists().where(given.c.jti == token.jti, revoked.c.token_id == given.c.id)
    row = db.first(select(user.c.is_active, was_revoked.label("revoked")).where(user.c.id == token.user_id))
    if row is not None and row.revoked:
        raise TokenProblem("Token is blacklisted")
    if row is None or not row.is_active:
        raise TokenProblem(NO_ACCOUNT)
    return tokens_jwt.encode(tokens_jwt.access_claims(token, db.now), secret)


def revoke(db: Db, token: Token) -> None:
    """Make a personal access token useless. Raises RevokedToken for one never handed out, or revoked before."""
    given, revoked = db.table(HANDED_OUT), db.table(REVOKED)
    row = db.first(
        select(given.c.id, given.c.user_id, revoked.c.id.label("revoked"))
        .outerjoin(revoked, revoked.c.token_id == given.c.id).where(given.c.jti == token.jti)
    )  # fmt: skip
    if row is None or row.revoked is not None:
        raise RevokedToken("Token is invalid or already blacklisted.")
    db.insert(REVOKED, {"token_id": row.id, "blacklisted_at": db.now})
    db.record("revoked a personal access token", f"user:{row.user_id}")


def rotate(db: Db, refresh: str, secret: str) -> str:
    """Exchange a personal access token for a new one of the caller's. Raises TokenProblem."""
    revoke(db, tokens_jwt.decode(refresh, secret, "refresh"))
    return _hand_out(db, secret)


def settings(db: Db) -> dict[str, bool]:
    """Which tokens the active organization accepts. Raises Forbidden for somebody who no longer belongs to it."""
    organization_id = _organization(db)
    need_member(db, organization_id)
    table = db.table(SETTINGS)
    row = db.first(
        select(table.c.api_tokens_enabled, table.c.legacy_api_tokens_enabled)
        .where(table.c.organization_id == organization_id)
    )  # fmt: skip
    api, legacy = tuple(row) if row is not None else users_lookup.defaults(db.session, db.schema)
    return {"api_tokens_enabled": bool(api), "legacy_api_tokens_enabled": bool(legacy)}


def change_settings(db: Db, values: dict[str, Any]) -> dict[str, bool]:
    """Change which tokens the active organization accepts; returns all of it."""
    organization_id = _organization(db)
    now = settings(db) | values
    table = db.table(SETTINGS)
    stamped = now | {"updated_at": db.now}
    if not db.update(SETTINGS, table.c.organization_id == organization_id, stamped):
        whole = {"organization_id": organization_id, "api_token_ttl_days": 200 * 365, "created_at": db.now}
        db.insert(SETTINGS, whole | stamped)
    db.record("changed token settings", f"organization:{organization_id}", **now)
    return now


def _organization(db: Db) -> int:
    if db.caller.organization_id is None:
        raise Forbidden("This account has no active organization.")
    return db.caller.organization_id


def _alive(db: Db) -> Any:
    given, revoked = db.table(HANDED_OUT), db.table(REVOKED)
    return (
        select(given.c.token)
        .where(given.c.user_id == db.caller.id, given.c.expires_at > db.now)
        .where(~exists().where(revoked.c.token_id == given.c.id))
        .order_by(given.c.id)
    )


def _hand_out(db: Db, secret: str) -> str:
    claims = tokens_jwt.new_claims("refresh", db.caller.id, db.now)
    token = tokens_jwt.encode(claims, secret)
    db.insert(HANDED_OUT, {
        "user_id": db.caller.id, "jti": claims["jti"], "token": tokens_jwt.truncated(token), "created_at": db.now,
        "expires_at": db.now.replace(microsecond=0) + tokens_jwt.REFRESH_LIFETIME,
    })  # fmt: skip
    return token
