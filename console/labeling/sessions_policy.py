"""How long sessions of an organization last. Source: `session_policy/models.py` of Label Studio 1.20 and later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from .db import Db
from .organizations import active, need_member

TABLE = "session_policy_sessiontimeoutpolicy"
#: Minutes, where nobody set them.
DEFAULTS = {"max_session_age": 8 * 24 * 60, "max_time_between_activity": 3 * 24 * 60}
COLUMNS = (*DEFAULTS, "created_at", "updated_at")


def policy(db: Db) -> dict[str, Any]:
    """Minutes of both limits, with times; of an organization nobody set them for, the defaults since it was founded.

    Label Studio makes the missing row when somebody looks; here looking changes nothing.
    """
    table, organization = db.table(TABLE), db.table("organization")
    row = db.first(select(*(table.c[name] for name in COLUMNS)).where(table.c.organization_id == active(db)))
    if row is not None:
        return dict(row._mapping)
    founded = db.value(select(organization.c.created_at).where(organization.c.id == active(db)))
    return DEFAULTS | {"created_at": founded, "updated_at": founded}


def change(db: Db, values: Mapping[str, int]) -> dict[str, Any]:
    """Set one limit or both; returns all of it."""
    need_member(db, active(db))
    table = db.table(TABLE)
    stamped = {**values, "updated_at": db.now}
    if not db.update(TABLE, table.c.organization_id == active(db), stamped):
        db.insert(TABLE, {**DEFAULTS, "organization_id": active(db), "created_at": db.now, **stamped})
    db.record("changed the session policy", f"organization:{active(db)}", **values)
    return policy(db)
