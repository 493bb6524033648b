"""Delete rows and whatever refers to them, as Django's cascade does, in any release and edition.

The database's own foreign keys say what refers to what, so tables that only another release or edition has are not
forgotten. A reference that may be empty is emptied, unless Label Studio deletes its row (`WITH_THEIR_OBJECT`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, select, text

from .db import Db

#: Columns that may be empty and yet go with what they refer to (on_delete=CASCADE in Label Studio's models).
WITH_THEIR_OBJECT = {
    ("task_completion", "task_id"), ("tasks_annotationdraft", "task_id"), ("tasks_annotationdraft", "annotation_id"),
    ("prediction_meta", "prediction_id"), ("prediction_meta", "failed_prediction_id"),
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
        if "id" in child.c and reference.table not in above:
            _let_go(db, reference.table, select(child.c.id).where(column.in_(ids)), (*above, reference.table))
        db.delete(reference.table, column.in_(ids))


def _sqlite(connection: Connection, tables: Sequence[str]) -> list[tuple[str, str, str]]:
    found = []
    for table in sorted(tables):
        quoted = table.replace('"', '""')
        for row in connection.exec_driver_sql(f'pragma foreign_key_list("{quoted}")'):
            found.append((table, row[3], row[2]))
    return found
