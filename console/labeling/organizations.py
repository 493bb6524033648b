"""Organizations: read, rename, who belongs to one. Source: `organizations/models.py` and `organizations/api.py`."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from ..errors import Forbidden, Invalid, NotFound
from .db import Db

MEMBERS = "organizations_organizationmember"
NOT_PERMITTED = "You do not have permission to perform this action."
NO_ORGANIZATION = "No Organization matches the given query."


def new_token() -> str:
    """What an invitation link carries."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(40))


def live(db: Db) -> Any:
    """The condition that a membership was not ended; true where the release ends none softly."""
    table = db.table(MEMBERS)
    return table.c.deleted_at.is_(None) if "deleted_at" in table.c else True


def membership_id(db: Db, user_id: int, organization_id: int) -> int | None:
    """Id of a membership that was not ended, or None."""
    table = db.table(MEMBERS)
    found = select(table.c.id).where(table.c.user_id == user_id, table.c.organization_id == organization_id, live(db))
    number: int | None = db.value(found.order_by(table.c.id).limit(1))
    return number


def is_member(db: Db, user_id: int, organization_id: int) -> bool:
    return membership_id(db, user_id, organization_id) is not None


def need_member(db: Db, organization_id: int) -> None:
    """Raise Forbidden unless the caller belongs to the organization."""
    if not is_member(db, db.caller.id, organization_id):
        raise Forbidden(NOT_PERMITTED)


def active(db: Db) -> int:
    """The caller's active organization. Raises Forbidden while the account has none."""
    if db.caller.organization_id is None:
        raise Forbidden("This account has no active organization.")
    return db.caller.organization_id


def mine(db: Db) -> list[dict[str, Any]]:
    """The organizations the caller belongs to: id, title, contact_info, created_at."""
    table, members = db.table("organization"), db.table(MEMBERS)
    own = select(members.c.organization_id).where(members.c.user_id == db.caller.id, live(db))
    columns = db.columns("organization", "id", "title", "contact_info", "created_at")
    return [dict(row._mapping) for row in db.rows(select(*columns).where(table.c.id.in_(own)).order_by(table.c.id))]


def one(db: Db, organization_id: int) -> dict[str, Any]:
    """An organization with the ids of its users, former ones included. Raises NotFound, Forbidden."""
    table, members = db.table("organization"), db.table(MEMBERS)
    columns = db.columns("organization", "id", "title", "token", "created_at", "updated_at", "contact_info")
    row = db.first(select(*columns, table.c.created_by_id.label("created_by")).where(table.c.id == organization_id))
    if row is None:
        raise NotFound(NO_ORGANIZATION)
    need_member(db, organization_id)
    users = select(members.c.user_id).where(members.c.organization_id == organization_id).order_by(members.c.user_id)
    return dict(row._mapping) | {"users": db.values(users)}


def change(db: Db, organization_id: int, values: Mapping[str, Any]) -> dict[str, Any]:
    """Change title, contact or invitation token; returns the whole. Raises NotFound, Forbidden, Invalid."""
    one(db, organization_id)
    table = db.table("organization")
    token = values.get("token")
    if token is not None:
        taken = select(table.c.id).where(table.c.token == token, table.c.id != organization_id)
        if db.value(taken) is not None:
            raise Invalid({"token": ["organization with this token already exists."]})
    db.update("organization", table.c.id == organization_id, {**values, "updated_at": db.now})
    told = {"title": values["title"]} if "title" in values else {}
    db.record("changed an organization", f"organization:{organization_id}", changed=sorted(values), **told)
    return one(db, organization_id)


def invitation_token(db: Db) -> str | None:
    """The token of the active organization's invitation link."""
    table = db.table("organization")
    token: str | None = db.value(select(table.c.token).where(table.c.id == active(db)))
    return token


def reset_invitation(db: Db) -> str:
    """A new token for invitation links: links with the old one are dead at once."""
    need_member(db, active(db))
    table, token = db.table("organization"), new_token()
    db.update("organization", table.c.id == active(db), {"token": token})
    db.record("reset the invitation link", f"organization:{active(db)}")
    return token


def owned_by(db: Db, user_id: int) -> int | None:
    """The organization this person founded, if any: the one privilege the community edition knows."""
    table = db.table("organization")
    found: int | None = db.value(select(table.c.id).where(table.c.created_by_id == user_id).limit(1))
    return found
