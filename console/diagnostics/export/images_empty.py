"""The zip of a snapshot comes without its images, because the converter may not fetch them.

For formats with media in them the converter fetches every file that only Label Studio can hand out (uploads, local
files, `s3://`, `gs://` and `azure-blob://` addresses) from Label Studio itself, over HTTP, with the legacy token of the
person who made the organization. That fails, file by file and without a word on the page, when

- the organization does not accept legacy tokens (the default for new ones from 1.18 on),
- that person is no longer active, or has no such token; without one the whole conversion fails,
- Label Studio does not know its own address: set `LABEL_STUDIO_HOST` to what a browser uses, reachable from the worker
  too. Newer releases skip such media when neither that nor `ALLOWED_HOSTS` tells it,
- `CONVERTER_DOWNLOAD_RESOURCES` is off.

The first two are looked at here, for organizations with projects whose images only Label Studio can hand out; the
others are in Label Studio's environment. Files with public `https://` addresses are fetched without a token.

What to do: switch legacy tokens on for the organization (Organization → Access Token Settings), give it an active owner,
set the address; then convert again: delete the conversion that came empty first.

Source: `convert_file` and `get_export_hostname` of Label Studio's data_export app, `get_local_path` of its SDK,
`jwt_auth_jwtsettings.legacy_api_tokens_enabled`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Text, cast, func, or_, select

from ...deployment.models import Organization, Project, Task, Token, User
from ...errors import NotApplicable
from .. import Context, Finding, Severity, check
from ..project_scope import in_scope
from ..waiting_rows import CONVERSION, SNAPSHOT, need

#: Newest tasks of a project that are looked at.
LOOKED_AT = 20
#: How addresses begin that only Label Studio can turn into a file.
OURS = ('"/data/upload/', '"/data/local-files', '"s3://', '"gs://', '"azure-blob://')
JWT = "jwt_auth_jwtsettings"


@check(
    title="The converter may fetch the images of every project",
    severity=Severity.INFO,
    scopes=["project"],
    impact="Zips of YOLO, COCO and VOC come without images",
)
def images_empty(ctx: Context) -> Iterator[Finding]:
    """One finding per organization. Rows: project, and how many times it was converted to a format with files."""
    need(ctx, SNAPSHOT)
    ctx.schema.need(Token.key, Organization.created_by_id)
    barred = {row["organization"]: row for row in _owners(ctx) if row["why"]}
    if not barred:
        return
    projects = [row for row in _image_projects(ctx, sorted(barred)) if _only_ours(ctx, row["project"])]
    if not projects and ctx.scope.project_id is not None:
        raise NotApplicable("Label Studio need not hand out the images of this project.")
    tried = _conversions(ctx)
    for organization_id, owner in sorted(barred.items()):
        rows = [
            {"project": row["project"], "title": row["title"], "conversions": tried.get(row["project"], 0)}
            for row in projects if row["organization"] == organization_id
        ]  # fmt: skip
        if not rows:
            continue
        number = f"{len(rows):,} {'project' if len(rows) == 1 else 'projects'}"
        yield Finding(
            subject=f"organization:{organization_id}", name=owner["title"] or "",
            summary=f"Images of {number} cannot be fetched for an export: {owner['why']}", cause=owner["advice"],
            severity=Severity.WARNING if any(row["conversions"] for row in rows) else Severity.INFO,
            evidence=ctx.evidence("organization, htx_user, authtoken_token; newest tasks of its image projects", rows),
        )  # fmt: skip


def _owners(ctx: Context) -> list[dict[str, Any]]:
    """Every organization with what bars its owner's token; `why` is empty when nothing does."""
    refused: set[int] = set()
    statement = (
        select(Organization.id, Organization.title, User.email, User.is_active, Token.key.is_not(None).label("has_token"))
        .outerjoin(User, User.id == Organization.created_by_id).outerjoin(Token, Token.user_id == User.id)
    )  # fmt: skip
    with ctx.transaction() as session:
        found = session.execute(statement).all()
        if "legacy_api_tokens_enabled" in ctx.schema.columns.get(JWT, {}):
            jwt = ctx.schema.table(JWT)
            off = select(jwt.c.organization_id).where(jwt.c.legacy_api_tokens_enabled.is_(False))
            refused = set(session.scalars(off))
    return [
        {"organization": row.id, "title": row.title} | _why(row, refused=row.id in refused) for row in found
    ]  # fmt: skip


def _why(row: Any, *, refused: bool) -> dict[str, str]:
    if row.email is None:
        return {"why": "the organization has no owner", "advice": "Give it an owner (organization.created_by_id)."}
    if not row.has_token:
        told = f"its owner {row.email} has no legacy token"
        return {
            "why": told,
            "advice": "Without one every conversion fails. The owner makes one by opening Account & Settings.",
        }
    if not row.is_active:
        told = f"its owner {row.email} is not active, so the token is refused"
        return {"why": told, "advice": "Activate the account, or make somebody else the owner."}
    if refused:
        told = "the organization does not accept legacy tokens, and the converter has no other"
        return {"why": told, "advice": "Switch legacy tokens on: Organization, Access Token Settings."}
    return {"why": "", "advice": ""}


def _image_projects(ctx: Context, organizations: list[int]) -> list[dict[str, Any]]:
    statement = select(Project.id.label("project"), Project.title, Project.organization_id.label("organization")).where(
        Project.organization_id.in_(organizations), func.lower(Project.label_config).like("%<image%")
    )
    with ctx.transaction() as session:
        return [dict(row) for row in session.execute(in_scope(ctx, statement).order_by(Project.id)).mappings()]


def _only_ours(ctx: Context, project_id: int) -> bool:
    """Whether one of the newest tasks shows a file that only Label Studio can hand out."""
    newest = select(cast(Task.data, Text).label("data")).where(Task.project_id == project_id)
    newest = newest.order_by(Task.id.desc()).limit(LOOKED_AT)
    rows = newest.subquery()
    may = or_(*(rows.c.data.like(f"%{start}%") for start in OURS))
    with ctx.transaction() as session:
        return bool(session.scalar(select(func.count()).select_from(rows).where(may)))


def _conversions(ctx: Context) -> dict[int, int]:
    if not ctx.schema.has_table(CONVERSION.table):
        return {}
    converted, snapshot = ctx.schema.table(CONVERSION.table), ctx.schema.table(SNAPSHOT.table)
    wanted = or_(*(converted.c.export_type.like(f"{name}%") for name in ("YOLO", "COCO", "VOC", "BRUSH")))
    statement = (
        select(snapshot.c.project_id, func.count()).join(converted, converted.c.export_id == snapshot.c.id)
        .where(wanted).group_by(snapshot.c.project_id)
    )  # fmt: skip
    with ctx.transaction() as session:
        return {row[0]: row[1] for row in session.execute(statement)}
