"""Whose token or session it is: one statement finds the account and what its organization says about tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, bindparam, literal, select
from sqlalchemy.orm import Session

from ..deployment.schema import Schema
from . import sessions


@dataclass(frozen=True)
class Account:
    """A stored account, and the rules of its active organization. A rule nobody ever changed has the release's default."""

    id: int
    email: str
    password: str
    is_active: bool
    organization_id: int | None
    api_tokens: bool
    legacy_tokens: bool
    session_seconds: float
    quiet_seconds: float


def by_legacy_key(session: Session, schema: Schema, key: str) -> Account | None:
    """The account of a row of `authtoken_token`, or None."""
    if len(key) > 40 or "\x00" in key:
        return None
    found = session.connection().execute(
        schema.once("users_lookup.by_legacy_key", lambda: _by_key(schema)), {"key": key}
    )
    return _account(session, schema, found.first())


def by_id(session: Session, schema: Schema, user_id: int) -> Account | None:
    found = session.execute(_accounts(schema).where(schema.table("htx_user").c.id == user_id)).first()
    return _account(session, schema, found)


def first_organization(session: Session, schema: Schema, user_id: int) -> int | None:
    """The organization somebody joined first and still belongs to; None for somebody who belongs nowhere."""
    member = schema.table("organizations_organizationmember")
    statement = select(member.c.organization_id).where(member.c.user_id == user_id).order_by(member.c.id).limit(1)
    if "deleted_at" in member.c:
        statement = statement.where(member.c.deleted_at.is_(None))
    return session.execute(statement).scalar()


def _by_key(schema: Schema) -> Select[Any]:
    token, user = schema.table("authtoken_token"), schema.table("htx_user")
    return _accounts(schema).join(token, token.c.user_id == user.c.id).where(token.c.key == bindparam("key"))


def _accounts(schema: Schema) -> Select[Any]:
    """Accounts with the rules of their active organizations; NULL where the release or the organization has none."""
    user = schema.table("htx_user")
    columns: list[Any] = [user.c.id, user.c.email, user.c.password, user.c.is_active, user.c.active_organization_id]
    source: Any = user
    if schema.has_table("jwt_auth_jwtsettings"):
        rules = schema.table("jwt_auth_jwtsettings")
        source = source.outerjoin(rules, rules.c.organization_id == user.c.active_organization_id)
        columns += [rules.c.api_tokens_enabled, rules.c.legacy_api_tokens_enabled]
    else:
        columns += [literal(False).label("api_tokens_enabled"), literal(True).label("legacy_api_tokens_enabled")]
    if schema.has_table("session_policy_sessiontimeoutpolicy"):
        policy = schema.table("session_policy_sessiontimeoutpolicy")
        source = source.outerjoin(policy, policy.c.organization_id == user.c.active_organization_id)
        columns += [policy.c.max_session_age, policy.c.max_time_between_activity]
    else:
        columns += [literal(None).label("max_session_age"), literal(None).label("max_time_between_activity")]
    return select(*columns).select_from(source)


def _account(session: Session, schema: Schema, row: Any) -> Account | None:
    if row is None:
        return None
    api, legacy = row.api_tokens_enabled, row.legacy_api_tokens_enabled
    if row.active_organization_id is None:
        api, legacy = False, True  # Label Studio asks no organization then
    elif legacy is None:
        api, legacy = defaults(session, schema)
    age, quiet = row.max_session_age, row.max_time_between_activity
    return Account(
        row.id, row.email, row.password, bool(row.is_active), row.active_organization_id, bool(api), bool(legacy),
        sessions.DEFAULT_AGE_SECONDS if age is None else age * 60.0,
        sessions.DEFAULT_QUIET_SECONDS if quiet is None else quiet * 60.0,
    )  # fmt: skip


def defaults(session: Session, schema: Schema) -> tuple[bool, bool]:
    """(personal access tokens, legacy tokens) of an organization without a row of `jwt_auth_jwtsettings`.

    Migration 0002 of `jwt_auth` turned the defaults round: since then new organizations refuse legacy tokens.
    """
    if not schema.has_table("jwt_auth_jwtsettings"):
        return False, True
    rows = schema.table("django_migrations")
    turned = session.execute(
        select(rows.c.id).where(rows.c.app == "jwt_auth", rows.c.name.like("0002%")).limit(1)
    ).scalar()  # fmt: skip
    return (True, False) if turned is not None else (False, True)
