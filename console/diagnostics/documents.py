"""Changes of every kind, as plans keep and show them.

Three families: rows of Label Studio's tables (one transaction, all or none), its queues and the database server (step by
step, each step written down). A plan holds changes of one family.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from ..errors import Refused
from . import change as rows
from .clear_expired import ClearExpired
from .queue_changes import ForgetWorker, JobChange, QueueChange, RestoreJob
from .server_changes import EndSession, Maintain, ServerChange, SetSequence

StepChange = QueueChange | ServerChange | ClearExpired
AnyChange = rows.Change | StepChange

_ROWS = (rows.UpdateRow, rows.InsertRow, rows.DeleteRow)
_STEPS: tuple[type[Any], ...] = (JobChange, RestoreJob, ForgetWorker, Maintain, SetSequence, EndSession, ClearExpired)
_BY_OP: dict[str, type[Any]] = {kind.op: kind for kind in _STEPS}


def to_dict(change: AnyChange) -> dict[str, Any]:
    """A change as JSON; `from_dict` is its inverse."""
    return rows.to_dict(change) if isinstance(change, _ROWS) else change.document()


def from_dict(document: Mapping[str, Any]) -> AnyChange:
    kind = _BY_OP.get(document["op"])
    return kind.revived(document) if kind else rows.from_dict(document)


def step_of(document: Mapping[str, Any]) -> StepChange:
    """A change of a queue or of the server. Raises Refused for a row."""
    kind = _BY_OP.get(document["op"])
    if kind is None:
        raise Refused(f"{document['op']} is a change of a row, not a step.")
    return cast(StepChange, kind.revived(document))


def diff(change: AnyChange) -> Iterator[dict[str, Any]]:
    """One line per thing that differs: label, op, column, before, after; secrets masked."""
    return rows.diff(change) if isinstance(change, _ROWS) else change.lines()


def family_of(documents: Sequence[Mapping[str, Any]]) -> str:
    """`rows`, `queue` or `server`: how a plan of these documents is carried out. Raises Refused for a mixture."""
    found = {kind.family if (kind := _BY_OP.get(document["op"])) else "rows" for document in documents}
    if len(found) > 1:
        raise Refused(f"One plan cannot change {' and '.join(sorted(found))} together; plan them apart.")
    return found.pop() if found else "rows"


def is_reversible(changes: Sequence[AnyChange]) -> bool:
    """Whether every change has an inverse of its own."""
    return all(getattr(change, "reversible", True) for change in changes)
