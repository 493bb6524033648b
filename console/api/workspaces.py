"""Workspaces: projects put together, with people. A part of the enterprise edition, kept in the console's own store."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from ..errors import Invalid
from ..labeling import projects, users, workspaces
from ..labeling.db import Db
from .fields import REQUIRED, Char, Flag, Id, Integer, Many, Paged, Several, Shape, Wrong
from .paging import paged, window
from .projects import PROJECT, project_json
from .request import data, page_number, page_size, query, read, request
from .routes import Resource, answer, nothing
from .users import USER, user_json
from .workspaces_store import keeping, looking

api = Resource(
    "Workspaces", "Projects put together, and who works on them. Known to this console alone in the community edition."
)

WORKSPACE = Shape(
    "Workspace", id=Integer(read_only=True), title=Char(required=True, most=1000), description=Char(null=True, blank=True),
    color=Char(null=True, blank=True, most=16), is_personal=Flag(), is_archived=Flag(),
    created_by=Integer(read_only=True), projects_count=Integer(read_only=True),
)  # fmt: skip
LIST = Shape(
    "WorkspaceListQuery", include_all_workspaces=Flag(about="the founder sees other people's personal ones"),
    is_archived=Flag(), is_personal=Flag(), ordering=Char(),
)  # fmt: skip
MEMBER = Shape(
    "WorkspaceMember", user=Id(required=True), workspace=Integer(null=True, about="passed over: the path names it")
)
LISTED_MEMBER = Shape("WorkspaceMemberListed", workspace=Integer())
SELECTION = Shape("People", all=Flag(), included=Several(of=Id()), excluded=Several(of=Id()))
PLACED = Shape("WorkspaceProject", project=Id(required=True))
PAGE = Shape("PeoplePageQuery", page=Integer(least=1), page_size=Integer(), ids=Char(), search=Char())
NUMBERS = {"type": "object"}


@api.get("/api/workspaces/", query=LIST, answers={200: Many(WORKSPACE)})
def listed() -> Any:
    """List workspaces."""
    wanted = query(LIST)
    with looking() as kept:
        return answer(workspaces.listed(
            kept, everybodys=wanted.get("include_all_workspaces", False), archived=wanted.get("is_archived"),
            personal=wanted.get("is_personal"),
        ))  # fmt: skip


@api.post("/api/workspaces/", body=WORKSPACE, answers={201: WORKSPACE})
def create() -> Any:
    """Create workspace. Who makes it is its first member."""
    values = read(WORKSPACE)
    with keeping() as kept:
        return answer(workspaces.create(kept, values), 201)


@api.get("/api/workspaces/<ID:workspace_id>/", answers={200: WORKSPACE})
def retrieve(workspace_id: int) -> Any:
    """Get workspace."""
    with looking() as kept:
        return answer(workspaces.one(kept, workspace_id))


@api.patch("/api/workspaces/<ID:workspace_id>/", body=WORKSPACE, answers={200: WORKSPACE})
def change(workspace_id: int) -> Any:
    """Update workspace."""
    values = read(WORKSPACE, partial=True)
    with keeping() as kept:
        return answer(workspaces.change(kept, workspace_id, values))


@api.delete("/api/workspaces/<ID:workspace_id>/", answers={204: None})
def remove(workspace_id: int) -> Any:
    """Delete workspace. Its projects stay."""
    with keeping() as kept:
        workspaces.remove(kept, workspace_id)
    return nothing()


@api.get("/api/workspaces/<ID:workspace_id>/memberships/", answers={200: Many(LISTED_MEMBER)})
def members(workspace_id: int) -> Any:
    """List workspace members."""
    with looking() as kept:
        people = people_json(kept.db, workspaces.member_ids(kept, workspace_id))
    return answer([{"user": person, "workspace": workspace_id} for person in people])


@api.post("/api/workspaces/<ID:workspace_id>/memberships/", body=MEMBER, answers={201: MEMBER})
def add_member(workspace_id: int) -> Any:
    """Add a member to workspace. Somebody of the organization; the workspace is the one of the path."""
    user_id = read(MEMBER)["user"]
    with keeping() as kept:
        workspaces.add_members(kept, workspace_id, workspaces.need_people(kept.db, [user_id]))
    return answer({"user": user_id, "workspace": workspace_id}, 201)


@api.delete("/api/workspaces/<ID:workspace_id>/memberships/", answers={204: None})
def remove_member(workspace_id: int) -> Any:
    """Remove member from workspace. Named by `user_id` in the query or the body."""
    user_id = named("user_id", "user")
    with keeping() as kept:
        if not workspaces.remove_members(kept, workspace_id, [user_id]):
            raise Invalid({"user_id": ["This person is not a member of the workspace."]})
    return nothing()


@api.post("/api/workspaces/<ID:workspace_id>/memberships/bulk/", body=SELECTION, answers={200: NUMBERS})
def add_members(workspace_id: int) -> Any:
    """Add many members to workspace. `{"assignments": how many were none before}`."""
    with keeping() as kept:
        chosen = selected(workspaces.people(kept.db))
        added = workspaces.add_members(kept, workspace_id, workspaces.need_people(kept.db, chosen, "included"))
    return answer({"assignments": added})


@api.delete("/api/workspaces/<ID:workspace_id>/memberships/bulk/", body=SELECTION, answers={200: NUMBERS})
def remove_members(workspace_id: int) -> Any:
    """Remove many members from workspace. `{"unassignments": how many there were}`."""
    with keeping() as kept:
        chosen = selected(workspaces.member_ids(kept, workspace_id))
        return answer({"unassignments": workspaces.remove_members(kept, workspace_id, chosen)})


@api.get("/api/workspaces/<ID:workspace_id>/memberships/paginated/", query=PAGE, answers={200: Paged(USER)})
def members_by_page(workspace_id: int) -> Any:
    """List workspace members by page."""
    with looking() as kept:
        return answer(page_of_people(kept.db, workspaces.member_ids(kept, workspace_id)))


@api.get("/api/workspaces/<ID:workspace_id>/projects/", answers={200: Many(PROJECT)})
def projects_inside(workspace_id: int) -> Any:
    """List projects of a workspace."""
    with looking() as kept:
        ids = workspaces.project_ids(kept, workspace_id)
        found = projects.page(kept.db, projects.Wanted(ids), limit=len(ids), offset=0) if ids else []
    return answer([project_json(project, PROJECT.fields) | {"workspace": workspace_id} for project in found])


@api.post("/api/workspaces/<ID:workspace_id>/projects/", body=PLACED, answers={201: PLACED})
def add_project(workspace_id: int) -> Any:
    """Add project to a workspace. It leaves the one it was in."""
    project_id = read(PLACED)["project"]
    with keeping() as kept:
        workspaces.put_project(kept, workspace_id, project_id)
    return answer({"project": project_id, "workspace": workspace_id}, 201)


@api.delete("/api/workspaces/<ID:workspace_id>/projects/", body=PLACED, answers={204: None})
def remove_project(workspace_id: int) -> Any:
    """Remove project from a workspace. The project stays."""
    with keeping() as kept:
        workspaces.take_project(kept, workspace_id, named("project"))
    return nothing()


# --- people, as several resources take and show them


def people_json(db: Db, ids: Sequence[int]) -> list[dict[str, Any]]:
    """These people in this order; accounts that are gone meanwhile are left out."""
    table = db.table("htx_user")
    found = {person["id"]: user_json(person) for person in users.shown(db, table.c.id.in_(ids))} if ids else {}
    return [found[number] for number in ids if number in found]


def page_of_people(db: Db, ids: Sequence[int]) -> dict[str, Any]:
    """One page of these people, narrowed by `ids` and `search` of the query."""
    wanted = numbers(request.args.getlist("ids"))
    people = people_json(db, [number for number in ids if not wanted or number in wanted])
    text = request.args.get("search", "").lower()
    people = [p for p in people if text in f"{p['email']} {p['first_name']} {p['last_name']} {p['username']}".lower()]
    number, size = page_number(), page_size(30, 1000)
    limit, offset = window(len(people), number, size)
    return paged(people[offset : offset + limit], total=len(people), number=number, size=size)


def selected(everybody: Collection[int]) -> list[int]:
    """The people that a body, or the query, selects of everybody: `all` but `excluded`, or `included`. Raises Invalid."""
    body = data()
    if not body:
        lists = {name: numbers(request.args.getlist(name)) for name in ("included", "ids", "excluded")}
        body = {"all": request.args.get("all", "false"), "excluded": lists["excluded"],
                "included": lists["included"] + lists["ids"]}  # fmt: skip
    values = SELECTION.read(body)
    if values.get("all"):
        return [number for number in everybody if number not in set(values.get("excluded", []))]
    return list(values.get("included", []))


def named(*names: str) -> int:
    """An id that the query or the body names. Raises Invalid."""
    body = data()
    given = next((request.args[name] for name in names if name in request.args), None)
    if given is None and isinstance(body, dict):
        given = next((body[name] for name in names if name in body), None)
    try:
        if given is None:
            raise Wrong(REQUIRED)
        return Id().parse(given)
    except Wrong as wrong:
        raise Invalid({names[0]: wrong.messages}) from None


def numbers(texts: Sequence[str]) -> list[int]:
    """Ids out of repeated or comma-separated parameters; what is no id is passed over."""
    parts = [part.strip() for text in texts for part in text.split(",")]
    return [int(part) for part in parts if part.isascii() and part.isdigit() and len(part) < 10]
