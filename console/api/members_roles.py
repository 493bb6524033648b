"""Roles in organizations and projects, as the enterprise edition has them. They are kept and shown, and limit nobody."""

from __future__ import annotations

from typing import Any

from ..errors import Forbidden
from ..labeling import members_roles, organizations, projects, users
from .fields import Char, Choice, Id, Integer, Many, Shape
from .members import MEMBER
from .request import query, read, request
from .routes import Resource, answer, nothing
from .users import user_json
from .workspaces import numbers
from .workspaces_store import keeping, looking

api = Resource(
    "Roles", "OW owner, AD administrator, MA manager, RE reviewer, AN annotator, NO not activated, DI deactivated."
)

GIVEN = Shape(
    "MemberRole", user_id=Id(required=True), role=Choice(of=members_roles.ASSIGNABLE), user_type=Char(null=True, most=60)
)  # fmt: skip
ROLE = Shape(
    "ProjectRole", id=Integer(read_only=True), project=Id(required=True), user=Id(required=True),
    role=Choice(required=True, of=members_roles.ASSIGNABLE), role_source=Char(read_only=True),
)  # fmt: skip
LIST = Shape("ProjectRoleQuery", project=Char(about="ids, comma-separated"), id=Char(), ordering=Char())


@api.patch("/api/organizations/<ID:organization_id>/memberships", "/api/organization/<ID:organization_id>/memberships",
           body=GIVEN, answers={200: MEMBER, 403: {}})  # fmt: skip
def give(organization_id: int) -> Any:
    """Update organization member role. For the founder, owners and administrators."""
    values = read(GIVEN)
    with keeping() as kept:
        organizations.need_member(kept.db, organization_id)
        if organization_id != kept.db.caller.organization_id:
            raise Forbidden("Roles can be given in the active organization alone.")
        role = members_roles.give(
            kept, organization_id, values["user_id"], role=values.get("role"), user_type=values.get("user_type")
        )
        table = kept.db.table("htx_user")
        [person] = users.shown(kept.db, table.c.id == values["user_id"])
        member = organizations.membership_id(kept.db, values["user_id"], organization_id)
    return answer({"id": member, "organization": organization_id, "user": user_json(person), **role})


@api.get("/api/projects/roles/", query=LIST, answers={200: Many(ROLE)})
def listed() -> Any:
    """List roles in projects."""
    query(LIST)
    wanted = numbers(request.args.getlist("project")) if "project" in request.args else None
    chosen = numbers(request.args.getlist("id"))
    with looking() as kept:
        found = members_roles.of_projects(kept, wanted)
    return answer([role for role in found if not chosen or role["id"] in chosen])


@api.post("/api/projects/roles/", body=ROLE, answers={201: ROLE, 403: {}})
def add() -> Any:
    """Add project role. What somebody is in this project, whatever they are in the organization."""
    values = read(ROLE)
    with keeping() as kept:
        projects.own(kept.db, values["project"])
        return answer(members_roles.give_in_project(kept, values["project"], values["user"], values["role"]), 201)


@api.delete("/api/projects/roles/<ID:role_id>/", answers={204: None, 403: {}})
def remove(role_id: int) -> Any:
    """Remove project role."""
    with keeping() as kept:
        members_roles.take_in_project(kept, role_id)
    return nothing()


@api.get("/api/projects/<ID:project_id>/roles", answers={200: Many(ROLE)})
def of_project(project_id: int) -> Any:
    """Get roles of a project."""
    with looking() as kept:
        projects.own(kept.db, project_id)
        return answer(members_roles.of_projects(kept, [project_id]))
