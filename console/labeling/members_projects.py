"""Members of a project: rows of `projects_projectmember`, which the community edition has and leaves empty."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from . import projects
from .db import Db

TABLE = "projects_projectmember"


def member_ids(db: Db, project_id: int) -> list[int]:
    """Who is a member, in the order they came. Raises NotFound, Forbidden."""
    projects.own(db, project_id)
    table = db.table(TABLE)
    return db.values(
        select(table.c.user_id).where(table.c.project_id == project_id, table.c.enabled).order_by(table.c.id)
    )


def add(db: Db, project_id: int, user_ids: Sequence[int]) -> int:
    """Make people of the organization members; how many were none before. Raises NotFound, Forbidden."""
    there = set(member_ids(db, project_id))
    fresh = [number for number in dict.fromkeys(user_ids) if number not in there]
    table = db.table(TABLE)
    for number in fresh:
        switched_off = (table.c.project_id == project_id) & (table.c.user_id == number)
        if not db.update(TABLE, switched_off, {"enabled": True, "updated_at": db.now}):
            db.insert(TABLE, {"project_id": project_id, "user_id": number, "enabled": True,
                              "created_at": db.now, "updated_at": db.now})  # fmt: skip
    if fresh:
        db.record("added members to a project", f"project:{project_id}", rows=len(fresh), users=fresh[:100])
    return len(fresh)


def remove(db: Db, project_id: int, user_ids: Sequence[int]) -> int:
    """End memberships; how many there were. Raises NotFound, Forbidden."""
    wanted = set(user_ids)
    there = [number for number in member_ids(db, project_id) if number in wanted]
    table = db.table(TABLE)
    db.delete(TABLE, (table.c.project_id == project_id) & table.c.user_id.in_(there))
    if there:
        db.record("removed members from a project", f"project:{project_id}", rows=len(there), users=there[:100])
    return len(there)
