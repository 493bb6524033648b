"""The project that a Data Manager request is about: whether the caller may have it, and what its columns mean."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import select

from .. import tasks_data
from ..db import LARGEST_ID, Db
from ..projects import own
from .columns import Scope


def open_project(db: Db, project_id: int) -> Scope:
    """A project of the caller's organization. Raises NotFound, or Forbidden for a former member."""
    projects = db.table("project")
    documents = (db.raw(column) for column in db.columns("project", "data_types"))
    row = own(
        db,
        project_id,
        projects.c.label_config,
        projects.c.model_version,
        tasks_data.is_protected(db),
        *documents,
        _common_columns(db, projects.c.id),
    )
    types = _parsed(getattr(row, "data_types", None))
    common = _parsed(row.common_data_columns)
    return Scope(
        db,
        project_id,
        data_types=types if isinstance(types, dict) else {},
        common_data_columns=tuple(common) if isinstance(common, list) else (),
        model_version=row.model_version,
        label_config=row.label_config,
        protected=row.protected,
    )


def _common_columns(db: Db, project_id: Any) -> Any:
    summaries = db.table("projects_projectsummary")
    column = db.raw(summaries.c.common_data_columns)
    return select(column).where(summaries.c.project_id == project_id).scalar_subquery().label("common_data_columns")


def _parsed(text: str | None) -> Any:
    try:
        return orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        return None


def is_known_project(db: Db, project_id: int) -> bool:
    """Whether there is such a project, in whatever organization."""
    projects = db.table("project")
    return project_id <= LARGEST_ID and db.value(select(projects.c.id).where(projects.c.id == project_id)) is not None
