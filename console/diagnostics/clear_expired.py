"""The change that removes expired rows in bulk: counted, never shown, and not taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from ..deployment import Deployment, expired
from ..errors import Refused


@dataclass(frozen=True)
class ClearExpired:
    """Delete rows of one kind (`sessions`, `tokens`) that expired before a moment (ISO). `rows` were counted."""

    what: str
    before: str
    rows: int

    op = "clear expired"
    family = "server"
    reversible = False

    @property
    def label(self) -> str:
        return f"table {expired.KINDS[self.what].table}"

    def lines(self) -> Iterator[dict[str, Any]]:
        yield {"label": self.label, "op": "delete", "column": f"rows expired before {self.before[:16].replace('T', ' ')} UTC",
               "before": f"{self.rows:,} rows", "after": "removed"}  # fmt: skip

    def document(self) -> dict[str, Any]:
        return {"op": self.op} | asdict(self)

    @classmethod
    def revived(cls, document: Mapping[str, Any]) -> ClearExpired:
        return cls(document["what"], document["before"], document["rows"])

    def carry_out(
        self, deployment: Deployment, progress: Callable[[int, int, str], None], stopped: Callable[[], bool]
    ) -> str:
        """Delete; returns what was done, in a sentence. Raises Refused when the role may not."""
        kind = expired.KINDS.get(self.what)
        if kind is None or not deployment.schema.has_table(kind.table):
            raise Refused(f"There is nothing here that is called expired {self.what}.")
        done = expired.remove(deployment, kind, datetime.fromisoformat(self.before), expected=self.rows,
                              progress=progress, stopped=stopped)  # fmt: skip
        rest = " Stopped before the end; what is left is found again." if stopped() else ""
        return f"{done:,} rows removed from {kind.table}.{rest}"
