"""Roles of the enterprise edition, kept in our own store: in an organization, and in one project of it.

The community edition knows no roles: a role is kept and shown, and takes nothing away. Who founded the organization may
give roles, and whoever has the role of owner or administrator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, select

from ..errors import Forbidden, NotFound
from ..state.models import RoleRow
from .organizations import NOT_PERMITTED, active, need_member, owned_by
from .workspaces import Kept, need_people

ROLES = ("OW", "AD", "MA", "RE", "AN", "DI", "NO", "VO")
ASSIGNABLE = ROLES[:-1]
MANAGING = ("OW", "AD")


def need_manager(kept: Kept, organization_id: int) -> None:
    """Raise Forbidden unless the caller may give roles in this organization, the active one."""
    caller = kept.db.caller
    if caller.organization_id != organization_id:
        raise Forbidden(NOT_PERMITTED)
    need_member(kept.db, organization_id)
    own = roles_in(kept, organization_id, [caller.id]).get(caller.id)
    if owned_by(kept.db, caller.id) != organization_id and (own is None or own["role"] not in MANAGING):
        raise Forbidden(NOT_PERMITTED)


def roles_in(kept: Kept, organization_id: int, user_ids: Sequence[int] | None = None) -> dict[int, dict[str, Any]]:
    """Person -> role, role_source, user_type, of those who were given one."""
    statement = select(RoleRow).where(
        RoleRow.deployment == kept.deployment, RoleRow.organization_id == organization_id, RoleRow.project_id == 0
    )  # fmt: skip
    if user_ids is not None:
        statement = statement.where(RoleRow.user_id.in_(user_ids))
    return {
        row.user_id: {"role": row.role, "role_source": row.role_source, "user_type": row.user_type}
        for row in kept.session.scalars(statement)
    }


def give(kept: Kept, organization_id: int, user_id: int, *, role: str | None, user_type: str | None) -> dict[str, Any]:
    """Give a member of the active organization a role. Raises Forbidden, Invalid."""
    need_manager(kept, organization_id)
    need_people(kept.db, [user_id], "user_id")
    row = _row(kept, 0, user_id)
    if role is not None:
        row.role = role
    if user_type is not None:
        row.user_type = user_type
    kept.session.flush()
    kept.record("gave a role", f"user:{user_id}", organization=organization_id, role=row.role)
    return {"role": row.role, "role_source": row.role_source, "user_type": row.user_type}


def of_projects(kept: Kept, project_ids: Sequence[int] | None = None) -> list[dict[str, Any]]:
    """Roles in projects of the active organization, by id. Raises Forbidden for a former member."""
    need_member(kept.db, active(kept.db))
    statement = select(RoleRow).where(
        RoleRow.deployment == kept.deployment, RoleRow.organization_id == active(kept.db), RoleRow.project_id != 0
    )  # fmt: skip
    if project_ids is not None:
        statement = statement.where(RoleRow.project_id.in_(project_ids))
    return [_project_json(row) for row in kept.session.scalars(statement.order_by(RoleRow.id))]


def give_in_project(kept: Kept, project_id: int, user_id: int, role: str) -> dict[str, Any]:
    """Give somebody a role in a project of the active organization, which the caller may reach. Raises Forbidden, Invalid."""
    need_manager(kept, active(kept.db))
    need_people(kept.db, [user_id])
    row = _row(kept, project_id, user_id)
    row.role = role
    kept.session.flush()
    kept.record("gave a role in a project", f"user:{user_id}", project=project_id, role=role)
    return _project_json(row)


def take_in_project(kept: Kept, role_id: int) -> None:
    """Take a role in a project away. Raises Forbidden, NotFound."""
    need_manager(kept, active(kept.db))
    found = [row for row in of_projects(kept) if row["id"] == role_id]
    if not found:
        raise NotFound("No ProjectRole matches the given query.")
    kept.session.execute(delete(RoleRow).where(RoleRow.id == role_id))
    kept.record("took a role in a project", f"user:{found[0]['user']}", project=found[0]["project"])


def _row(kept: Kept, project_id: int, user_id: int) -> RoleRow:
    """The row of a role, made when it is new."""
    organization_id = active(kept.db)
    statement = select(RoleRow).where(
        RoleRow.deployment == kept.deployment, RoleRow.organization_id == organization_id,
        RoleRow.project_id == project_id, RoleRow.user_id == user_id,
    )  # fmt: skip
    row = kept.session.scalars(statement).first()
    if row is None:
        row = RoleRow(
            deployment=kept.deployment, organization_id=organization_id, project_id=project_id, user_id=user_id,
            role="NO", role_source="api",
        )  # fmt: skip
        kept.session.add(row)
    row.by, row.at, row.role_source = kept.db.caller.email, kept.db.now, "api"
    return row


def _project_json(row: RoleRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "project": row.project_id,
        "user": row.user_id,
        "role": row.role,
        "role_source": row.role_source,
    }
