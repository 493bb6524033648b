"""Rows by the thousand into one table: COPY on PostgreSQL, one prepared statement on SQLite, all in the transaction.

Columns are fitted to the table as it is: what the release lacks is left out, what it demands beside ours is filled.
Ids are reserved from the table's own sequence, so that rows of other tables can point at rows not written yet.
"""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg2
from sqlalchemy import exc, text

from .db import Db

BATCH_ROWS = 5000
BATCH_BYTES = 8 * 2**20


class BulkInsert:
    """Collects rows and sends them in batches; `flush` sends the rest.

    `columns` vary from row to row, `same` is equal in all of them. A JSON value is given as its text in bytes, so bytes
    mean JSON here; other values as Python has them.
    """

    def __init__(self, db: Db, table: str, columns: Sequence[str], same: Mapping[str, Any]) -> None:
        self.db, self.table, self.count = db, table, 0
        known = db.schema.columns[table]
        self._kept = [index for index, name in enumerate(columns) if name in known]
        varying = [columns[index] for index in self._kept]
        fitted = db.fitted(table, dict(same) | dict.fromkeys(varying))
        constant = {name: value for name, value in fitted.items() if name not in varying}
        self._all = len(self._kept) == len(columns)
        names = [_quoted(name) for name in (*varying, *constant)]
        self._rows: list[Any] = []
        self._bytes = 0
        self._next_id: int | None = None
        self._sequence_name: str | None = None
        if db.postgresql:
            self._sql = f"COPY {_quoted(table)} ({', '.join(names)}) FROM STDIN"
            self._tail = b"".join(b"\t" + _COPIED[type(value)](value) for value in constant.values()) + b"\n"
        else:
            marks = ", ".join("?" * len(names))
            self._sql = f"INSERT INTO {_quoted(table)} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608
            self._ends = tuple(_bound(value) for value in constant.values())

    def add(self, *values: Any) -> None:
        """One row: the values of `columns`, in order."""
        if not self._all:
            values = tuple(values[index] for index in self._kept)
        if self.db.postgresql:
            line = b"\t".join([_COPIED[type(value)](value) for value in values]) + self._tail
            self._bytes += len(line)
            self._rows.append(line)
        else:
            self._bytes += sum(len(value) for value in values if isinstance(value, bytes))
            self._rows.append(tuple(_bound(value) for value in values) + self._ends)
        self.count += 1
        if len(self._rows) >= BATCH_ROWS or self._bytes >= BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send what is waiting. Raises SQLAlchemy's DataError and IntegrityError as any statement would."""
        if not self._rows:
            return
        rows, self._rows, self._bytes = self._rows, [], 0
        connection = self.db.session.connection().connection
        cursor = connection.cursor()
        try:
            if self.db.postgresql:
                cursor.copy_expert(self._sql, io.BytesIO(b"".join(rows)))
            else:
                cursor.executemany(self._sql, rows)
        except (psycopg2.Error, sqlite3.Error) as error:
            base = psycopg2.Error if self.db.postgresql else sqlite3.Error
            raise exc.DBAPIError.instance(self._sql, None, error, base, hide_parameters=True) from error
        finally:
            cursor.close()

    def reserve(self, count: int) -> Sequence[int]:
        """That many ids for rows to come, rising; no other transaction gets them."""
        if self.db.postgresql:
            drawn = text(f"SELECT nextval('{self._sequence()}'::regclass) FROM generate_series(1, :count)")  # noqa: S608
            return self.db.session.execute(drawn, {"count": count}).scalars().all()
        if self._next_id is None:
            self._next_id = self._first_free_id()
        first = self._next_id
        self._next_id += count
        return range(first, first + count)

    def _sequence(self) -> str:
        """The name of the sequence behind the ids, for a literal: looked up once, since asking for each id is dear."""
        if self._sequence_name is None:
            found = text("SELECT pg_get_serial_sequence(:name, 'id')")
            name = self.db.session.execute(found, {"name": _quoted(self.table)}).scalar_one()
            self._sequence_name = str(name).replace("'", "''").replace(":", "\\:")
        return self._sequence_name

    def _first_free_id(self) -> int:
        """One more than the largest id there is, which is how Label Studio counts on SQLite."""
        used = text(f"SELECT coalesce(max(id), 0) FROM {_quoted(self.table)}")  # noqa: S608
        return int(self.db.session.execute(used).scalar_one()) + 1


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _copied_text(value: str) -> bytes:
    plain = value.encode()
    plain = plain.replace(b"\\", b"\\\\").replace(b"\t", b"\\t").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    if b"\0" in plain:
        raise ValueError("A string literal cannot contain NUL (0x00) characters.")
    return plain


#: A value as a field of COPY's text format. JSON text holds no tab and no line end, but backslashes.
_COPIED: dict[type, Callable[[Any], bytes]] = {
    bytes: lambda value: value.replace(b"\\", b"\\\\"),
    int: lambda value: b"%d" % value,
    bool: lambda value: b"t" if value else b"f",
    float: lambda value: repr(value).encode(),
    type(None): lambda _: b"\\N",
    str: _copied_text,
    datetime: lambda value: value.isoformat().encode(),
    UUID: lambda value: value.hex.encode(),
    dict: lambda value: b"{}",  # the filler of a JSON column we do not know
}


def _bound(value: Any) -> Any:
    """A value as Django stores it in SQLite."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")
    if isinstance(value, UUID):
        return value.hex
    return "{}" if isinstance(value, dict) else value
