"""Rows that have expired and mean nothing any more: sessions and access tokens. Counting them, removing them.

What is removed is named here and nowhere else: a table, its moment of expiry, and rows of other tables that refer to
it. What a session or token holds is never read; only their keys are, to be deleted by.

Source: Django's `clearsessions` and djangorestframework-simplejwt's `flushexpiredtokens`, which delete the same rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Table, delete, func, select, text
from sqlalchemy.orm import Session

from .attach import Deployment
from .models import as_utc
from .schema import Schema

#: Rows deleted by one transaction.
CHUNK_ROWS = 1000
#: What expired since stays: clocks of several machines differ, and somebody may be looking into it.
GRACE = timedelta(days=1)
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Kind:
    """One kind of rows that expire. `order` leads through them in the order of an index; `also` refers to them."""

    name: str
    table: str
    key: str
    expires: str
    order: str
    also: tuple[tuple[str, str], ...] = ()


KINDS = {
    "sessions": Kind("sessions", "django_session", "session_key", "expire_date", "expire_date"),
    "tokens": Kind("tokens", "token_blacklist_outstandingtoken", "id", "expires_at", "id",
                   also=(("token_blacklist_blacklistedtoken", "token_id"),)),
}  # fmt: skip


@dataclass(frozen=True)
class Expired:
    """How many rows expired before a moment, how many others there are, and the earliest expiry."""

    expired: int
    kept: int
    oldest: datetime | None
    size_bytes: int | None


def state(session: Session, schema: Schema, kind: Kind, before: datetime) -> Expired:
    """Count; an index or one pass over the table answers it."""
    table = schema.table(kind.table)
    expires = table.c[kind.expires]
    gone, oldest = session.execute(select(func.count(), func.min(expires)).where(expires < before)).one()
    total = session.scalar(select(func.count()).select_from(table)) or 0
    size = None
    if schema.dialect == "postgresql":
        size = session.scalar(text("select pg_total_relation_size(to_regclass(:name))"), {"name": kind.table})
    return Expired(gone, total - gone, as_utc(oldest), size)


def remove(
    deployment: Deployment, kind: Kind, before: datetime, *, expected: int, progress: Progress,
    stopped: Callable[[], bool],
) -> int:  # fmt: skip
    """Delete what expired before a moment, chunk by chunk, each its own transaction; returns the rows deleted.

    Ends early when `stopped()`; what is deleted stays so, and starting again goes on from there. Raises Refused with
    the GRANT when the fixing role may not.
    """
    done, reached = 0, None
    while not stopped():
        with deployment.write() as session:
            keys, reached = _next(session, deployment.schema, kind, before, reached)
            done += _delete(session, deployment.schema, kind, keys, before)
        progress(done, max(expected, done), f"{done:,} rows removed from {kind.table}")
        if len(keys) < CHUNK_ROWS:
            break
    return done


def _next(session: Session, schema: Schema, kind: Kind, before: datetime, reached: Any) -> tuple[list[Any], Any]:
    """Keys of the next rows, and how far they reach. Dead index entries of earlier chunks are not passed again."""
    table = schema.table(kind.table)
    order = table.c[kind.order]
    statement = select(table.c[kind.key], order.label("reached")).where(table.c[kind.expires] < before)
    if reached is not None:
        statement = statement.where(order >= reached)
    rows = session.execute(statement.order_by(order).limit(CHUNK_ROWS)).all()
    return [row[0] for row in rows], rows[-1].reached if rows else reached


def _delete(session: Session, schema: Schema, kind: Kind, keys: list[Any], before: datetime) -> int:
    """The condition is asked again: a row that was given a later expiry meanwhile stays."""
    if not keys:
        return 0
    table = schema.table(kind.table)
    still = table.c[kind.key].in_(keys) & (table.c[kind.expires] < before)
    for name, column in kind.also:
        if schema.has_table(name):
            _delete_by(session, schema.table(name), column, select(table.c[kind.key]).where(still))
    return session.execute(delete(table).where(still)).rowcount  # type: ignore[attr-defined]


def _delete_by(session: Session, table: Table, column: str, keys: Any) -> None:
    session.execute(delete(table).where(table.c[column].in_(keys)))
