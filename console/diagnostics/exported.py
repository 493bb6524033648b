"""Annotations of a project and the links that say which of them a target storage has been given.

Source: `save_annotation` and `ExportStorageLink` in Label Studio's io_storages app: one link per annotation and target.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, func, select

from ..deployment.models import Annotation
from ..deployment.storages import KINDS, Storage
from .check import Context
from .sources import in_use

TARGETS = tuple(prefix for prefix, kind in KINDS.items() if kind.is_target)


def targets(ctx: Context) -> list[Storage]:
    """Targets that may be synced and whose links the release keeps. Raises NotApplicable when there is none."""
    return [item for item in in_use(ctx, prefixes=TARGETS) if ctx.schema.has_table(item.kind.link_name)]


def without_link(ctx: Context, item: Storage, before: datetime) -> Select[Any]:
    """Annotations of the target's project made before a time and never written there, oldest first."""
    link = ctx.schema.table(item.kind.link_name)
    written = select(link.c.id).where(and_(link.c.annotation_id == Annotation.id, link.c.storage_id == item.id))
    return (
        select(Annotation.id.label("annotation"), Annotation.task_id.label("task"), Annotation.created_at,
               Annotation.completed_by_id.label("user"))
        .where(Annotation.project_id == item.get("project_id"), Annotation.created_at < before, ~written.exists())
        .order_by(Annotation.created_at, Annotation.id)
    )  # fmt: skip


def counted(ctx: Context, statement: Select[Any]) -> int:
    """How many rows a statement yields."""
    with ctx.transaction() as session:
        return session.scalar(select(func.count()).select_from(statement.order_by(None).subquery())) or 0


def links_of(ctx: Context, item: Storage) -> int:
    """Distinct annotations that the target has been given."""
    link = ctx.schema.table(item.kind.link_name)
    with ctx.transaction() as session:
        return (
            session.scalar(select(func.count(link.c.annotation_id.distinct())).where(link.c.storage_id == item.id)) or 0
        )
