"""Invalid indexes that a REINDEX CONCURRENTLY leaves behind when it is cut off: found, and removed.

They are named `…_ccnew` (the new one, unfinished) or `…_ccold` (the old one, replaced already). They serve no query and
cost every write. An invalid index of another name is one of Label Studio's own that was never finished: it is rebuilt.

Source: PostgreSQL's manual, "Rebuilding Indexes Concurrently".
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg2 import sql

from ..deployment import Deployment
from ..errors import NotApplicable
from .links import Link, link
from .targets import Index, identifier, indexes_of, invalid_indexes


@dataclass(frozen=True)
class Leftover:
    """One leftover, fit for a `drop_leftover`; `building` ones are somebody's at this moment and stay."""

    schema: str
    table: str
    index: str
    size_bytes: int
    building: bool


def leftovers(deployment: Deployment) -> list[Leftover]:
    """All leftovers of Label Studio's schemas. Raises NotApplicable on SQLite."""
    if deployment.kind != "postgresql":
        raise NotApplicable("SQLite builds no index beside its work.")
    with link(deployment) as opened:
        return [
            Leftover(index.schema, index.table, index.name, index.size_bytes, index.building)
            for index in invalid_indexes(opened) if index.leftover
        ]  # fmt: skip


def left_on(opened: Link, table_oid: int) -> list[Index]:
    """The leftovers of one table that nobody is at work on."""
    return [index for index in indexes_of(opened, table_oid) if index.leftover and not index.building]


def drop(opened: Link, index: Index, *, lock_seconds: float, seconds: float) -> None:
    """Drop one leftover within these limits. Raises psycopg2.Error; a drop cut off can be tried again."""
    opened.set(lock_timeout=int(lock_seconds * 1000), statement_timeout=int(seconds * 1000))
    try:
        opened.run(
            sql.SQL("DROP INDEX CONCURRENTLY {}").format(identifier(index.schema, index.name)), seconds=seconds + 5
        )
    finally:
        opened.set(statement_timeout=0)
