"""Members of an organization: listed with their projects, removed softly. Source: `organizations/api.py`, `models.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, func, select

from ..errors import Forbidden, NotFound
from . import users
from .db import Db
from .organizations import MEMBERS, NO_ORGANIZATION, NOT_PERMITTED, live, need_member, owned_by

NO_MEMBER = "No OrganizationMember matches the given query."
MOST_PROJECTS = 100
Projects = dict[int, list[dict[str, Any]]]


class Myself(Forbidden):
    """Nobody removes themselves."""

    status = 405


def count(db: Db, organization_id: int) -> int:
    """How many memberships there are, ended ones included. Raises NotFound unless the caller has, or had, one."""
    members = db.table(MEMBERS)
    own = select(members.c.id).where(
        members.c.organization_id == organization_id, members.c.user_id == db.caller.id
    ).exists()  # fmt: skip
    total = db.value(select(func.count()).select_from(members).where(members.c.organization_id == organization_id, own))
    if not total:
        raise NotFound(NO_ORGANIZATION)
    return int(total)


def page(db: Db, organization_id: int, *, limit: int, offset: int, with_projects: bool) -> list[dict[str, Any]]:
    """Members by user name: id, organization, user and, when wanted, the projects they made and worked in."""
    members, user = db.table(MEMBERS), db.table("htx_user")
    rows = db.rows(
        select(members.c.id, members.c.user_id).join(user, user.c.id == members.c.user_id)
        .where(members.c.organization_id == organization_id)
        .order_by(user.c.username, members.c.id).limit(limit).offset(offset)
    )  # fmt: skip
    ids = [row.user_id for row in rows]
    people = {person["id"]: person for person in users.shown(db, user.c.id.in_(ids))} if ids else {}
    made: Projects = {}
    worked: Projects = {}
    if with_projects:
        made, worked = created_projects(db, ids), contributed_projects(db, ids)
    found = []
    for row in rows:
        projects = {
            "created_projects": made.get(row.user_id, []) if with_projects else None,
            "contributed_to_projects": worked.get(row.user_id, []) if with_projects else None,
        }
        user_json = people[row.user_id] | projects
        found.append({"id": row.id, "organization": organization_id, "user": user_json, **projects})
    return found


def created_projects(db: Db, user_ids: Sequence[int], organization_id: int | None = None) -> Projects:
    """id and title of the projects these people made in an organization, the active one by default."""
    project = db.table("project")
    rows = db.rows(
        select(project.c.created_by_id, project.c.id, project.c.title)
        .where(project.c.created_by_id.in_(user_ids))
        .where(project.c.organization_id == (organization_id or db.caller.organization_id)).order_by(project.c.id)
    )  # fmt: skip
    found: Projects = {}
    for row in rows:
        found.setdefault(row.created_by_id, []).append({"id": row.id, "title": row.title})
    return found


def contributed_projects(db: Db, user_ids: Sequence[int], organization_id: int | None = None) -> Projects:
    """id and title of the projects these people annotated in."""
    project = db.table("project")
    work = _work(db)
    pairs = (
        select(work.c.completed_by_id, work.c.project_id)
        .where(work.c.completed_by_id.in_(user_ids))
        .distinct()
        .subquery()
    )
    rows = db.rows(
        select(pairs.c.completed_by_id, project.c.id, project.c.title).join(pairs, pairs.c.project_id == project.c.id)
        .where(project.c.organization_id == (organization_id or db.caller.organization_id)).order_by(project.c.id)
    )  # fmt: skip
    found: Projects = {}
    for row in rows:
        found.setdefault(row.completed_by_id, []).append({"id": row.id, "title": row.title})
    return found


def one(db: Db, organization_id: int, user_id: int, *, with_projects: bool) -> dict[str, Any]:
    """A member with what they did. Raises NotFound; Forbidden outside the active organization."""
    _need_organization(db, organization_id)
    members = db.table(MEMBERS)
    row = db.first(
        select(members.c.user_id, members.c.created_at)
        .where(members.c.organization_id == organization_id, members.c.user_id == user_id).order_by(members.c.id)
    )  # fmt: skip
    if row is None:
        raise NotFound(NO_MEMBER)
    if db.caller.organization_id != organization_id:
        raise Forbidden(NOT_PERMITTED)
    work, project = _work(db), db.table("project")
    done = db.first(
        select(func.count().label("annotations"), func.count(work.c.project_id.distinct()).label("projects"))
        .select_from(work.join(project, project.c.id == work.c.project_id))
        .where(work.c.completed_by_id == user_id, project.c.organization_id == organization_id)
    )  # fmt: skip
    made = created_projects(db, [user_id], organization_id).get(user_id, []) if with_projects else None
    worked = contributed_projects(db, [user_id], organization_id).get(user_id, []) if with_projects else None
    return {
        "user": user_id, "organization": organization_id,
        "contributed_projects_count": done.projects if done else 0, "annotations_count": done.annotations if done else 0,
        "created_at": row.created_at,
        "created_projects": made[:MOST_PROJECTS] if made is not None else None,
        "contributed_to_projects": worked[:MOST_PROJECTS] if worked is not None else None,
    }  # fmt: skip


def remove(db: Db, organization_id: int, user_id: int) -> str:
    """End somebody's membership softly; the stored path of a picture that may go with it.

    What is left behind is what Label Studio leaves: the account stays and works in its next organization, its picture
    and its task locks go. Raises NotFound, Forbidden, Myself.
    """
    founded = owned_by(db, db.caller.id)
    _need_organization(db, organization_id)
    if founded is None:
        raise Forbidden(NOT_PERMITTED)
    if organization_id != db.caller.organization_id:
        raise Forbidden("You can delete members only for your current active organization")
    members, user = db.table(MEMBERS), db.table("htx_user")
    avatar = db.first(select(user.c.id, user.c.avatar).where(user.c.id == user_id))
    if avatar is None:
        raise NotFound(users.NOT_FOUND)
    membership = and_(members.c.organization_id == organization_id, members.c.user_id == user_id)
    row = db.first(select(members.c.id, *db.columns(MEMBERS, "deleted_at")).where(membership).order_by(members.c.id))
    if row is None:
        raise NotFound(NO_MEMBER)
    if getattr(row, "deleted_at", None) is not None:
        raise NotFound("Member not found")
    if user_id == db.caller.id:
        raise Myself("User cannot soft delete self")
    if db.has(MEMBERS, "deleted_at"):
        db.update(MEMBERS, members.c.id == row.id, {"deleted_at": db.now})
    else:
        db.delete(MEMBERS, members.c.id == row.id)
    following = db.value(
        select(members.c.organization_id).where(members.c.user_id == user_id, live(db)).order_by(members.c.id).limit(1)
    )
    db.update("htx_user", user.c.id == user_id, {"active_organization_id": following, "avatar": ""})
    locks = db.table("tasks_tasklock")
    db.delete("tasks_tasklock", locks.c.user_id == user_id)
    db.record("removed a member", f"user:{user_id}", organization=organization_id)
    return str(avatar.avatar or "")


def _need_organization(db: Db, organization_id: int) -> None:
    table = db.table("organization")
    if db.value(select(table.c.id).where(table.c.id == organization_id)) is None:
        raise NotFound(NO_ORGANIZATION)
    need_member(db, organization_id)


def _work(db: Db) -> Any:
    """Who annotated in which project; old releases know an annotation's project through its task alone."""
    annotations, task = db.table("task_completion"), db.table("task")
    if "project_id" in annotations.c:
        return select(annotations.c.completed_by_id, annotations.c.project_id).subquery()
    joined = annotations.join(task, task.c.id == annotations.c.task_id)
    return select(annotations.c.completed_by_id, task.c.project_id).select_from(joined).subquery()
