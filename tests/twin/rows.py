"""Every row of every table of two databases, compared column by column, as the driver hands them over."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, create_engine, inspect, text

from tests.twin.compare import Matcher, shown

#: Tables nobody compares, and why.
IGNORED_TABLES: Mapping[str, str] = {
    "django_session": "sessions are signed cookies; the table is a leftover",
    "django_migrations": "belongs to the installation",
    "django_content_type": "belongs to the installation",
    "auth_permission": "belongs to the installation",
}
#: Tables whose primary key is a random text; their rows are told apart by another unique column.
KEYS: Mapping[str, Sequence[str]] = {"authtoken_token": ["user_id"]}
Rows = Mapping[str, Mapping[str, Mapping[str, Any]]]


def engine_of(url: str) -> Engine:
    """An engine for this `sqlite:///` or `postgresql://` URL."""
    return create_engine(url.replace("postgresql://", "postgresql+psycopg2://", 1))


def primary_keys(engine: Engine) -> dict[str, Sequence[str]]:
    """Table -> the columns of its primary key, of every table that is compared."""
    inspector = inspect(engine)
    names = (name for name in inspector.get_table_names() if name not in IGNORED_TABLES)
    return {name: KEYS.get(name) or inspector.get_pk_constraint(name)["constrained_columns"] for name in sorted(names)}


def read_rows(engine: Engine, tables: Mapping[str, Sequence[str]]) -> Rows:
    """Every row of these tables: table -> primary key as text -> column -> value."""
    with engine.connect() as connection:
        return {table: _rows(connection, table, key) for table, key in tables.items()}


def row_differences(theirs: Rows, ours: Rows, matcher: Matcher, ignore: Mapping[str, str]) -> Iterator[str]:
    """One line per difference. `ignore`: table, or `table.column`, or `table.column.key` of JSON -> the reason."""
    for table, left in theirs.items():
        if table in ignore:
            continue
        right = ours[table]
        columns = [name.partition(".")[2] for name in ignore if name.startswith(f"{table}.")]
        for missing in sorted(left.keys() - right.keys()):
            yield f"{table} {missing}: only Label Studio has this row: {shown(left[missing])}"
        for extra in sorted(right.keys() - left.keys()):
            yield f"{table} {extra}: only the console has this row: {shown(right[extra])}"
        for both in sorted(left.keys() & right.keys()):
            if repr(left[both]) == repr(right[both]):
                continue  # most rows of most tables
            for line in matcher.differences(left[both], right[both], ignore=columns):
                yield f"{table} {both} {line}"


def plain(value: Any) -> Any:
    """A column's value as JSON would have it; texts that hold a JSON object or list are read."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    if isinstance(value, UUID):
        return str(value)
    return bytes(value) if isinstance(value, memoryview) else value


def _rows(connection: Connection, table: str, key: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    rows = connection.execute(text(f'SELECT * FROM "{table}"')).mappings()
    return {",".join(str(row[name]) for name in key): {name: plain(row[name]) for name in row} for row in rows}
