"""Members of an organization."""

from __future__ import annotations

from typing import Any

from ..labeling import members, members_roles
from .fields import Flag, Integer, Moment, Paged, Shape
from .organizations import FIELDS, picked
from .paging import paged, window
from .request import flag, page_number, page_size, reading, request, writing
from .routes import Resource, answer, nothing
from .users import user_json
from .workspaces_store import looking

api = Resource("Organization members", "Who belongs to an organization, and what they work on.")

PAGE_SIZE, EVERYTHING = 20, 1_000_000
LIST = Shape(
    "MemberListQuery", "",
    page=Integer(least=1), page_size=Integer(least=-1, about="20 unless given; -1 is everybody"),
    contributed_to_projects=Flag(about="show the projects people made and worked in"),
    active=Flag(about="accepted, and without effect, as in Label Studio"), **FIELDS.fields,
)  # fmt: skip
MEMBER = Shape("Member", id=Integer(), organization=Integer())
MEMBER_WORK = Shape(
    "MemberWork", user=Integer(), organization=Integer(), contributed_projects_count=Integer(),
    annotations_count=Integer(), created_at=Moment(),
)  # fmt: skip


def with_projects() -> bool:
    """Whether projects are wanted. Raises Invalid for a word that is neither yes nor no."""
    return flag("contributed_to_projects", default=False)


@api.get("/api/organizations/<ID:organization_id>/memberships", query=LIST, answers={200: Paged(MEMBER)})
def listed(organization_id: int) -> Any:
    """Get organization members list. By user name, former members included.

    Whoever was given a role here has `role`, `role_source` and `user_type` beside what Label Studio tells.
    """
    projects = with_projects()
    size = EVERYTHING if request.args.get("page_size") == "-1" else page_size(PAGE_SIZE)
    number = page_number()
    with reading() as db:
        total = members.count(db, organization_id)
        limit, offset = window(total, number, size)
        rows = members.page(db, organization_id, limit=limit, offset=offset, with_projects=projects)
    with looking() as kept:
        roles = members_roles.roles_in(kept, organization_id, [row["user"]["id"] for row in rows])
    results = [picked(row | {"user": user_json(row["user"])} | roles.get(row["user"]["id"], {})) for row in rows]
    return answer(paged(results, total=total, number=number, size=size))


@api.get("/api/organizations/<ID:organization_id>/memberships/<ID:user_id>/", answers={200: MEMBER_WORK})
def retrieve(organization_id: int, user_id: int) -> Any:
    """Get organization member details. With counts of what this person annotated."""
    projects = with_projects()
    with reading() as db:
        return answer(picked(members.one(db, organization_id, user_id, with_projects=projects)))


@api.delete("/api/organizations/<ID:organization_id>/memberships/<ID:user_id>/", answers={204: None, 403: {}, 405: {}})
def remove(organization_id: int, user_id: int) -> Any:
    """Soft delete an organization member. For the founder of an organization; nobody removes themselves."""
    try:
        with writing() as db:
            members.remove(db, organization_id, user_id)
    except members.Myself as error:
        return answer({"detail": str(error)}, 405, {"Allow": "DELETE, GET, HEAD"})
    return nothing()
