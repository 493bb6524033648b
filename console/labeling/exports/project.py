"""The project under export: reached as its members reach it, and what its labeling configuration means for an export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from ..db import Db
from ..label_config import ParsedConfig, parse_stored
from ..tasks import is_former_member, reached
from .key_frames import tracks_objects

NO_PROJECT = "No Project matches the given query."


@dataclass(frozen=True)
class Exported:
    """A project. `undefined_key` is the key of task data that takes the place of `$undefined$`."""

    id: int
    title: str
    controls: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    undefined_key: str | None = None

    @property
    def follows_objects(self) -> bool:
        """Whether regions follow objects through a video."""
        return tracks_objects(self.controls)


def exported(db: Db, project_id: int) -> Exported:
    """A project of the caller's organization. Raises NotFound, or Forbidden for a former member."""
    projects = db.table("project")
    statement = select(
        *db.columns("project", "id", "title", "label_config", "data_types"),
        is_former_member(db, projects.c.organization_id).label("former"),
    ).where(projects.c.id == project_id, projects.c.organization_id == db.caller.organization_id)
    row = reached(db.first(statement), NO_PROJECT)
    parsed = parse_stored(row.label_config)
    return Exported(row.id, row.title or "", parsed.controls, _undefined_key(parsed, getattr(row, "data_types", None)))


def _undefined_key(parsed: ParsedConfig, stored: Any) -> str | None:
    """The first key of the stored data types: PostgreSQL keeps keys in an order of its own, and Label Studio takes that."""
    if isinstance(stored, dict) and stored == parsed.data_types:
        return next(iter(stored), None)
    return parsed.first_object_key
