"""All storages of a deployment in one statement, without their secrets: for lists, searches and project pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import String, Text, cast, literal, null, select, union_all
from sqlalchemy.orm import Session

from .models import Project, UtcDateTime, as_utc
from .schema import Schema
from .storages import KINDS, PROVIDER_TITLES, StorageKind

#: A deployment with more storages than this is listed in part.
MOST_STORAGES = 5000
#: What tells where a storage's objects are.
_CONNECTION = ("bucket", "container", "path", "prefix", "s3_endpoint", "account_name", "host", "port", "db")
_TEXTS = ("title", "status", *_CONNECTION)


@dataclass(frozen=True)
class StorageLine:
    """One storage as a list shows it. `place` is the bucket, container or path with the prefix; `connection` holds the
    columns that tell where its objects are, none of them a secret."""

    kind: StorageKind
    id: int
    title: str
    place: str
    status: str
    project_id: int | None
    project_title: str | None
    last_sync: datetime | None
    last_sync_count: int | None
    connection: Mapping[str, str | None]

    @property
    def reference(self) -> str:
        return f"{self.kind.prefix}:{self.id}"

    @property
    def subject(self) -> str:
        return f"storage:{self.reference}"

    @property
    def kind_title(self) -> str:
        return f"{PROVIDER_TITLES[self.kind.provider]}, {'target' if self.kind.is_target else 'source'}"


def storage_lines(
    session: Session, schema: Schema, *, project_id: int | None = None, text: str = "", limit: int = MOST_STORAGES
) -> list[StorageLine]:
    """Sources and targets by kind and id, at most `limit`; `text` is looked for in title, place and `s3:4`."""
    parts = [_part(schema, kind, project_id) for kind in KINDS.values() if _is_there(schema, kind)]
    if not parts:
        return []
    found: list[StorageLine] = []
    everything = union_all(*parts).subquery()
    statement = select(everything).order_by(everything.c.kind, everything.c.key).limit(MOST_STORAGES)
    for row in session.execute(statement):
        where = row.bucket or row.container or row.path or ""
        line = StorageLine(
            KINDS[row.kind], row.key, row.title or f"{row.kind}:{row.key}", f"{where}/{row.prefix}" if row.prefix else where,
            row.status or "", row.project_id, row.project_title, as_utc(row.last_sync), row.last_sync_count,
            {name: getattr(row, name) for name in _CONNECTION},
        )  # fmt: skip
        if text.lower() in f"{line.title}\n{line.place}\n{line.reference}\n{line.project_title}".lower():
            found.append(line)
        if len(found) == limit:
            break
    return found


def _is_there(schema: Schema, kind: StorageKind) -> bool:
    return schema.has_table(kind.table_name) and (not kind.parent_name or schema.has_table(kind.parent_name))


def _part(schema: Schema, kind: StorageKind, project_id: int | None) -> Any:
    child = schema.table(kind.table_name)
    parent = schema.table(kind.parent_name) if kind.parent_name else child
    source: Any = child if parent is child else child.join(parent, parent.c.id == child.c[kind.key_column])
    source = source.outerjoin(Project, Project.id == child.c.project_id)

    def column(name: str) -> Any:
        return child.c[name] if name in child.c else parent.c[name] if name in parent.c else null()

    statement = select(
        literal(kind.prefix).label("kind"), child.c[kind.key_column].label("key"),
        *(cast(column(name), Text).label(name) for name in _TEXTS),
        child.c.project_id.label("project_id"), Project.title.label("project_title"),
        cast(column("last_sync"), String if schema.dialect == "sqlite" else UtcDateTime).label("last_sync"),
        column("last_sync_count").label("last_sync_count"),
    ).select_from(source)  # fmt: skip
    return statement if project_id is None else statement.where(child.c.project_id == project_id)
