"""Members of a project, as the enterprise edition has them."""

from __future__ import annotations

from typing import Any

from ..labeling import members_projects, members_roles, workspaces
from .fields import Id, Many, Paged, Shape
from .request import read, writing
from .routes import Resource, answer, nothing
from .users import USER
from .workspaces import NUMBERS, PAGE, SELECTION, named, page_of_people, people_json, selected
from .workspaces_store import looking

api = Resource(
    "Project members", "Who works on a project. Kept and shown; in the community edition everybody may work on all."
)

MEMBER = Shape("ProjectMember", user=Id(required=True))


@api.get("/api/projects/<ID:project_id>/members/", answers={200: Many(USER)})
def listed(project_id: int) -> Any:
    """List project members."""
    with looking() as kept:
        return answer(people_json(kept.db, members_projects.member_ids(kept.db, project_id)))


@api.post("/api/projects/<ID:project_id>/members/", body=MEMBER, answers={201: MEMBER})
def add(project_id: int) -> Any:
    """Add project member. Somebody of the organization."""
    user_id = read(MEMBER)["user"]
    with writing() as db:
        members_projects.add(db, project_id, workspaces.need_people(db, [user_id]))
    return answer({"user": user_id}, 201)


@api.delete("/api/projects/<ID:project_id>/members/", body=MEMBER, answers={204: None})
def remove(project_id: int) -> Any:
    """Remove project member. Named by `user` in the query or the body."""
    user_id = named("user", "user_id")
    with writing() as db:
        members_projects.remove(db, project_id, [user_id])
    return nothing()


@api.post("/api/projects/<ID:project_id>/members/bulk/", body=SELECTION, answers={200: NUMBERS})
def add_many(project_id: int) -> Any:
    """Assign many project members. `{"assignments": how many were none before}`."""
    with writing() as db:
        chosen = workspaces.need_people(db, selected(workspaces.people(db)), "included")
        return answer({"assignments": members_projects.add(db, project_id, chosen), "skipped_user_ids": []})


@api.delete("/api/projects/<ID:project_id>/members/bulk/", body=SELECTION, answers={200: NUMBERS})
def remove_many(project_id: int) -> Any:
    """Unassign many project members. `{"unassignments": how many there were}`."""
    with writing() as db:
        chosen = selected(members_projects.member_ids(db, project_id))
        return answer({"unassignments": members_projects.remove(db, project_id, chosen)})


@api.get("/api/projects/<ID:project_id>/members/paginated/", query=PAGE, answers={200: Paged(USER)})
def listed_by_page(project_id: int) -> Any:
    """List project members by page. With the role that somebody has in the project."""
    with looking() as kept:
        page = page_of_people(kept.db, members_projects.member_ids(kept.db, project_id))
        roles = {role["user"]: role for role in members_roles.of_projects(kept, [project_id])}
    for person in page["results"]:
        role = roles.get(person["id"], {"role": None, "role_source": None})
        person |= {"project_role": role["role"], "project_role_source": role["role_source"], "implicit_member": False}
    return answer(page)
