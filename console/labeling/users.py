"""Accounts: shown as Label Studio shows them to one viewer, made, changed.

Somebody who left the viewer's organization is shown as a deleted user, whatever the account still holds.
Source: `users/serializers.py`, `users/api.py`, `users/models.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import and_, func, select

from ..errors import Forbidden, NotFound
from . import tokens
from .db import Db
from .organizations import MEMBERS, active, is_member, owned_by

#: Columns of an account as the API shows them, in its order; what the release lacks is left out.
SHOWN = ("id", "first_name", "last_name", "username", "email", "last_activity", "custom_hotkeys", "avatar", "initials",
         "phone", "active_organization", "active_organization_meta", "allow_newsletters", "date_joined")  # fmt: skip
NOT_FOUND = "No User matches the given query."


def me(db: Db) -> dict[str, Any]:
    """The caller. Raises NotFound when the account is gone meanwhile."""
    table = db.table("htx_user")
    found = shown(db, table.c.id == db.caller.id)
    if not found:
        raise NotFound(NOT_FOUND)
    return found[0]


def of_organization(db: Db) -> list[dict[str, Any]]:
    """Everybody of the active organization, former members included, by id."""
    return shown(db, _belongs(db)) if db.caller.organization_id is not None else []


def one(db: Db, user_id: int) -> dict[str, Any]:
    """An account of the active organization. Raises NotFound; Forbidden for a caller who no longer belongs to it."""
    table = db.table("htx_user")
    found = shown(db, and_(table.c.id == user_id, _belongs(db)))
    if not found:
        raise NotFound(NOT_FOUND)
    if not is_member(db, db.caller.id, active(db)):
        raise Forbidden("You do not have permission to perform this action.")
    return found[0]


def shown(
    db: Db, where: Any, *, order_by: Any = None, limit: int | None = None, offset: int = 0
) -> list[dict[str, Any]]:
    """Accounts as the caller sees them, in one statement; `avatar` is the stored path.

    The meta data of the active organization, and whether the account left the caller's organization, come with it.
    """
    user, organization = db.table("htx_user"), db.table("organization")
    owner, member = user.alias("owner"), db.table(MEMBERS)
    any_member = member.alias("any_member")
    first = (
        select(func.min(any_member.c.id))
        .where(any_member.c.user_id == user.c.id, any_member.c.organization_id == db.caller.organization_id)
        .correlate(user).scalar_subquery()
    )  # fmt: skip
    plain = [column for column in db.columns("htx_user", *SHOWN) if column.name != "custom_hotkeys"]
    hotkeys = [db.raw(user.c.custom_hotkeys)] if "custom_hotkeys" in user.c else []
    statement = (
        select(
            *plain, *hotkeys, user.c.active_organization_id.label("active_organization"),
            organization.c.title.label("organization_title"), owner.c.email.label("organization_email"),
            member.c.id.label("member_id"), *(c.label("left_at") for c in db.columns(MEMBERS, "deleted_at")),
        )
        .select_from(user)
        .outerjoin(organization, organization.c.id == user.c.active_organization_id)
        .outerjoin(owner, owner.c.id == organization.c.created_by_id)
        .outerjoin(member, member.c.id == first)
        .where(where).order_by(*([order_by] if order_by is not None else []), user.c.id)
    )  # fmt: skip
    if limit is not None:
        statement = statement.limit(limit).offset(offset)
    return [_json(db, dict(row._mapping)) for row in db.rows(statement)]


def create(db: Db, values: Mapping[str, Any]) -> dict[str, Any]:
    """Make an account without a password in the active organization, from values without problems. None becomes active."""
    organization_id = active(db)
    user_id = insert(db, _columns(values))
    join(db, user_id, organization_id)
    db.record("created an account", f"user:{user_id}", organization=organization_id)
    return one(db, user_id)


def insert(db: Db, values: Mapping[str, Any]) -> int:
    """A row of an account with everything Django would fill in, and its legacy token."""
    row = {
        "password": "", "username": "", "email": "", "first_name": "", "last_name": "", "phone": "", "avatar": "",
        "is_active": True, "is_staff": False, "is_superuser": False, "date_joined": db.now, "last_activity": db.now,
        "activity_at": db.now, "custom_hotkeys": {},
    }  # fmt: skip
    user_id = db.insert("htx_user", row | dict(values))
    tokens.new_legacy_key(db, user_id)
    return user_id


def join(db: Db, user_id: int, organization_id: int) -> None:
    """Make somebody a member, unless there is any membership already: an ended one stays ended, as in Label Studio."""
    table = db.table(MEMBERS)
    if (
        db.value(select(table.c.id).where(table.c.user_id == user_id, table.c.organization_id == organization_id))
        is None
    ):
        db.insert(MEMBERS, {"user_id": user_id, "organization_id": organization_id,
                            "created_at": db.now, "updated_at": db.now})  # fmt: skip


def change(db: Db, user_id: int, values: Mapping[str, Any]) -> dict[str, Any]:
    """Change an account of the active organization. Raises NotFound, Forbidden."""
    one(db, user_id)
    table = db.table("htx_user")
    db.update("htx_user", table.c.id == user_id, _columns(values) | {"activity_at": db.now})
    db.record("changed an account", f"user:{user_id}", changed=sorted(values))
    return one(db, user_id)


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values under the names of their columns."""
    return {("active_organization_id" if name == "active_organization" else name): v for name, v in values.items()}


def need_deletable(db: Db, user_id: int) -> None:
    """Raise unless the caller may delete this account: founders only, and never a founder."""
    one(db, user_id)
    if owned_by(db, user_id) is not None:
        raise Forbidden("The organization owner cannot be deleted")
    if owned_by(db, db.caller.id) is None:
        raise Forbidden("Only the organization owner can delete users")


def hotkeys(db: Db) -> Any:
    """The caller's own keyboard shortcuts, `{}` when there are none."""
    table = db.table("htx_user")
    if "custom_hotkeys" not in table.c:
        return {}
    stored = db.value(select(table.c.custom_hotkeys).where(table.c.id == db.caller.id))
    return stored if isinstance(stored, dict) else {}


def change_hotkeys(db: Db, value: Mapping[str, Any]) -> None:
    table = db.table("htx_user")
    db.update("htx_user", table.c.id == db.caller.id, {"custom_hotkeys": dict(value)})
    db.record("changed keyboard shortcuts", f"user:{db.caller.id}")


def email_taken(db: Db, email: str) -> bool:
    table = db.table("htx_user")
    return db.value(select(table.c.id).where(table.c.email == email)) is not None


def _belongs(db: Db) -> Any:
    """The condition that an account is, or was, a member of the active organization."""
    user, member = db.table("htx_user"), db.table(MEMBERS)
    return user.c.id.in_(select(member.c.user_id).where(member.c.organization_id == db.caller.organization_id))


def stored_problems(db: Db, values: Mapping[str, Any], user_id: int | None = None) -> dict[str, list[str]]:
    """What the database has against values that are well-formed, by field; `user_id` is the account to change."""
    wrong: dict[str, list[str]] = {}
    user = db.table("htx_user")
    if "email" in values:
        same = (
            and_(user.c.email == values["email"], user.c.id != user_id) if user_id else user.c.email == values["email"]
        )
        if db.value(select(user.c.id).where(same)) is not None:
            wrong["email"] = ["user with this email address already exists."]
    wanted = values.get("active_organization")
    if wanted is not None:
        belongs = wanted == db.caller.organization_id if user_id is None else is_member(db, user_id, wanted)
        if not belongs:
            wrong["active_organization"] = [f'Invalid pk "{wanted}" - object does not exist.']
    return wrong


def _json(db: Db, row: dict[str, Any]) -> dict[str, Any]:
    has_left = db.caller.organization_id is not None and (row["member_id"] is None or row.get("left_at") is not None)
    initials = "DU" if has_left else _initials(row)
    if has_left:
        row |= {"username": "Deleted", "first_name": "Deleted", "last_name": "User", "email": "Deleted"}
    title, email = row["organization_title"], row["organization_email"]
    row["active_organization_meta"] = {"title": title or "", "email": (email or "") if title is not None else ""}
    row["initials"] = initials
    if "custom_hotkeys" in row:
        row["custom_hotkeys"] = db.fragment(row["custom_hotkeys"])
    return {name: row[name] for name in SHOWN if name in row}


def _initials(row: Mapping[str, Any]) -> str:
    first, last = row["first_name"], row["last_name"]
    if not first and not last:
        return str(row["email"][:2])
    return str(first[:1] + last[:1])
