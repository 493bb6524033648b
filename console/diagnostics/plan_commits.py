"""Whether a transaction whose process died was committed: asked of PostgreSQL by its id, or told by the rows."""

from __future__ import annotations

from sqlalchemy import select, text

from ..deployment import Deployment
from ..deployment.database import read_session
from ..state.models import PlanRow
from ..state.sealing import Sealer
from .change import Change, same
from .change import from_dict as rows_from_dict


def was_committed(deployment: Deployment, plan: PlanRow, doing: str) -> bool | None:
    """True, False, or None while the transaction is still under way."""
    if deployment.kind == "postgresql":
        if plan.transaction_id is None:
            return False  # the id is stored before the commit: no id, no commit
        # Asked where it was written: the role for looking may be at a replica that lags behind.
        with read_session(deployment.fix_engine) as session:
            status = session.scalar(text("select txid_status(:id)"), {"id": plan.transaction_id})
        if status is not None:
            return None if status == "in progress" else status == "committed"
    if doing == "apply" and plan.written is None:
        return False
    return _shows(deployment, [rows_from_dict(document) for document in plan.written or []], undone=doing == "undo")


def _shows(deployment: Deployment, written: list[Change], *, undone: bool) -> bool:
    """Whether the rows tell that the transaction happened. One transaction wrote all of them, so any row decides."""
    sealer = Sealer.of(deployment.settings)
    with deployment.read() as session:
        for item in map(sealer.open, written):
            if not item.key:
                continue
            table = deployment.schema.table(item.table)
            key = next(iter(item.key))
            row = session.execute(select(table).where(table.c[key] == item.key[key])).mappings().first()
            if item.op == "update":
                new, old = (item.before, item.after) if undone else (item.after, item.before)  # type: ignore[union-attr]
                if row is not None and all(same(row[name], value) for name, value in new.items()):
                    return True
                if row is not None and all(same(row[name], value) for name, value in old.items()):
                    return False
            else:
                there_means_done = (item.op == "insert") != undone
                return (row is not None) == there_means_done
    return False
