"""Workspaces of the enterprise edition, kept in our own store: projects put together, and who works on them.

The community edition has no table and no limits for them: everybody of the organization may see and change workspaces,
but a personal one, which is its maker's. Shapes: the official client's `workspaces`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from ..errors import Invalid, NotFound
from ..state import audit
from ..state.models import WorkspaceMemberRow, WorkspaceProjectRow, WorkspaceRow
from . import projects
from .db import Db
from .organizations import MEMBERS, active, live, need_member, owned_by

NO_WORKSPACE = "No Workspace matches the given query."
DEFAULT_COLOR = "#FFFFFF"


@dataclass(frozen=True)
class Kept:
    """Our own store beside the deployment: `db` looks at Label Studio's rows, `session` reads and changes ours."""

    db: Db
    session: Session
    deployment: str

    def record(self, action: str, subject: str, **data: Any) -> None:
        """An audit event in the same transaction as what it tells."""
        told = {**data, "via": "api"}
        audit.append(self.session, actor=self.db.caller.email, action=action, subject=subject, rows=1, data=told)


def listed(kept: Kept, *, everybodys: bool, archived: bool | None, personal: bool | None) -> list[dict[str, Any]]:
    """Workspaces of the active organization by id. `everybodys`: the founder sees other people's personal ones too."""
    statement = _visible(kept, everybodys=everybodys)
    if archived is not None:
        statement = statement.where(WorkspaceRow.is_archived.is_(archived))
    if personal is not None:
        statement = statement.where(WorkspaceRow.is_personal.is_(personal))
    return _json(kept, kept.session.scalars(statement.order_by(WorkspaceRow.id)).all())


def one(kept: Kept, workspace_id: int) -> dict[str, Any]:
    return _json(kept, [row(kept, workspace_id)])[0]


def row(kept: Kept, workspace_id: int) -> WorkspaceRow:
    """A workspace of the active organization. Raises NotFound, also for somebody else's personal one."""
    statement = _visible(kept, everybodys=True).where(WorkspaceRow.id == workspace_id)
    found = kept.session.scalars(statement).first() if workspace_id < 2**31 else None
    if found is None:
        raise NotFound(NO_WORKSPACE)
    return found


def create(kept: Kept, values: Mapping[str, Any]) -> dict[str, Any]:
    """A new workspace; who makes it is its first member. Raises Forbidden for a former member."""
    now, caller = kept.db.now, kept.db.caller
    need_member(kept.db, active(kept.db))
    made = WorkspaceRow(
        deployment=kept.deployment, organization_id=active(kept.db), title=values["title"],
        description=values.get("description"), color=values.get("color") or DEFAULT_COLOR,
        is_personal=values.get("is_personal", False), is_archived=values.get("is_archived", False),
        created_by_id=caller.id, created_at=now, updated_at=now,
    )  # fmt: skip
    kept.session.add(made)
    kept.session.flush()
    kept.session.add(WorkspaceMemberRow(workspace_id=made.id, user_id=caller.id, created_at=now))
    kept.session.flush()
    kept.record("created a workspace", f"workspace:{made.id}", title=made.title)
    return _json(kept, [made])[0]


def change(kept: Kept, workspace_id: int, values: Mapping[str, Any]) -> dict[str, Any]:
    found = row(kept, workspace_id)
    for name, value in values.items():
        setattr(found, name, value)
    found.updated_at = kept.db.now
    kept.session.flush()
    kept.record("changed a workspace", f"workspace:{workspace_id}", changed=sorted(values))
    return _json(kept, [found])[0]


def remove(kept: Kept, workspace_id: int) -> None:
    """Delete a workspace; its projects stay and are in none any more."""
    found = row(kept, workspace_id)
    kept.session.execute(delete(WorkspaceMemberRow).where(WorkspaceMemberRow.workspace_id == workspace_id))
    kept.session.execute(delete(WorkspaceProjectRow).where(WorkspaceProjectRow.workspace_id == workspace_id))
    kept.session.delete(found)
    kept.record("deleted a workspace", f"workspace:{workspace_id}", title=found.title)


# --- members


def member_ids(kept: Kept, workspace_id: int) -> list[int]:
    row(kept, workspace_id)
    statement = select(WorkspaceMemberRow.user_id).where(WorkspaceMemberRow.workspace_id == workspace_id)
    return list(kept.session.scalars(statement.order_by(WorkspaceMemberRow.id)))


def add_members(kept: Kept, workspace_id: int, user_ids: Iterable[int]) -> int:
    """Make people members; how many were none before. They have to belong to the organization."""
    there = set(member_ids(kept, workspace_id))
    fresh = [number for number in dict.fromkeys(user_ids) if number not in there]
    kept.session.add_all(
        WorkspaceMemberRow(workspace_id=workspace_id, user_id=number, created_at=kept.db.now) for number in fresh
    )
    kept.session.flush()
    if fresh:
        kept.record("added members to a workspace", f"workspace:{workspace_id}", users=fresh[:100])
    return len(fresh)


def remove_members(kept: Kept, workspace_id: int, user_ids: Sequence[int]) -> int:
    """End memberships; how many there were."""
    there = [number for number in member_ids(kept, workspace_id) if number in set(user_ids)]
    kept.session.execute(
        delete(WorkspaceMemberRow)
        .where(WorkspaceMemberRow.workspace_id == workspace_id, WorkspaceMemberRow.user_id.in_(there))
    )  # fmt: skip
    if there:
        kept.record("removed members from a workspace", f"workspace:{workspace_id}", users=there[:100])
    return len(there)


def need_people(db: Db, user_ids: Iterable[int], field: str = "user") -> list[int]:
    """These ids, all of them live members of the active organization. Raises Invalid naming the first that is none."""
    wanted = list(dict.fromkeys(user_ids))
    known = people(db)
    for number in wanted:
        if number not in known:
            raise Invalid({field: [f'Invalid pk "{number}" - object does not exist.']})
    return wanted


def people(db: Db) -> set[int]:
    """Ids of everybody who belongs to the active organization now."""
    member = db.table(MEMBERS)
    return set(db.values(select(member.c.user_id).where(member.c.organization_id == active(db), live(db))))


# --- projects


def project_ids(kept: Kept, workspace_id: int) -> list[int]:
    row(kept, workspace_id)
    statement = select(WorkspaceProjectRow.project_id).where(WorkspaceProjectRow.workspace_id == workspace_id)
    return list(kept.session.scalars(statement.order_by(WorkspaceProjectRow.project_id)))


def put_project(kept: Kept, workspace_id: int, project_id: int) -> None:
    """Put a project into a workspace; it leaves the one it was in. Raises NotFound, Forbidden."""
    row(kept, workspace_id)
    projects.own(kept.db, project_id)
    statement = select(WorkspaceProjectRow).where(
        WorkspaceProjectRow.deployment == kept.deployment, WorkspaceProjectRow.project_id == project_id
    )  # fmt: skip
    place = kept.session.scalars(statement).first()
    if place is None:
        place = WorkspaceProjectRow(deployment=kept.deployment, project_id=project_id)
        kept.session.add(place)
    place.workspace_id = workspace_id
    kept.session.flush()
    kept.record("put a project into a workspace", f"project:{project_id}", workspace=workspace_id)


def take_project(kept: Kept, workspace_id: int, project_id: int) -> None:
    """Take a project out of a workspace. Raises NotFound when it is not in it."""
    if project_id not in project_ids(kept, workspace_id):
        raise NotFound(projects.NO_PROJECT)
    kept.session.execute(
        delete(WorkspaceProjectRow)
        .where(WorkspaceProjectRow.workspace_id == workspace_id, WorkspaceProjectRow.project_id == project_id)
    )  # fmt: skip
    kept.record("took a project out of a workspace", f"project:{project_id}", workspace=workspace_id)


def _visible(kept: Kept, *, everybodys: bool) -> Any:
    """Workspaces of the active organization that the caller may see. Raises Forbidden for a former member."""
    need_member(kept.db, active(kept.db))
    statement = select(WorkspaceRow).where(
        WorkspaceRow.deployment == kept.deployment, WorkspaceRow.organization_id == active(kept.db)
    )  # fmt: skip
    if everybodys and owned_by(kept.db, kept.db.caller.id) == kept.db.caller.organization_id:
        return statement
    return statement.where(or_(~WorkspaceRow.is_personal, WorkspaceRow.created_by_id == kept.db.caller.id))


def _json(kept: Kept, rows: Sequence[WorkspaceRow]) -> list[dict[str, Any]]:
    ids = [found.id for found in rows]
    inside = select(WorkspaceProjectRow.workspace_id, WorkspaceProjectRow.project_id)
    pairs = kept.session.execute(inside.where(WorkspaceProjectRow.workspace_id.in_(ids))).all()
    table = kept.db.table("project")
    there = select(table.c.id).where(table.c.id.in_([pair.project_id for pair in pairs]), projects.reachable(kept.db))
    existing = set(kept.db.values(there)) if pairs else set()
    counts = Counter(pair.workspace_id for pair in pairs if pair.project_id in existing)
    mine = select(WorkspaceMemberRow.workspace_id).where(
        WorkspaceMemberRow.workspace_id.in_(ids), WorkspaceMemberRow.user_id == kept.db.caller.id
    )  # fmt: skip
    member_of = set(kept.session.scalars(mine))
    return [
        {
            "id": found.id, "title": found.title, "description": found.description, "color": found.color,
            "is_personal": found.is_personal, "is_archived": found.is_archived, "created_by": found.created_by_id,
            "created_at": found.created_at, "projects_count": counts[found.id],
            "membership": {"user": kept.db.caller.id, "workspace": found.id} if found.id in member_of else None,
        }
        for found in rows
    ]  # fmt: skip
