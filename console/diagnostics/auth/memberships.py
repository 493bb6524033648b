"""Who belongs to which organization, read once for the checks that ask.

`deleted_at` marks a member who was removed; the row stays. It comes with Label Studio 1.10, before that a member who
was removed has no row. Source: the organization member model of Label Studio's organizations app.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from ...deployment.models import Organization, OrganizationMember
from .. import Context

TABLE = OrganizationMember.__tablename__
#: Above this many users it is quicker to read the table from end to end.
FEW = 500


@dataclass(frozen=True)
class Membership:
    """One row of the table. `row` holds every column that the release has; `title` is the organization's."""

    row: dict[str, Any]
    title: str

    @property
    def id(self) -> int:
        return self.row["id"]

    @property
    def organization_id(self) -> int:
        return self.row["organization_id"]

    @property
    def deleted_at(self) -> datetime | None:
        """When the member was removed; None for a member."""
        return self.row.get("deleted_at")


def memberships(ctx: Context, user_ids: Collection[int] = ()) -> dict[int, list[Membership]]:
    """User id -> rows in the order of id, ended ones too; of everybody unless users are named.

    Label Studio's sign-in takes the first row, ended or not.
    """
    table = ctx.schema.table(TABLE)
    named = select(table, Organization.title.label("organization")).outerjoin(
        Organization, Organization.id == table.c.organization_id
    )
    if 0 < len(user_ids) <= FEW:
        named = named.where(table.c.user_id.in_(user_ids))
    found: defaultdict[int, list[Membership]] = defaultdict(list)
    for item in ctx.read.execute(named.order_by(table.c.id)).mappings():
        row = dict(item)
        title = row.pop("organization") or f"organization {row['organization_id']}"
        found[row["user_id"]].append(Membership(row, title))
    return dict(found)


def live(rows: list[Membership]) -> list[Membership]:
    """Memberships that count. One that stands beside an ended row of the same organization does not: newer releases
    refuse whoever has an ended one."""
    ended = {item.organization_id for item in rows if item.deleted_at}
    return [item for item in rows if item.organization_id not in ended]
