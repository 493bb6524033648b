"""Label Studio's storages: one row each, whatever tables they are spread over.

S3 keeps a storage in one table. Google, Azure, Redis and local files split it: the connection columns stand in a
parent table, the state in a child whose primary key `<parent>_ptr_id` equals the parent's `id`.
Source: Label Studio's io_storages models; the split is the same in every release from 1.4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, Table, func, select
from sqlalchemy.orm import Session

from ..errors import NotFound
from .models import Project

if TYPE_CHECKING:
    from .schema import Schema

#: provider as the API calls it -> (word in table names, parent table or None)
PROVIDERS: dict[str, tuple[str, str | None]] = {
    "s3": ("s3", None),
    "gcs": ("gcs", "io_storages_gcsstoragemixin"),
    "azure": ("azureblob", "io_storages_azureblobstoragemixin"),
    "redis": ("redis", "io_storages_redisstoragemixin"),
    "localfiles": ("localfiles", "io_storages_localfilesmixin"),
}
PROVIDER_TITLES = {"s3": "Amazon S3", "gcs": "Google Cloud Storage", "azure": "Azure Blob", "redis": "Redis",
                   "localfiles": "Local files"}  # fmt: skip


@dataclass(frozen=True)
class StorageKind:
    """One provider and direction: where its rows, its connection columns and its links are."""

    provider: str
    is_target: bool
    table_name: str
    parent_name: str | None

    @property
    def prefix(self) -> str:
        """What stands before the colon in a subject id: `s3` for sources, `s3-export` for targets."""
        return f"{self.provider}-export" if self.is_target else self.provider

    @property
    def link_name(self) -> str:
        return f"{self.table_name}link"

    @property
    def key_column(self) -> str:
        return f"{self.parent_name.removeprefix('io_storages_')}_ptr_id" if self.parent_name else "id"


KINDS: dict[str, StorageKind] = {
    kind.prefix: kind
    for provider, (word, parent) in PROVIDERS.items()
    for kind in (
        StorageKind(provider, False, f"io_storages_{word}importstorage", parent),
        StorageKind(provider, True, f"io_storages_{word}exportstorage", parent),
    )
}


@dataclass(frozen=True)
class Storage:
    """One storage row, both tables together. `row` holds every column, secrets included: never print it unmasked."""

    kind: StorageKind
    id: int
    row: dict[str, Any]

    @property
    def subject(self) -> str:
        return f"storage:{self.kind.prefix}:{self.id}"

    @property
    def reference(self) -> str:
        """How people and the API name it: `s3:4`."""
        return f"{self.kind.prefix}:{self.id}"

    @property
    def title(self) -> str:
        return str(self.row.get("title") or self.reference)

    @property
    def place(self) -> str:
        """Bucket, container or path, with the prefix."""
        where = self.row.get("bucket") or self.row.get("container") or self.row.get("path") or ""
        prefix = self.row.get("prefix") or ""
        return f"{where}/{prefix}" if prefix else str(where)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.row[name]
        except KeyError:
            raise AttributeError(name) from None

    def get(self, name: str, default: Any = None) -> Any:
        return self.row.get(name, default)


def storages(
    session: Session, schema: Schema, *, prefixes: Sequence[str] | None = None, targets: bool = False,
    project_id: int | None = None, storage_id: int | None = None,
) -> Iterator[Storage]:  # fmt: skip
    """Source storages (and targets when asked) in the order of provider and id.

    `prefixes` narrows to kinds such as `s3`; tables the release lacks are passed over.
    """
    for prefix, kind in KINDS.items():
        if (prefixes is None and kind.is_target and not targets) or (prefixes is not None and prefix not in prefixes):
            continue
        statement = storage_select(schema, kind)
        if statement is None:
            continue
        child = schema.table(kind.table_name)
        if project_id is not None:
            statement = statement.where(child.c.project_id == project_id)
        if storage_id is not None:
            statement = statement.where(child.c[kind.key_column] == storage_id)
        for row in session.execute(statement.order_by(child.c[kind.key_column])).mappings():
            yield Storage(kind, row["storage_key"], {name: row[name] for name in row if name != "storage_key"})


def storage_select(schema: Schema, kind: StorageKind) -> Select[Any] | None:
    """Every column of one kind of storage as the database has them, or None when the release has no such table."""
    if not schema.has_table(kind.table_name):
        return None
    child = schema.table(kind.table_name)
    columns = {column.name: column for column in child.c}
    source: Any = child
    if kind.parent_name:
        if not schema.has_table(kind.parent_name):
            return None
        parent = schema.table(kind.parent_name)
        columns |= {column.name: column for column in parent.c}
        source = child.join(parent, parent.c.id == child.c[kind.key_column])
    return select(child.c[kind.key_column].label("storage_key"), *columns.values()).select_from(source)


def storage(session: Session, schema: Schema, reference: str) -> Storage:
    """The storage named `s3:4` (or `s3-export:1`); raises NotFound naming what is accepted."""
    prefix, _, number = reference.rpartition(":")
    if prefix not in KINDS or not number.isdecimal() or len(number) > 18:
        raise NotFound(f"{reference!r} names no storage; write {', '.join(sorted(KINDS))} and an id, as in s3:4.")
    found = next(storages(session, schema, prefixes=[prefix], targets=True, storage_id=int(number)), None)
    if found is None:
        raise NotFound(f"There is no storage {reference}.")
    return found


def column_table(schema: Schema, kind: StorageKind, column: str) -> tuple[Table, str]:
    """Which of a storage's tables holds a column, and that table's key column: what a change has to name."""
    child = schema.table(kind.table_name)
    if column in child.c:
        return child, kind.key_column
    if kind.parent_name and column in schema.table(kind.parent_name).c:
        return schema.table(kind.parent_name), "id"
    raise NotFound(f"{kind.table_name} has no column {column} in this release.")


def count_by_kind(session: Session, schema: Schema) -> dict[str, int]:
    """Number of storages per kind, of the kinds the release has."""
    return {
        prefix: session.scalar(select(func.count()).select_from(schema.table(kind.table_name))) or 0
        for prefix, kind in KINDS.items()
        if schema.has_table(kind.table_name)
    }


def project_titles(session: Session, ids: set[int]) -> dict[int, str]:
    """Titles of projects by id."""
    if not ids:
        return {}
    rows = session.execute(select(Project.id, Project.title).where(Project.id.in_(ids)))
    return {row.id: row.title or f"project {row.id}" for row in rows}
