"""What pages say about plans of maintenance."""

from __future__ import annotations

from ..diagnostics.server_changes import Maintain
from ..maintenance import actions
from ..state.models import PlanRow


def is_light(plan: PlanRow) -> bool:
    """Whether the plan is maintenance alone, none of which stops anybody: nothing to undo, and nothing to fear."""
    return bool(plan.changes) and all(
        document["op"] == Maintain.op and not actions.get(document["action"]).heavy for document in plan.changes
    )
