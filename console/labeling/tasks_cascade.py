"""Delete rows and whatever refers to them, as Django's cascade does, in any release and edition.

The database's own foreign keys say what refers to what, so tables that only another release or edition has are not
forgotten. A reference that may be empty is emptied, unless Label Studio deletes its row (`WITH_THEIR_OBJECT`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Table, select, text

from .db import Db
from .storages import after

#: Columns that may be empty and yet go with what they refer to (on_delete=CASCADE in Label Studio's models).
WITH_THEIR_OBJECT = {
    ("task", "project_id"), ("task_completion", "task_id"), ("task_completion", "project_id"),
    ("tasks_annotationdraft", "task_id"), ("tasks_annotationdraft", "annotation_id"),
    ("prediction", "project_id"), ("prediction", "model_id"), ("prediction", "model_run_id"),
    ("prediction_meta", "prediction_id"), ("prediction_meta", "failed_prediction_id"),
    ("tasks_failedprediction", "project_id"), ("tasks_failedprediction", "model_run_id"),
    ("projects_projectimport", "project_id"), ("projects_projectreimport", "project_id"), ("webhook", "project_id"),
    ("data_export_convertedformat", "project_id"), ("core_asyncmigrationstatus", "project_id"),
    ("data_manager_filter", "parent_id"), ("data_manager_view", "user_id"),
}  # fmt: skip
_POSTGRESQL = """
select child.relname, a.attname, parent.relname from pg_constraint f
join pg_class child on child.oid = f.conrelid join pg_class parent on parent.oid = f.confrelid
join pg_attribute a on a.attrelid = f.conrelid and a.attnum = f.conkey[1]
where f.contype = 'f' and cardinality(f.conkey) = 1 order by 1, 2
"""


@dataclass(frozen=True)
class Reference:
    """`table.column` holds ids of `target`."""

    table: str
    column: str
    target: str


_known: WeakKeyDictionary[Any, list[Reference]] = WeakKeyDictionary()


def delete_rows(db: Db, table: str, ids: Any) -> int:
    """Delete rows by id with all that hangs on them; how many there were. `ids` is a list or a query of ids."""
    _let_go(db, table, ids, above=(table,))
    target = db.table(table)
    return db.delete(table, target.c.id.in_(ids))


def references(db: Db) -> list[Reference]:
    """Every foreign key of the attached database, read once per connection pool."""
    engine = db.session.get_bind().engine
    if engine not in _known:
        connection = db.session.connection()
        rows = connection.execute(text(_POSTGRESQL)) if db.postgresql else _sqlite(connection, list(db.schema.columns))
        _known[engine] = [Reference(*row) for row in rows]
    return _known[engine]


def _let_go(db: Db, table: str, ids: Any, above: Sequence[str]) -> None:
    for reference in references(db):
        if reference.target != table or not db.has(reference.table, reference.column):
            continue
        child = db.table(reference.table)
        column = child.c[reference.column]
        nullable = db.schema.columns[reference.table][reference.column].nullable
        if nullable and (reference.table, reference.column) not in WITH_THEIR_OBJECT:
            db.update(reference.table, column.in_(ids), {reference.column: None})
            continue
        key = _key(db, child)
        if key is not None and reference.table not in above:
            _let_go(db, reference.table, select(key).where(column.in_(ids)), (*above, reference.table))
        bases = [
            (base, db.values(select(child.c[base.column]).where(column.in_(ids)))) for base in _bases(db, reference)
        ]
        after.unlinked(db, reference.table, column.in_(ids))
        db.delete(reference.table, column.in_(ids))
        for base, base_ids in bases:
            db.delete(base.target, db.table(base.target).c.id.in_(base_ids))


def _key(db: Db, table: Table) -> Any:
    """The column that other tables refer to; None where the primary key is no single column."""
    keys = [column for column in table.c if db.schema.columns[table.name][column.name].primary]
    return keys[0] if len(keys) == 1 else None


def _bases(db: Db, reference: Reference) -> list[Reference]:
    """Tables that hold the first half of this table's rows (`…_ptr_id`, Django's multi-table inheritance)."""
    return [
        other for other in references(db)
        if other.table == reference.table and other.column.endswith("_ptr_id") and other.column != reference.column
    ]  # fmt: skip


def _sqlite(connection: Connection, tables: Sequence[str]) -> list[tuple[str, str, str]]:
    found = []
    for table in sorted(tables):
        quoted = table.replace('"', '""')
        for row in connection.exec_driver_sql(f'pragma foreign_key_list("{quoted}")'):
            found.append((table, row[3], row[2]))
    return found
