"""What the browser of somebody who labels gets of a storage's files: the access matrix, read by several checks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlalchemy import select

from ..deployment.keys import family
from ..deployment.models import Project
from ..deployment.storages import Storage
from ..doctor.cells import Cell, Matrix
from ..errors import NotApplicable, Unknown
from .check import Context, Evidence
from .sources import address, in_use

_PLAYERS = re.compile(r"<(?:Audio|AudioPlus|Video|TimeSeries)\b", re.IGNORECASE)
_LINKED = ("s3", "gcs", "azure")


def looked_at(ctx: Context) -> Iterator[tuple[Storage, Matrix | Unknown]]:
    """Sources whose files browsers fetch from the bucket itself, with their matrices. Raises NotApplicable without any."""
    linked = [storage for storage in in_use(ctx, prefixes=_LINKED) if storage.get("presign", True)]
    if not linked:
        raise NotApplicable("No storage in scope sends browsers to its bucket")
    return ctx.probes.matrices(linked)


def cell(matrix: Matrix, operation: str) -> Cell:
    """One cell of a matrix."""
    return next(found for found in matrix.cells if found.operation == operation)


def undecided(storage: Storage, *cells: Cell) -> Unknown | None:
    """An Unknown for what could not be asked; nothing to ask with (an empty bucket) is not one."""
    told = next(
        (found.message for found in cells if found.state == "unknown" and "no object" not in found.message), None
    )
    return Unknown(f"{storage.reference}: {told}") if told else None


def shared(found: Cell, matrix: Matrix) -> bool:
    """Whether an answer may be read by pages of the deployment's origin."""
    return found.detail.get("access-control-allow-origin") in {"*", matrix.origin}


def plays(ctx: Context, storage: Storage, matrix: Matrix | None) -> bool:
    """Whether people listen or watch: by the labeling configuration, or by the file that was tried."""
    if matrix and matrix.key and family(matrix.key) in {"audio", "video"}:
        return True
    with ctx.transaction() as session:
        config = session.scalar(select(Project.label_config).where(Project.id == storage.get("project_id")))
    return bool(_PLAYERS.search(config or ""))


def evidence(ctx: Context, storage: Storage, matrix: Matrix, *operations: str) -> Evidence:
    """The cells a finding rests on, one row each."""
    rows = [
        {"tried": found.operation, "answer": found.state, "code": found.code, "message": found.message} | {
            name: found.detail.get(name) for name in ("access-control-allow-origin", "vary", "cache-control")
        }
        for found in (cell(matrix, operation) for operation in operations)
    ]  # fmt: skip
    asked = f" from {matrix.origin}" if matrix.origin else ""
    return ctx.evidence(f"{matrix.key or 'no object'} of {address(storage)}, by a pre-signed link{asked}", rows)
