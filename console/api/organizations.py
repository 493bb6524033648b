"""Organizations: whose data the caller may reach."""

from __future__ import annotations

from typing import Any

from ..errors import Forbidden
from ..labeling import organizations
from .fields import Char, Email, Integer, Many, Moment, Several, Shape
from .request import query, read, reading, request, writing
from .routes import Resource, answer

api = Resource("Organizations", "People and projects belong to an organization; most deployments have one.")

FIELDS = Shape(
    "OrganizationQuery",
    fields=Char(about="names of the fields to answer with, comma-separated"),
    omit=Char(about="names of fields to leave out"),
    ordering=Char(about="accepted, and without effect, as in Label Studio"),
)
SUMMARY = Shape("OrganizationSummary", id=Integer(), title=Char(), contact_info=Char(null=True), created_at=Moment())
CHANGES = Shape(
    "OrganizationChanges",
    title=Char(required=True, most=1000),
    token=Char(null=True, blank=True, most=256, about="what an invitation link carries"),
    contact_info=Email(null=True, blank=True),
)
ORGANIZATION = Shape(
    "Organization", id=Integer(), title=Char(), token=Char(null=True), created_at=Moment(), updated_at=Moment(),
    contact_info=Char(null=True), created_by=Integer(null=True, about="the founder, who alone may remove people"),
    users=Several(of=Integer(), about="ids, former members included"),
)  # fmt: skip


def picked(values: dict[str, Any]) -> dict[str, Any]:
    """The fields that `?fields=` names, without those that `?omit=` names."""
    wanted, omitted = request.args.get("fields"), request.args.get("omit")
    if wanted is not None:
        values = {name: value for name, value in values.items() if name in wanted.split(",")}
    if omitted is not None:
        values = {name: value for name, value in values.items() if name not in omitted.split(",")}
    return values


@api.get("/api/organizations/", query=FIELDS, answers={200: Many(SUMMARY)})
def mine() -> Any:
    """List your organizations. Those the caller belongs to now."""
    query(FIELDS)
    with reading() as db:
        return answer([picked(found) for found in organizations.mine(db)])


@api.post("/api/organizations/", answers={403: {}})
def create() -> Any:
    """Refused: an organization is founded by the first sign-up."""
    raise Forbidden("Creating organizations over the API is disabled on this instance")


@api.get("/api/organizations/<ID:organization_id>", "/api/organization/<ID:organization_id>",
         query=FIELDS, answers={200: ORGANIZATION})  # fmt: skip
def retrieve(organization_id: int) -> Any:
    """Get organization settings."""
    with reading() as db:
        return answer(picked(organizations.one(db, organization_id)))


@api.patch("/api/organizations/<ID:organization_id>", "/api/organization/<ID:organization_id>",
           body=CHANGES, answers={200: ORGANIZATION})  # fmt: skip
def change(organization_id: int) -> Any:
    """Update organization settings. `created_by` and `users` are passed over."""
    values = read(CHANGES, partial=True)
    with writing() as db:
        return answer(picked(organizations.change(db, organization_id, values)))


@api.put("/api/organizations/<ID:organization_id>", "/api/organization/<ID:organization_id>",
         body=CHANGES, answers={200: ORGANIZATION})  # fmt: skip
def replace(organization_id: int) -> Any:
    """Replace organization settings."""
    values = read(CHANGES)
    with writing() as db:
        return answer(picked(organizations.change(db, organization_id, values)))


@api.get("/api/organization/", query=FIELDS, answers={200: ORGANIZATION}, deprecated=True)
def retrieve_active() -> Any:
    """The active organization, under its older address."""
    with reading() as db:
        return answer(picked(organizations.one(db, organizations.active(db))))


@api.patch("/api/organization/", body=CHANGES, answers={200: ORGANIZATION}, deprecated=True)
def change_active() -> Any:
    """Change the active organization, under its older address. A new title is what older guides change."""
    values = read(CHANGES, partial=True)
    with writing() as db:
        return answer(picked(organizations.change(db, organizations.active(db), values)))
