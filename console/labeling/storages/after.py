"""What target storages are owed after a commit: objects of annotations that were saved, or deleted.

A change only notes it (`saved`, `unlinked`); buckets are written once it is committed, by `console.storage_writes`.

Source: Label Studio's signal receivers in `io_storages/*/models.py`: every target of the project gets an annotation that
is saved, and one that may delete objects loses that of a deleted annotation, if it ever got it. Only its S3 and local
files know how.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, exists, false, literal, or_, select, union_all
from sqlalchemy.orm import Session

from ...deployment.schema import Schema
from ...deployment.storages import KINDS, Storage, StorageKind, storage
from ..db import Db

#: Link tables whose storages can delete objects.
_DELETES = {KINDS[prefix].link_name: KINDS[prefix] for prefix in ("s3-export", "localfiles-export")}


@dataclass(frozen=True)
class Saved:
    """Annotations of a project that were made or changed."""

    project_id: int
    ids: tuple[int, ...]


@dataclass(frozen=True)
class Unlinked:
    """Annotations that are gone, and a storage that holds their objects and may delete them."""

    storage: Storage
    ids: tuple[int, ...]


def saved(db: Db, project_id: int, ids: Iterable[int]) -> None:
    """Note that annotations were saved. No statement; whoever saves often asks with `has_target` first."""
    db.storage_work.append(Saved(project_id, tuple(ids)))


def has_target(db: Db, project_id: Any) -> Any:
    """A column, for a statement that reads the project anyway: whether it has a target storage at all."""
    targets = [db.table(kind.table_name).c for kind in KINDS.values() if kind.is_target and db.has(kind.table_name)]
    there = [exists().where(columns.project_id == project_id) for columns in targets]
    return or_(false(), *there).label("has_target")


def unlinked(db: Db, table_name: str, condition: Any) -> None:
    """Note whose objects are to be deleted, of links that are about to be. One statement, none for other tables."""
    kind = _DELETES.get(table_name)
    if kind is None or not db.has(kind.table_name, "can_delete_objects"):
        return
    links, storages = db.table(table_name), db.table(kind.table_name)
    joined = links.join(storages, storages.c[kind.key_column] == links.c.storage_id)
    statement = select(links.c.storage_id, links.c.annotation_id).select_from(joined)
    found: dict[int, list[int]] = {}
    for row in db.rows(statement.where(condition, storages.c.can_delete_objects)):
        found.setdefault(row.storage_id, []).append(row.annotation_id)
    for storage_id, ids in found.items():
        db.storage_work.append(Unlinked(storage(db.session, db.schema, f"{kind.prefix}:{storage_id}"), tuple(ids)))


def targets_of(session: Session, schema: Schema, project_id: int) -> list[Storage]:
    """The target storages of a project; one statement where there is none."""
    statement = _of_project(schema)
    rows: Sequence[Any] = [] if statement is None else session.execute(statement, {"project_id": project_id}).all()
    return [storage(session, schema, f"{prefix}:{number}") for prefix, number in rows]


def _of_project(schema: Schema) -> Any:
    """Kind and id of the targets of `project_id`, built once. None on a release without targets."""

    def build() -> Any:
        kinds = [kind for kind in KINDS.values() if kind.is_target and schema.has_table(kind.table_name)]
        parts = [_of_kind(schema, kind) for kind in kinds]
        return union_all(*parts) if parts else None

    return schema.once("targets of a project", build)


def _of_kind(schema: Schema, kind: StorageKind) -> Any:
    columns = schema.table(kind.table_name).c
    return select(literal(kind.prefix), columns[kind.key_column]).where(columns.project_id == bindparam("project_id"))
