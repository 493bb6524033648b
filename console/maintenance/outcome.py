"""What became of a maintenance action: sizes before and after, how it ended, and what to say about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..errors import Refused
from . import actions
from .preview import size


@dataclass(frozen=True)
class Sizes:
    """Bytes of the table with its toast, of its indexes, and PostgreSQL's count of dead rows."""

    heap_bytes: int
    index_bytes: int
    dead_rows: int | None = None

    @property
    def total_bytes(self) -> int:
        return self.heap_bytes + self.index_bytes


@dataclass(frozen=True)
class Outcome:
    """What became of it. `status`: done, stopped (was asked to), gave_up (others held the table), failed (an error).

    `before` and `after` are of the whole table; None where they could not be read. `leftovers`: invalid indexes that
    stand there now, by name.
    """

    status: str
    action: str
    subject: str
    statements: tuple[str, ...]
    before: Sizes | None
    after: Sizes | None
    seconds: float
    attempts: int
    messages: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()

    @property
    def done(self) -> bool:
        return self.status == "done"

    @property
    def told(self) -> str:
        """What happened, in a sentence or two, for the audit log."""
        words = [
            f"{actions.get(self.action).title} of {self.subject}: {self.status.replace('_', ' ')}, {self._change()}"
        ]
        return " ".join([*words, *self.messages])

    def _change(self) -> str:
        """Sizes before and after, and the time it took."""
        spent = f"{self.seconds:.0f} s." if self.seconds < 90 else f"{self.seconds / 60:.0f} min."
        if self.before is None or self.after is None:
            return spent
        said = f"{size(self.before.total_bytes)} before, {size(self.after.total_bytes)} after, "
        if self.before.dead_rows is not None and self.after.dead_rows is not None:
            said += f"dead rows {self.before.dead_rows:,} before, {self.after.dead_rows:,} after, "
        return said + spent

    def document(self) -> dict[str, Any]:
        """Plain data, for the audit and for jobs."""
        return asdict(self) | {"statements": list(self.statements), "messages": list(self.messages),
                               "leftovers": list(self.leftovers)}  # fmt: skip


class NotDone(Refused):
    """An action that was begun and did not get through: `outcome` tells how far it came."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(outcome.told)
