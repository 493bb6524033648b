"""Changes to the database server's state that are no rows: maintenance, sequences, sessions.

VACUUM and REINDEX CONCURRENTLY run outside of transactions, a sequence moves whatever becomes of the transaction, and a
session that was ended stays ended; so these are carried out one by one (`server_steps`), and written down as they go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

#: What a maintenance action is called in SQL; what it is told about stands behind it.
STATEMENTS = {
    "vacuum": "VACUUM",
    "vacuum_analyze": "VACUUM (ANALYZE)",
    "analyze": "ANALYZE",
    "vacuum_full": "VACUUM FULL",
    "reindex_index": "REINDEX INDEX CONCURRENTLY",
    "reindex_table": "REINDEX TABLE CONCURRENTLY",
    "drop_leftover": "DROP INDEX CONCURRENTLY",
    "sqlite_vacuum": "VACUUM",
    "sqlite_analyze": "ANALYZE",
}


@dataclass(frozen=True)
class Maintain:
    """One maintenance action on one table or index, named as the catalogue names it."""

    action: str
    table: str
    index: str = ""
    schema: str = "public"
    size_bytes: int | None = None

    op = "maintain"
    family = "server"
    reversible = False

    @property
    def label(self) -> str:
        return f"index {self.index}" if self.index else f"table {self.table}" if self.table else "database"

    def lines(self) -> Iterator[dict[str, Any]]:
        size = f"{self.size_bytes:,} bytes" if self.size_bytes is not None else None
        yield {"label": self.label, "op": "update", "column": "maintenance", "before": size,
               "after": STATEMENTS[self.action]}  # fmt: skip

    def document(self) -> dict[str, Any]:
        return {"op": self.op} | asdict(self)

    @classmethod
    def revived(cls, document: Mapping[str, Any]) -> Maintain:
        names = ("action", "table", "index", "schema", "size_bytes")
        return cls(*(document[name] for name in names))


@dataclass(frozen=True)
class SetSequence:
    """Move a sequence that still stands at `before`, so that the next id is `after` + 1."""

    schema: str
    sequence: str
    table: str
    column: str
    before: int
    after: int

    op = "set sequence"
    family = "server"
    reversible = True

    @property
    def label(self) -> str:
        return f"sequence {self.sequence}"

    def lines(self) -> Iterator[dict[str, Any]]:
        yield {"label": self.label, "op": "update", "column": f"last value ({self.table}.{self.column})",
               "before": self.before, "after": self.after}  # fmt: skip

    def document(self) -> dict[str, Any]:
        return {"op": self.op} | asdict(self)

    @classmethod
    def revived(cls, document: Mapping[str, Any]) -> SetSequence:
        names = ("schema", "sequence", "table", "column", "before", "after")
        return cls(*(document[name] for name in names))

    def inverse(self) -> SetSequence:
        return SetSequence(self.schema, self.sequence, self.table, self.column, self.after, self.before)


@dataclass(frozen=True)
class EndSession:
    """Cancel the statement of one session, or end the session; the same one still: pid and `backend_start` (ISO).

    `unchanged_since` (ISO) is when the transaction began that it has to be in still, or, for a session in none, when it
    fell idle; empty: whatever it does by now.
    """

    pid: int
    backend_start: str
    user: str
    application: str
    how: str
    unchanged_since: str = ""

    op = "end session"
    family = "server"
    reversible = False

    @property
    def label(self) -> str:
        return f"session {self.pid}"

    def lines(self) -> Iterator[dict[str, Any]]:
        what = f"{self.application or 'no application name'}, user {self.user}, since {self.backend_start}"
        what += f", unchanged since {self.unchanged_since}" if self.unchanged_since else ""
        after = "its statement cancelled" if self.how == "cancel" else "ended"
        yield {"label": self.label, "op": "update", "column": what, "before": "connected", "after": after}

    def document(self) -> dict[str, Any]:
        return {"op": self.op} | asdict(self)

    @classmethod
    def revived(cls, document: Mapping[str, Any]) -> EndSession:
        names = ("pid", "backend_start", "user", "application", "how")
        kept = {name: document[name] for name in names}
        return cls(**kept, unchanged_since=document.get("unchanged_since", ""))


ServerChange = Maintain | SetSequence | EndSession
