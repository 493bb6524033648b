"""What pages say about plans of maintenance: what each step does, stops and needs, and what it did."""

from __future__ import annotations

from typing import Any

from flask import url_for

from .. import maintenance_plans
from ..amounts import bytes_text
from ..diagnostics.server_changes import Maintain
from ..errors import ConsoleError
from ..maintenance import actions, preview, schedules
from ..maintenance.preview import Preview
from ..masking import mask_text
from ..service import Console
from ..state.models import PlanRow
from . import database_front

#: Steps that are looked at before the apply; the others when their turn comes.
MOST_PREVIEWS = 20
#: Runs of the history among which those of a plan are looked for.
RECENT_RUNS = 200


def is_light(plan: PlanRow) -> bool:
    """Whether the plan is maintenance alone, none of which stops anybody: nothing to undo, and nothing to fear."""
    return bool(plan.changes) and all(
        document["op"] == Maintain.op and not actions.get(document["action"]).heavy for document in plan.changes
    )


def stops(plan: PlanRow) -> str:
    """Whom the heavy steps of a plan stop, for whoever has to confirm it; empty for other plans."""
    heavy = [
        document for document in plan.changes if document["op"] == Maintain.op and actions.get(document["action"]).heavy
    ]
    if not heavy:
        return ""
    tables = ", ".join(dict.fromkeys(document["table"] or "the file" for document in heavy))
    return f"Keeps {tables} locked: {actions.get(heavy[0]['action']).stops}"


def of_plan(console: Console, plan: PlanRow) -> dict[str, Any] | None:
    """What the page says of a plan that maintains; None for another plan."""
    steps = [document for document in plan.changes if document["op"] == Maintain.op]
    if not steps:
        return None
    looked = (
        [_look(console, Maintain.revived(document)) for document in steps[:MOST_PREVIEWS]]
        if plan.status == "planned"
        else []
    )
    runs = [] if plan.status == "planned" else [
        database_front.run_item(row) for row in schedules.history(console.store, console.deployment, most=RECENT_RUNS)
        if row.plan_id == plan.id
    ]  # fmt: skip
    refused = [item for item in looked if item["refusals"]]
    return {
        "previews": looked, "more": len(steps) - len(looked) if looked else 0, "runs": runs[::-1], "stops": stops(plan),
        "refused": len(refused), "chosen": plan.fix_id == "maintain",
    }  # fmt: skip


def _look(console: Console, step: Maintain) -> dict[str, Any]:
    """One step as it stands now; what cannot even be looked at is refused with the reason."""
    action = actions.get(step.action)
    try:
        seen = preview.preview(console.deployment, step.action, step.table, step.index, step.schema)
    except ConsoleError as error:
        return {"title": maintenance_plans.action_title(step), "statements": (), "does": action.does,
                "lock": "", "size": None, "dead": None, "time": "", "how": "", "disk": "", "needed": None, "free": None,
                "free_how": "", "warnings": (), "refusals": (mask_text(str(error)),), "lacking": (), "command": "",
                "url": None}  # fmt: skip
    return _item(seen)


def _item(seen: Preview) -> dict[str, Any]:
    return {
        "title": f"{seen.action.title}{' of' if seen.table else ''} {seen.subject}",
        "statements": seen.statements, "does": seen.action.does, "lock": seen.lock,
        "size": bytes_text(seen.size_bytes), "dead": seen.dead_rows, "time": minutes(seen.estimated_minutes),
        "how": seen.estimated_how, "disk": seen.action.disk, "needed": bytes_text(seen.disk_bytes) if seen.disk_bytes else None,
        "free": bytes_text(seen.free_bytes) if seen.free_bytes is not None else None, "free_how": seen.free_how,
        "warnings": seen.warnings, "refusals": seen.refusals, "lacking": seen.lacking,
        "command": seen.command if seen.refusals else "",
        "url": url_for("database_table.show", name=seen.table, schema=seen.schema) if seen.table else None,
    }  # fmt: skip


def minutes(number: float) -> str:
    """`about 4 min`, `a few seconds`."""
    if number < 0.25:
        return "a few seconds"
    return f"about {number:,.0f} min" if number >= 1.5 else f"about {number * 60:.0f} s"
