"""Target storages, and whether writing into them may be tried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..deployment.storages import KINDS, Storage
from ..doctor.cells import Cell, Matrix
from ..errors import Unknown
from .browser import cell
from .check import Context
from .sources import in_use

TARGETS = tuple(prefix for prefix, kind in KINDS.items() if kind.is_target)
HOW = (
    "whether it may be written to is not tried without leave: press “Try writing too” on its page, run "
    "`lsconsole storage look {} --write`, or set LSCONSOLE_WRITE_PROBES"
)
#: What checks say that could tell more with leave; `storage.target_no_put` alone is undecided without.
WITHOUT_LEAVE = "Writing into targets is not tried: LSCONSOLE_WRITE_PROBES is off"


def tried(ctx: Context, operation: str, prefixes: Sequence[str] = TARGETS) -> Iterator[tuple[Storage, Cell | Unknown]]:
    """Targets with the cell of `put` or `delete`, tried with a marker object where the operator allows it."""
    found = in_use(ctx, prefixes=prefixes, targets=True)
    if not ctx.settings.write_probes:
        for storage in found:
            yield storage, Unknown(f"{storage.reference}: {HOW.format(storage.reference)}.")
        return
    for storage, matrix in ctx.probes.matrices(found):
        yield storage, cell(matrix, operation) if isinstance(matrix, Matrix) else matrix
