"""One transaction on Label Studio's database in the name of one user: what every query and change here stands on.

Tables are taken as they really are in the attached database, so one function serves every release: `insert` and
`update` leave out columns the release lacks and fill columns it demands and we do not know. JSON columns can travel as
the text they are stored as (`raw`, `fragment`), which spares parsing what is only passed on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Table, Text, cast, delete, insert, literal, type_coerce, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Row
from sqlalchemy.orm import Session

from ..deployment.models import Json, UtcDateTime
from ..deployment.schema import RealColumn, Schema
from ..errors import NotFound

#: Largest id that a request may name; PostgreSQL and SQLite both hold it.
LARGEST_ID = 2**63 - 1


@dataclass(frozen=True)
class Caller:
    """Who asks. `organization_id` is the active organization, None while the account has none."""

    id: int
    email: str
    organization_id: int | None


@dataclass(frozen=True)
class Event:
    """What a change did, for the audit log. `subject` is `KIND:ID`; `data` holds no secret and no task data."""

    action: str
    subject: str
    rows: int = 1
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Db:
    """A transaction, its caller and its moment. `now` is one instant for every row of the transaction.

    `host` is Label Studio's `HOST`, which paths in task data begin with; empty for none.
    """

    session: Session
    schema: Schema
    caller: Caller
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    events: list[Event] = field(default_factory=list)
    #: what webhooks are told after the commit; see `webhooks.announce`
    announcements: list[Any] = field(default_factory=list)
    #: what target storages are owed after the commit; see `storages.after`
    storage_work: list[Any] = field(default_factory=list)
    host: str = ""
    _connection: Connection | None = field(default=None, init=False, repr=False)

    @property
    def connection(self) -> Connection:
        """The transaction's connection: statements take less time on it than through the session.

        Remembered by hand: before Python 3.12 a `cached_property` has one lock for all instances, and a transaction that
        waits for the database would make every other one wait, even the one whose end it waits for.
        """
        if self._connection is None:
            self._connection = self.session.connection()
        return self._connection

    @property
    def postgresql(self) -> bool:
        return self.schema.dialect == "postgresql"

    # --- what the release has

    def table(self, name: str) -> Table:
        """A table with all its real columns. Raises NotFound naming the release when it lacks the table."""
        return self.schema.table(name)

    def has(self, table: str, column: str | None = None) -> bool:
        """Whether the release has this table, or this column of it."""
        columns = self.schema.columns.get(table)
        return columns is not None and (column is None or column in columns)

    def columns(self, table: str, *names: str) -> list[Any]:
        """Those of the named columns that the release has."""
        found = self.table(table).c
        return [found[name] for name in names if name in found]

    # --- looking

    def once(self, name: str, build: Callable[[], Any]) -> Any:
        """A statement built at its first use on the attached schema; see `Schema.once`. `who` binds whom it asks for."""
        return self.schema.once(name, build)

    @property
    def who(self) -> dict[str, Any]:
        """Values for the parameters `caller_id` and `organization_id`."""
        return {"caller_id": self.caller.id, "organization_id": self.caller.organization_id}

    def rows(self, statement: Any, values: Mapping[str, Any] | None = None) -> Sequence[Row[Any]]:
        return self.connection.execute(statement, values).all()

    def first(self, statement: Any, values: Mapping[str, Any] | None = None) -> Row[Any] | None:
        return self.connection.execute(statement, values).first()

    def value(self, statement: Any) -> Any:
        """First column of the first row, or None."""
        return self.connection.execute(statement).scalar()

    def values(self, statement: Any) -> list[Any]:
        """First column of every row."""
        return list(self.connection.execute(statement).scalars())

    def raw(self, column: Any) -> Any:
        """A JSON column as the text it is stored as, under its own name. See `fragment`."""
        text = cast(column, Text) if self.postgresql else type_coerce(column, Text)
        return text.label(column.name)

    def fragment(self, text: str | None) -> Any:
        """Stored JSON text ready for `orjson.dumps` without being parsed. Text that is no JSON stays a string."""
        if text is None:
            return None
        if self.postgresql:
            return orjson.Fragment(text)
        try:
            orjson.loads(text)  # only PostgreSQL vouches for what it stores
        except orjson.JSONDecodeError:
            return _repaired(text)
        return orjson.Fragment(text)

    # --- changing

    def insert(self, table: str, values: Mapping[str, Any]) -> int:
        """Insert one row; its id, or 0 for a table without one. Unknown columns are left out, demanded ones filled."""
        target = self.table(table)
        statement = insert(target).values(self.fitted(table, values))
        if "id" not in target.c:
            self.connection.execute(statement)
            return 0
        return self.connection.execute(statement.returning(target.c.id)).scalar_one()

    def insert_many(self, table: str, rows: Iterable[Mapping[str, Any]]) -> list[int]:
        """Insert rows of one shape in few statements; their ids in order. For thousands of rows see `labeling.bulk`."""
        target = self.table(table)
        fitted = [self.fitted(table, row) for row in rows]
        if not fitted:
            return []
        if "id" not in target.c:
            self.connection.execute(insert(target), fitted)
            return []
        statement = insert(target).returning(target.c.id, sort_by_parameter_order=True)
        return list(self.connection.execute(statement, fitted).scalars())

    def update(self, table: str, where: Any, values: Mapping[str, Any]) -> int:
        """Set columns of the rows that match; how many there were. Unknown columns are left out."""
        target = self.table(table)
        known = {name: value for name, value in values.items() if name in target.c}
        if not known:
            return 0
        result = self.connection.execute(update(target).where(where).values(known))
        return result.rowcount

    def delete(self, table: str, where: Any) -> int:
        """Delete the rows that match; how many there were. Rows that refer to them are the caller's to delete first."""
        result = self.connection.execute(delete(self.table(table)).where(where))
        return result.rowcount

    def document(self, text: str) -> Any:
        """JSON text as a value to store, without parsing it here."""
        return cast(literal(text, Text), JSONB) if self.postgresql else literal(text, Text)

    def fitted(self, table: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values this release has columns for, and a neutral one for each column it demands beside them."""
        known = self.schema.columns.get(table)
        if known is None:
            raise NotFound(f"Label Studio {self.schema.label_studio_version} has no table {table}.")
        row = {name: value for name, value in values.items() if name in known}
        for column in self.schema.required(table):
            if column.name not in row and not (column.primary and column.name == "id"):
                row[column.name] = self._neutral(table, column)
        return row

    def _neutral(self, table: str, column: RealColumn) -> Any:
        kind = self.table(table).c[column.name].type
        name = column.type_name.lower()
        if isinstance(kind, UtcDateTime):
            return self.now
        if isinstance(kind, Json):
            return {}
        if name.startswith("bool"):
            return False
        if any(part in name for part in ("int", "real", "double", "float", "numeric", "decimal")):
            return 0
        return ""

    # --- telling

    def record(self, action: str, subject: str, *, rows: int = 1, **data: Any) -> None:
        """Note what was done; it is written to the audit log when the transaction is about to commit."""
        self.events.append(Event(action, subject, rows, data))


def _repaired(text: str) -> Any:
    """JSON as Python writes it and the standard does not allow (`NaN`), or the bare text when it is no JSON at all."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
