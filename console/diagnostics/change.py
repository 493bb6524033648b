"""Changes to Label Studio's rows: each knows the values it expects, what it writes, and its inverse.

A change names real tables and columns, so that a plan made yesterday still says today what it will do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Table,
    Text,
    and_,
    cast,
    delete,
    insert,
    inspect,
    literal,
    null,
    select,
    update,
)  # fmt: skip
from sqlalchemy.orm import DeclarativeBase, Session

from ..deployment.models import Json
from ..deployment.schema import RealColumn, Schema
from ..errors import Conflict, Refused
from ..masking import is_secret_column, mask, mask_text

#: Rows locked and compared by one statement.
CHUNK = 500
#: Characters of a value that a message of Conflict holds.
LONGEST_SHOWN = 500
TIME_MARK = "$time"
JSON_MARK = "$json"
#: Stands for the key of the row that the same plan added to a table last: `{KEY_OF: "io_storages_…mixin"}`.
KEY_OF = "$key_of"
SEALED_MARK = "$sealed"
#: How a statement calls the exact text of a JSON column.
TEXT_OF = "text of "


@dataclass(frozen=True)
class ExactJson:
    """A JSON column as the database holds it: undo brings every byte back, and an empty column is not `null`."""

    text: str

    @property
    def value(self) -> Any:
        """What the text says; the text itself when it is broken."""
        try:
            return json.loads(self.text)
        except ValueError:
            return self.text

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Sealed:
    """A secret as plans and the audit log keep it: encrypted, see `state.sealing`."""

    token: str


@dataclass(frozen=True)
class UpdateRow:
    """Change columns of one row that still holds the `before` values."""

    table: str
    key: Mapping[str, Any]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    op: str = field(default="update", init=False)

    def inverse(self) -> UpdateRow:
        return UpdateRow(self.table, self.key, self.after, self.before)


@dataclass(frozen=True)
class InsertRow:
    """Add one row, unless a row with the `unless` values is there. Columns the release demands are filled."""

    table: str
    values: Mapping[str, Any]
    unless: Mapping[str, Any]
    #: the primary key: known once written
    key: Mapping[str, Any] = field(default_factory=dict)
    op: str = field(default="insert", init=False)

    def inverse(self) -> DeleteRow:
        return DeleteRow(self.table, self.key, self.values)


@dataclass(frozen=True)
class DeleteRow:
    """Remove one row that still holds the `before` values (all of its columns)."""

    table: str
    key: Mapping[str, Any]
    before: Mapping[str, Any]
    op: str = field(default="delete", init=False)

    def inverse(self) -> InsertRow:
        return InsertRow(self.table, self.before, unless=self.key, key=self.key)


Change = UpdateRow | InsertRow | DeleteRow


def row_update(
    model: type[DeclarativeBase] | str, key: Any, *, before: Mapping[str, Any], after: Mapping[str, Any]
) -> UpdateRow:
    """An UpdateRow of a mapped class (its single key column) or of a table whose key is `id`."""
    table, column = (
        (model, "id") if isinstance(model, str) else (model.__tablename__, inspect(model).primary_key[0].name)
    )
    return UpdateRow(table, key if isinstance(key, Mapping) else {column: key}, before, after)


def label(change: Change) -> str:
    """How a page names the row: `task 48211`."""
    key = " ".join(str(value) for value in change.key.values()) or "new"
    return f"{change.table} {key}"


def diff(change: Change) -> Iterator[dict[str, Any]]:
    """One line per column that differs: label, op, column, before, after; secrets masked."""
    if isinstance(change, UpdateRow):
        before, after = change.before, change.after
    else:
        before = change.before if isinstance(change, DeleteRow) else {}
        after = change.values if isinstance(change, InsertRow) else {}
    for column in dict.fromkeys([*before, *after]):
        old, new = before.get(column), after.get(column)
        if isinstance(change, UpdateRow) and old == new:
            continue
        if is_secret_column(column):
            old, new = (None if value is None else "••••••" for value in (old, new))
        else:
            old, new = (mask(value.text if isinstance(value, ExactJson) else value) for value in (old, new))
        yield {"label": label(change), "op": change.op, "column": column, "before": old, "after": new}


def apply(session: Session, schema: Schema, changes: Sequence[Change]) -> list[Change]:
    """Write all changes inside the session's transaction; returns them with the keys that inserts were given.

    Raises Conflict, naming the first row that no longer holds its `before` values; the caller rolls back.
    """
    written: list[Change] = []
    for (op, table, *_), group in groupby(changes, key=_shape):
        target = schema.table(table)
        if op == "update":
            for batch in _batches(group):  # type: ignore[arg-type]
                written += _update(session, target, batch)
        elif op == "insert":
            for change in group:
                written.append(_insert(session, schema, target, _with_keys(change, written)))  # type: ignore[arg-type]
        else:
            written += [_delete(session, target, change) for change in group]  # type: ignore[arg-type]
    return written


def _shape(change: Change) -> tuple[str, str, tuple[str, ...]]:
    columns = (*change.key, *change.before, *change.after) if isinstance(change, UpdateRow) else ()
    return change.op, change.table, columns


def _batches(changes: Iterable[UpdateRow]) -> Iterator[list[UpdateRow]]:
    """At most CHUNK changes at a time, no row twice: the second change of a row expects what the first one wrote."""
    batch: dict[tuple[Any, ...], UpdateRow] = {}
    for change in changes:
        key = tuple(change.key.values())
        if key in batch or len(batch) == CHUNK:
            yield list(batch.values())
            batch = {}
        batch[key] = change
    if batch:
        yield list(batch.values())


def _update(session: Session, table: Table, batch: list[UpdateRow]) -> list[UpdateRow]:
    key = next(iter(batch[0].key))
    watched = list(dict.fromkeys([key, *batch[0].before, *batch[0].after]))
    statement = select(*_with_texts(table, watched)).where(table.c[key].in_([change.key[key] for change in batch]))
    found = {row[key]: row for row in session.execute(statement.with_for_update().order_by(table.c[key])).mappings()}
    for change in batch:
        row = found.get(change.key[key])
        if row is None:
            raise Conflict(
                f"{label(change)} is gone. Nothing was written; run the check again and review the new plan."
            )
        for column, expected in change.before.items():
            if not same(row[column], expected):
                shown = (
                    "another secret"
                    if is_secret_column(column)
                    else mask_text(repr(plain(row[column]))[:LONGEST_SHOWN])
                )
                raise Conflict(
                    f"{label(change)} changed since this plan was made ({column} is now {shown}). "
                    "Nothing was written; run the check again and review the new plan."
                )
    for alike in _by_value(batch):
        keys = [change.key[key] for change in alike]
        result = session.execute(update(table).where(table.c[key].in_(keys)).values(_bound(alike[0].after)))
        if result.rowcount != len(alike):  # type: ignore[attr-defined]
            raise Conflict(f"{label(alike[0])} could not be changed. Nothing was written; run the check again.")
    written = []
    for change in batch:
        was = _exact(table, found[change.key[key]])
        names = dict.fromkeys([*change.before, *change.after])
        written.append(UpdateRow(change.table, change.key, {name: was[name] for name in names}, change.after))
    return written


def _by_value(batch: Sequence[UpdateRow]) -> list[list[UpdateRow]]:
    """Changes that write the same values together: a statement each, not one per row."""
    groups: dict[str, list[UpdateRow]] = {}
    for change in batch:
        groups.setdefault(json.dumps(plain(change.after), sort_keys=True), []).append(change)
    return list(groups.values())


def _with_keys(change: InsertRow, written: Sequence[Change]) -> InsertRow:
    """The same row with the keys of rows that were added before it in place of their marks."""
    values = dict(change.values)
    for name, value in values.items():
        if isinstance(value, Mapping) and set(value) == {KEY_OF}:
            added = [row for row in written if isinstance(row, InsertRow) and row.table == value[KEY_OF]]
            values[name] = next(iter(added[-1].key.values()))
    return replace(change, values=values)


def _insert(session: Session, schema: Schema, table: Table, change: InsertRow) -> InsertRow:
    if change.unless:
        there = session.execute(select(literal(1)).select_from(table).where(_where(table, change.unless)).limit(1))
        if there.first() is not None:
            raise Conflict(f"A row of {change.table} with {dict(change.unless)} is there by now. Nothing was written.")
    keys = table.primary_key.columns.keys()
    if not keys:
        raise Refused(f"{change.table} has no primary key; a row added there could not be undone.")
    values = {name: value for name, value in change.values.items() if name in table.c}
    for column in schema.required(change.table):
        if column.name not in values:
            values[column.name] = _filler(column)
    result: Any = session.execute(insert(table).values(_bound(values)))
    identity = {name: plain(values.get(name, result.inserted_primary_key[at])) for at, name in enumerate(keys)}
    row = session.execute(select(*_with_texts(table)).where(_where(table, identity))).mappings().one()
    return InsertRow(change.table, _exact(table, row), change.unless, identity)


def _delete(session: Session, table: Table, change: DeleteRow) -> DeleteRow:
    where = _where(table, change.key)
    row = session.execute(select(*_with_texts(table)).where(where).with_for_update()).mappings().first()
    if row is None:
        raise Conflict(f"{label(change)} is gone already. Nothing was written.")
    for column, expected in change.before.items():
        if not same(row[column], expected):
            raise Conflict(f"{label(change)} changed since this plan was made ({column}). Nothing was written.")
    session.execute(delete(table).where(where))
    return DeleteRow(change.table, change.key, _exact(table, row))


def _where(table: Table, values: Mapping[str, Any]) -> ColumnElement[bool]:
    return and_(*(table.c[name] == value for name, value in values.items()))


def _with_texts(table: Table, names: Iterable[str] | None = None) -> list[ColumnElement[Any]]:
    """Columns to select; a JSON column comes with its exact text beside it."""
    columns: list[ColumnElement[Any]] = [table.c[name] for name in names or table.c.keys()]
    texts = [cast(column, Text).label(TEXT_OF + column.name) for column in columns if isinstance(column.type, Json)]
    return [*columns, *texts]


def _exact(table: Table, row: RowMapping) -> dict[str, Any]:
    """A row as selected with its texts, JSON columns exactly as the database holds them."""
    values = {str(name): value for name, value in row.items() if not name.startswith(TEXT_OF)}
    for name in values:
        if isinstance(table.c[name].type, Json):
            text = row[TEXT_OF + name]
            values[name] = None if text is None else ExactJson(text)
    return values


def _bound(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values for a statement: nothing is SQL's NULL in a JSON column too, and exact JSON goes as the text it is."""
    return {
        name: null() if value is None else literal(value.text, Text()) if isinstance(value, ExactJson) else value
        for name, value in values.items()
    }


def _filler(column: RealColumn) -> Any:
    """A harmless value for a column that a newer release demands and we do not know."""
    name = column.type_name.lower()
    if name == "uuid":
        return uuid4()
    if column.primary:
        return uuid4().hex
    if name.startswith("bool"):
        return False
    if name.startswith(("timestamp", "datetime", "date")):
        return datetime.now(UTC)
    if name in {"json", "jsonb"}:
        return {}
    if name == "interval":
        return timedelta(0)
    if any(word in name for word in ("int", "real", "double", "numeric", "decimal")):
        return 0
    return ""


def same(actual: Any, expected: Any) -> bool:
    """Equal as the database sees it: times by instant, JSON by content, numbers and booleans by value."""
    actual, expected = (item.value if isinstance(item, ExactJson) else item for item in (actual, expected))
    return plain(actual) == plain(expected)


def plain(value: Any) -> Any:
    """A value as JSON can hold it; times, exact JSON and sealed secrets carry a mark so that `revive` brings them back."""
    if isinstance(value, datetime):
        aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return {TIME_MARK: aware.isoformat()}
    if isinstance(value, ExactJson):
        return {JSON_MARK: value.text}
    if isinstance(value, Sealed):
        return {SEALED_MARK: value.token}
    if isinstance(value, date | UUID):
        return str(value)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def revive(value: Any) -> Any:
    """The inverse of `plain` for times, exact JSON and sealed secrets."""
    if isinstance(value, dict):
        if set(value) == {TIME_MARK}:
            return datetime.fromisoformat(value[TIME_MARK])
        if set(value) == {JSON_MARK}:
            return ExactJson(value[JSON_MARK])
        if set(value) == {SEALED_MARK}:
            return Sealed(value[SEALED_MARK])
        return {name: revive(item) for name, item in value.items()}
    if isinstance(value, list):
        return [revive(item) for item in value]
    return value


def to_dict(change: Change) -> dict[str, Any]:
    """A change as JSON; `from_dict` is its inverse."""
    names = {"update": ("before", "after"), "insert": ("values", "unless"), "delete": ("before",)}[change.op]
    return {"op": change.op, "table": change.table, "key": plain(dict(change.key))} | {
        name: plain(dict(getattr(change, name))) for name in names
    }


def from_dict(document: Mapping[str, Any]) -> Change:
    table, key = document["table"], revive(document["key"])
    if document["op"] == "update":
        return UpdateRow(table, key, revive(document["before"]), revive(document["after"]))
    if document["op"] == "insert":
        return InsertRow(table, revive(document["values"]), revive(document["unless"]), key)
    return DeleteRow(table, key, revive(document["before"]))
