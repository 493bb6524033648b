"""Column values as JSON text: what the database stores is passed on as it is, and only what is not JSON is written.

Both engines give the same text: PostgreSQL sends JSON columns as text and times as times; SQLite has text for both,
numbers for booleans and bare hexadecimal for UUIDs, as Django stores them.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Text, case, cast, func, literal_column, type_coerce
from sqlalchemy.types import NullType

from ..db import Db

Writer = Callable[[Any], str]
_LONG_NUMBER = re.compile(r"[0-9]{19}")


@dataclass(frozen=True)
class Part:
    """One key of an exported object: the column it comes from and how its value is written. `is_json`: as it is stored."""

    key: str
    column: str
    write: Writer
    is_json: bool = False


def plain(value: Any) -> str:
    """A whole number or null."""
    return "null" if value is None else str(value)


def flag(value: Any) -> str:
    return "null" if value is None else "true" if value else "false"


def text(value: Any) -> str:
    return "null" if value is None else quoted(str(value))


def number(value: Any) -> str:
    """A float as Python writes it (`42.0`); null for what JSON cannot hold."""
    return "null" if value is None or not math.isfinite(value) else repr(float(value))


def moment(value: Any) -> str:
    """`"2026-11-22T04:26:48.394706Z"`; the fraction is left out when it is zero, as in Label Studio."""
    if value is None:
        return "null"
    if isinstance(value, datetime):
        return f'"{value.astimezone(UTC).isoformat()[:-6]}Z"'
    return quoted(str(value).replace(" ", "T", 1).removesuffix("+00:00") + "Z")


def uuid(value: Any) -> str:
    if value is None:
        return "null"
    try:
        return f'"{UUID(str(value))}"'
    except ValueError:
        return quoted(str(value))


def document(value: Any) -> str:
    """A JSON column, checked: what SQLite stores need not be JSON, and one broken value would spoil the whole export."""
    if value is None:
        return "null"
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError:
        return repaired(str(value))
    return value


def repaired(stored: str) -> str:
    """Text that the standard does not allow: what Python reads nevertheless (`NaN` becomes null), else a JSON string."""
    try:
        return dumps(json.loads(stored))
    except (ValueError, RecursionError):
        return quoted(stored)


def quoted(value: str) -> str:
    """A JSON string. Half characters, which no encoding holds, become question marks."""
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return orjson.dumps(value.encode("utf-8", "replace").decode()).decode()


def loads(text: str) -> Any:
    """JSON as Python values: integers of any length stay whole."""
    if not _LONG_NUMBER.search(text):
        with contextlib.suppress(orjson.JSONDecodeError):
            return orjson.loads(text)
    return json.loads(text)


def dumps(value: Any, *, indented: bool = False) -> str:
    """Python values as JSON text without escapes beyond need; infinities and NaN as null."""
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 if indented else 0).decode()
    except (TypeError, orjson.JSONEncodeError):  # an integer beyond 64 bits, or half a character
        written = json.dumps(_finite(value), ensure_ascii=False, indent=2 if indented else None,
                             separators=(",", ": " if indented else ":"))  # fmt: skip
        return written.encode("utf-8", "replace").decode()


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Template:
    """Writes rows of one table as the inside of JSON objects; `columns` are to be selected in this order, after the
    caller's own."""

    columns: Sequence[Any]
    pattern: str
    writers: Sequence[Writer]

    def __call__(self, values: Sequence[Any]) -> str:
        return self.pattern % tuple([write(value) for write, value in zip(self.writers, values, strict=True)])


def template(db: Db, table: str, parts: Sequence[Part]) -> Template:
    """A template of those parts that the release has columns for.

    PostgreSQL writes neighbouring parts itself, as one text; what it has no words for, and all of SQLite, is written here.
    """
    known = db.table(table).c
    columns: list[Any] = []
    patterns: list[str] = []
    writers: list[Writer] = []
    pending: list[Any] = []

    def flush() -> None:
        if pending:
            columns.append(func.concat(*pending))
            patterns.append("%s")
            writers.append(str)
            pending.clear()

    for part in parts:
        if part.column not in known:
            continue
        in_sql = _IN_SQL.get(part.write) if db.postgresql else None
        if in_sql is None:
            flush()
            columns.append(bare(db, known[part.column], is_json=part.is_json))
            patterns.append(f'"{part.key}":%s')
            writers.append(part.write)
        else:
            lead = "," if pending else ""
            pending += [literal_column(f"'{lead}\"{part.key}\":'"), in_sql(known[part.column])]
    flush()
    return Template(columns, ",".join(patterns), writers)


def bare(db: Db, column: Any, *, is_json: bool = False) -> Any:
    """A column without the work that the mapping would do on its values; JSON as text."""
    if db.postgresql and is_json:
        return cast(column, Text)
    return type_coerce(column, NullType())


def _or_null(value: Any) -> Any:
    return func.coalesce(value, literal_column("'null'"))


def _plain_in_sql(column: Any) -> Any:
    return _or_null(cast(column, Text))


def _text_in_sql(column: Any) -> Any:
    return _or_null(cast(func.to_json(column), Text))


def _uuid_in_sql(column: Any) -> Any:
    return _or_null(literal_column("'\"'").concat(cast(column, Text)).concat(literal_column("'\"'")))


def _moment_in_sql(column: Any) -> Any:
    written = func.to_char(func.timezone("UTC", column), literal_column("""'"\\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\\""'"""))
    return _or_null(func.replace(written, literal_column("'.000000Z'"), literal_column("'Z'")))


def _number_in_sql(column: Any) -> Any:
    """PostgreSQL leaves `.0` out; Python does not."""
    value = cast(column, Text)
    whole = (column == func.trunc(column)) & (func.abs(column) < 1e15)
    return case(
        (column.is_(None) | value.in_(["NaN", "Infinity", "-Infinity"]), "null"),
        (whole, value.concat(".0")),
        else_=value,
    )


_IN_SQL: dict[Writer, Callable[[Any], Any]] = {
    plain: _plain_in_sql,
    flag: _plain_in_sql,
    text: _text_in_sql,
    number: _number_in_sql,
    moment: _moment_in_sql,
    uuid: _uuid_in_sql,
    document: _plain_in_sql,
}
