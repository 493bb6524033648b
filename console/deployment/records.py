"""Single rows as Label Studio stores them, and what stands beside them: bounded, and in few statements.

Everything here answers in milliseconds on a deployment of millions of rows: rows are found by primary key, lists by
an index, counts stop at `COUNT_LIMIT`. Columns that hold secrets are not even selected.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, Float, Integer, Select, Text, case, cast, func, literal, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from ..errors import NotFound
from ..masking import MASK, is_secret_column, mask, mask_text
from ..passwords import FORMATS
from .models import Annotation, Json, Organization, OrganizationMember, Project, Task, User, UtcDateTime
from .schema import Schema

#: Counting stops here: a page says "over 10,000" in milliseconds instead of the exact number in seconds.
COUNT_LIMIT = 10_000
#: Characters of one value that are read and shown.
VALUE_CHARS = 20_000
#: What people call a row of each kind.
NAMES: dict[str, InstrumentedAttribute[Any]] = {
    "user": User.email, "organization": Organization.title, "project": Project.title,
}  # fmt: skip
MODELS: dict[str, type] = {
    "user": User, "organization": Organization, "organizationmember": OrganizationMember, "project": Project,
    "task": Task, "annotation": Annotation,
}  # fmt: skip


@dataclass(frozen=True)
class Value:
    """One column of a row, fit to be shown: masked, bounded, JSON laid out."""

    column: str
    content: Any
    cut: bool = False


def row_id(text: str | None) -> int:
    """An id from an address. Raises NotFound for anything that cannot be one."""
    given = (text or "").strip()
    if not (given.isascii() and given.isdigit() and len(given) < 19):
        raise NotFound(f"{given[:40]!r} is no id; ids are whole numbers.")
    return int(given)


def stored_row(session: Session, schema: Schema, kind: str, key: int) -> dict[str, Any]:
    """Every column of one row but the secret ones, long values cut one character past `VALUE_CHARS`.

    A user's `password` is told by its format alone. Raises NotFound.
    """
    name = MODELS[kind].__tablename__  # type: ignore[attr-defined]
    table = schema.table(name)
    chosen = [_readable(column) for column in table.c if not is_secret_column(column.name)]
    if kind == "user" and "password" in table.c:
        chosen.append(password_format(table.c.password).label("password_format"))
    row = session.execute(select(*chosen).where(table.c.id == key)).mappings().first()
    if row is None:
        raise NotFound(f"There is no {kind.replace('organizationmember', 'membership')} {key}.")
    return dict(row)


def password_format(column: Any) -> Any:
    """The format of a password hash as SQL: its name, `unusable`, `none` or `unknown`. The hash stays where it is."""
    known = [(column.like(f"{name}$%"), name) for name in FORMATS]
    return case((column.is_(None), "none"), (column == "", "none"), (column.like("!%"), "unusable"), *known, else_="unknown")  # fmt: skip


def _readable(column: Any) -> Any:
    if isinstance(column.type, Integer | Boolean | Float | UtcDateTime):
        return column
    return func.substr(cast(column, Text), 1, VALUE_CHARS + 1).label(column.name)


def shown(schema: Schema, kind: str, row: Mapping[str, Any]) -> list[Value]:
    """The columns of a row from `stored_row` in the order of the table; secret ones as a mask."""
    table = schema.table(MODELS[kind].__tablename__)  # type: ignore[attr-defined]
    values = []
    for column in table.c:
        if column.name not in row:
            known = row.get("password_format") if column.name == "password" else None
            values.append(Value(column.name, f"{known}, {MASK}" if known else f"{MASK} (not read)"))
            continue
        content = row[column.name]
        cut = isinstance(content, str) and len(content) > VALUE_CHARS
        values.append(Value(column.name, _laid_out(column, content, cut), cut))
    return values


def _laid_out(column: Any, content: Any, cut: bool) -> Any:
    if not isinstance(content, str):
        return content
    if isinstance(column.type, Json) and not cut:
        try:
            return json.dumps(mask(json.loads(content)), indent=2, ensure_ascii=False)[:VALUE_CHARS]
        except (ValueError, RecursionError):
            return mask_text(content)
    return mask_text(content[:VALUE_CHARS])


def capped_counts(session: Session, wanted: Mapping[str, Select[Any]]) -> dict[str, int]:
    """Rows of several statements in one round trip; a number over `COUNT_LIMIT` means "more than that"."""
    if not wanted:
        return {}
    counted = [
        select(func.count()).select_from(statement.limit(COUNT_LIMIT + 1).subquery()).scalar_subquery().label(name)
        for name, statement in wanted.items()
    ]
    return dict(session.execute(select(*counted)).mappings().one())


def names(session: Session, wanted: Mapping[str, Iterable[int | None]]) -> dict[tuple[str, int], str]:
    """What people call these users, organizations and projects: (kind, id) -> name, in one statement."""
    parts = []
    for kind, ids in wanted.items():
        known = sorted({number for number in ids if number is not None})
        if known:
            column = NAMES[kind]
            owner = column.class_
            parts.append(
                select(literal(kind).label("kind"), owner.id.label("id"), column.label("name")).where(
                    owner.id.in_(known)
                )
            )
    if not parts:
        return {}
    return {(row.kind, row.id): mask_text(row.name or "") for row in session.execute(union_all(*parts))}


def memberships(
    session: Session, schema: Schema, *, user: int | None = None, organization: int | None = None, limit: int = 50
) -> list[dict[str, Any]]:
    """Rows of one user or one organization, oldest first: id, both ids and names, `deleted_at` (None for a member)."""
    deleted = OrganizationMember.deleted_at if schema.has(OrganizationMember.deleted_at) else literal(None)
    statement = (
        select(OrganizationMember.id, OrganizationMember.organization_id, OrganizationMember.user_id,
               Organization.title.label("organization"), User.email.label("email"),
               OrganizationMember.created_at, deleted.label("deleted_at"))
        .outerjoin(Organization, Organization.id == OrganizationMember.organization_id)
        .outerjoin(User, User.id == OrganizationMember.user_id)
        .order_by(OrganizationMember.id).limit(limit)
    )  # fmt: skip
    if user is not None:
        statement = statement.where(OrganizationMember.user_id == user)
    if organization is not None:
        statement = statement.where(OrganizationMember.organization_id == organization)
    return [dict(row) for row in session.execute(statement).mappings()]


def task_annotations(session: Session, task_id: int, limit: int = 50) -> list[dict[str, Any]]:
    """Annotations of a task, oldest first, with the e-mail of who made them."""
    statement = (
        select(Annotation.id, Annotation.completed_by_id, User.email.label("made_by"), Annotation.was_cancelled,
               Annotation.ground_truth, Annotation.result_count, Annotation.updated_at)
        .outerjoin(User, User.id == Annotation.completed_by_id)
        .where(Annotation.task_id == task_id).order_by(Annotation.id).limit(limit)
    )  # fmt: skip
    return [dict(row) for row in session.execute(statement).mappings()]


def estimated_rows(session: Session, schema: Schema) -> dict[str, int]:
    """PostgreSQL's own estimate of rows per table; on SQLite nothing, there is none to be had."""
    if schema.dialect != "postgresql":
        return {}
    found = session.connection().exec_driver_sql(
        "select relname, reltuples::bigint from pg_class where relkind in ('r', 'p') and relnamespace = any"
        " (select oid from pg_namespace where nspname = any (current_schemas(false)))"
    )
    return {name: int(rows) for name, rows in found.all() if rows >= 0}
