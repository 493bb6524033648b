"""The shapes of an access matrix: one cell for each thing that Label Studio, a browser or a target storage needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

#: In the order in which they are tried and shown.
OPERATIONS = (
    "resolve", "list", "get", "head", "presign", "range", "preflight", "simple", "put", "delete",
)  # fmt: skip
#: ok: it works; failed: it does not; unknown: it could not be decided here; not_tried: it needs consent (PUT, DELETE);
#: not_applicable: this provider or this storage has no use for it.
State = Literal["ok", "failed", "unknown", "not_tried", "not_applicable"]


@dataclass(frozen=True)
class Cell:
    """One thing tried. `code` is the provider's own word, `statement` what to add to a policy (or the command to run),
    `detail` small facts such as the key tried, the status or a header; nothing in it is a secret."""

    operation: str
    state: State
    message: str
    code: str = ""
    statement: str = ""
    seconds: float = 0.0
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Matrix:
    """All that was tried of one storage. `key` is the object that was used, None when there was none."""

    reference: str
    title: str
    origin: str
    key: str | None
    cells: tuple[Cell, ...]
    seconds: float

    @property
    def worst(self) -> State:
        """failed before unknown before ok."""
        states = {cell.state for cell in self.cells}
        return "failed" if "failed" in states else "unknown" if "unknown" in states else "ok"

    def document(self) -> dict[str, Any]:
        """Plain data, as it is kept and printed."""
        return asdict(self) | {"worst": self.worst}
