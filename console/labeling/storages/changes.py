"""Make, change and delete storages: the one module that writes their rows, for the API, pages and plans alike.

A storage of Google, Azure, Redis or local files is two rows, see `deployment.storages`. Deleting one deletes its links and
leaves the tasks. Nothing here talks to a bucket; `validation` does, before. The audit log learns which fields were
written, never their values.

Source: Label Studio's `io_storages/api.py` and `io_storages/base_models.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import exists, literal, select, union_all

from ...deployment.local_paths import normalized
from ...deployment.storages import KINDS, Storage, StorageKind, column_table, storage, storages
from ...errors import Forbidden, Invalid, NotFound
from .. import projects
from ..annotations import NO_SUCH
from ..db import Db
from ..tasks_cascade import delete_rows
from . import fields

#: Links that one statement deletes, so that none meets its time limit.
LINKS_AT_ONCE = 20_000


def reach(db: Db, kind: StorageKind, storage_id: int, *, lock: bool = False) -> Storage:
    """One storage of a project that the caller may see. Raises NotFound, Forbidden.

    `lock` keeps others from changing it until the transaction ends.
    """
    missing = missing_text(kind)
    if lock and db.postgresql and db.has(kind.table_name):
        child = db.table(kind.table_name)
        db.value(select(child.c[kind.key_column]).where(child.c[kind.key_column] == storage_id).with_for_update())
    found = next(storages(db.session, db.schema, prefixes=[kind.prefix], targets=True, storage_id=storage_id), None)
    if found is None:
        raise NotFound(missing)
    projects.own(db, found.project_id, missing=missing)
    return found


def of_project(db: Db, project_id: int, kinds: Iterable[StorageKind]) -> list[Storage]:
    """The storages of these kinds of a project that the caller may see. Raises NotFound, Forbidden."""
    projects.own(db, project_id)
    prefixes = _present(db, project_id, list(kinds))
    return list(storages(db.session, db.schema, prefixes=prefixes, targets=True, project_id=project_id))


def create(db: Db, kind: StorageKind, given: Mapping[str, Any]) -> Storage:
    """A new storage; `given` are checked fields, `project` among them. Raises Invalid for a project out of reach,
    NotFound for a kind that the release lacks."""
    own_project(db, given)
    row = fields.defaults(kind) | _columns(kind, given) | {"created_at": db.now}
    if kind.parent_name:
        row[kind.key_column] = db.insert(kind.parent_name, row)
        db.insert(kind.table_name, row)
        storage_id = row[kind.key_column]
    else:
        storage_id = db.insert(kind.table_name, row)
    db.record("created a storage", f"storage:{kind.prefix}:{storage_id}", project=row["project_id"])
    return _stored(db, kind, storage_id)


def change(db: Db, kind: StorageKind, storage_id: int, given: Mapping[str, Any]) -> Storage:
    """Set fields of a storage; it as it is then. Secrets that are not given stay. Raises NotFound, Forbidden, Invalid."""
    reach(db, kind, storage_id, lock=True)
    own_project(db, given)
    write(db, kind, storage_id, _columns(kind, given))
    db.record("changed a storage", f"storage:{kind.prefix}:{storage_id}", fields=sorted(given))
    return _stored(db, kind, storage_id)


def delete(db: Db, kind: StorageKind, storage_id: int) -> None:
    """Delete a storage with its links; tasks and annotations stay. Raises NotFound, Forbidden."""
    found = reach(db, kind, storage_id, lock=True)
    links = _delete_links(db, kind, storage_id)
    delete_rows(db, kind.parent_name or kind.table_name, [storage_id])
    db.record("deleted a storage", found.subject, project=found.project_id, links=links)


def write(db: Db, kind: StorageKind, storage_id: int, columns: Mapping[str, Any]) -> None:
    """Set columns of a storage, whichever of its tables holds them; those the release lacks are left out."""
    by_table: dict[tuple[str, str], dict[str, Any]] = {}
    for name, value in columns.items():
        try:
            table, key = column_table(db.schema, kind, name)
        except NotFound:
            continue
        by_table.setdefault((table.name, key), {})[name] = value
    for (table_name, key), values in by_table.items():
        db.update(table_name, db.table(table_name).c[key] == storage_id, values)


def own_project(db: Db, given: Mapping[str, Any]) -> None:
    """Refuse a project that the caller may not see. Raises Invalid, or Forbidden for a former member."""
    if "project" not in given:
        return
    try:
        projects.own(db, given["project"])
    except NotFound:
        raise Invalid({"project": [NO_SUCH.format(given["project"])]}) from None
    except Forbidden:
        raise Forbidden("You do not have permission to create storages for this project.") from None


def missing_text(kind: StorageKind) -> str:
    """What Label Studio says when there is no such storage."""
    name = {"s3": "S3", "gcs": "GCS", "azure": "AzureBlob", "redis": "Redis", "localfiles": "LocalFiles"}[kind.provider]
    return f"No {name}{'Export' if kind.is_target else 'Import'}Storage matches the given query."


def kinds(*, targets: bool, local_files: bool = True) -> Sequence[StorageKind]:
    """Every kind of one direction, in Label Studio's order."""
    return [
        kind for kind in KINDS.values() if kind.is_target is targets and (local_files or kind.provider != "localfiles")
    ]


def _present(db: Db, project_id: int, kinds: Sequence[StorageKind]) -> list[str]:
    """Those of the kinds that a project has storages of, in one statement; a single kind is not asked for."""
    if len(kinds) < 2:
        return [kind.prefix for kind in kinds]
    parts = []
    for kind in (kind for kind in kinds if db.has(kind.table_name)):
        here = db.table(kind.table_name).c.project_id == project_id
        parts.append(select(literal(kind.prefix)).where(exists().where(here)))
    return db.values(union_all(*parts)) if parts else []


def _columns(kind: StorageKind, given: Mapping[str, Any]) -> dict[str, Any]:
    values = {("project_id" if name == "project" else name): value for name, value in given.items()}
    if kind.provider == "localfiles" and values.get("path") is not None:
        values["path"] = normalized(values["path"])
    return values


def _stored(db: Db, kind: StorageKind, storage_id: int) -> Storage:
    return storage(db.session, db.schema, f"{kind.prefix}:{storage_id}")


def _delete_links(db: Db, kind: StorageKind, storage_id: int) -> int:
    if not db.has(kind.link_name):
        return 0
    links = db.table(kind.link_name)
    some = select(links.c.id).where(links.c.storage_id == storage_id).limit(LINKS_AT_ONCE)
    deleted = 0
    while found := db.delete(kind.link_name, links.c.id.in_(some)):
        deleted += found
    return deleted
