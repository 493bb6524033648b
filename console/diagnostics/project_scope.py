"""Which projects a check looks at: those of its scope that nobody deleted."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select

from ..deployment.models import Project
from .check import Context


def in_scope(ctx: Context, statement: Select[Any], project_id: Any = Project.id) -> Select[Any]:
    """A statement that reads projects, without those out of scope or in the trash; `project_id` is its column for them."""
    if ctx.scope.project_id is not None:
        statement = statement.where(project_id == ctx.scope.project_id)
    if ctx.schema.has(Project.deleted_at):
        statement = statement.where(Project.deleted_at.is_(None))
    return statement
