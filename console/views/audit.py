"""The audit log: who changed what, and why; each event with its before and after."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template
from flask_login import current_user

from ..app import the_console
from ..auth import requires
from ..diagnostics import plan as plans
from ..errors import NotFound
from ..service import Console
from ..state import audit
from ..state.models import AuditEvent, AuditHead, PlanRow
from . import present
from .paging import page_number, pager, wanted_text

bp = Blueprint("audit", __name__, url_prefix="/audit")

PAGE = 50
#: Up to this many events the whole chain is verified for a page; of a longer one the newest.
VERIFY_WHOLE = 2000
VERIFY_RECENT = 500
#: Changes of one event that its page shows.
SHOWN_CHANGES = 200
_verified: dict[tuple[int, int, str], audit.Verdict] = {}


@bp.get("/")
@requires("look")
def index() -> str:
    console = the_console()
    text, page = wanted_text("text"), page_number()
    events, total = audit.search(console.store, text, before=(page - 1) * PAGE, limit=PAGE)
    return render_template(
        "audit/index.html", events=[present.event_item(event) for event in events],
        pager=pager("audit.index", page, PAGE, len(events), total, text=text), chosen={"text": text}, chain=_chain(console),
    )  # fmt: skip


@bp.get("/<int:seq>")
@requires("look")
def show(seq: int) -> str:
    console = the_console()
    event = audit.get(console.store, seq)
    plan = _plan(console, event)
    intent = _intent(console, event)
    documents = event.data.get("changes") or (audit.get(console.store, intent).data.get("changes") if intent else None)
    documents = documents if isinstance(documents, list) else []
    item = present.event_item(event) | {
        "hash": event.hash, "previous_hash": event.previous_hash, "facts": _facts(event),
        "changes": present.change_lines(documents, SHOWN_CHANGES), "total": len(documents) or event.rows,
        "intent_seq": intent,
    }  # fmt: skip
    can_undo = bool(
        plan and plan.status == "applied" and plan.reversible and event.action == "applied" and current_user.may("fix")
    )
    return render_template("audit/show.html", event=item, verified=audit.fits(console.store, event), can_undo=can_undo)


def _plan(console: Console, event: AuditEvent) -> PlanRow | None:
    if not event.plan_id:
        return None
    try:
        return plans.get(console.store, event.plan_id)
    except NotFound:
        return None


def _facts(event: AuditEvent) -> list[tuple[str, str]]:
    """What else the event recorded, one line each."""
    area = present.AREAS.get(event.code)
    facts = [("Area", area) if area else ("Check", event.code)] if event.code else []
    for name, value in event.data.items():
        if name not in {"changes", "title", "fingerprint"} and isinstance(value, str | int | bool) and value != "":
            facts.append((name.replace("_", " ").capitalize(), str(value)))
    return facts


def _intent(console: Console, event: AuditEvent) -> int | None:
    """The event that announced this one, when it ends something announced."""
    announced = {"applied": "apply intended", "undone": "undo intended"}.get(event.action)
    if announced is None or not event.plan_id:
        return None
    return audit.last_of_plan(console.store, event.plan_id, announced, before=event.seq)


def _chain(console: Console) -> dict[str, Any]:
    """Whether the chain holds; a verdict is kept until the chain grows."""
    with console.store.read() as session:
        head = session.get(AuditHead, 1)
    length, end = (head.seq, head.hash) if head else (0, "")
    whole = length <= VERIFY_WHOLE
    key = (id(console), length, end)
    verdict = _verified.get(key)
    if verdict is None or whole:
        verdict = audit.verify(console.store) if whole else audit.verify_recent(console.store, VERIFY_RECENT)
        _verified.clear()
        _verified[key] = verdict
    return {
        "intact": verdict.ok, "events": length, "broken_at": None if verdict.ok else verdict.events + 1,
        "reason": verdict.problem or None, "verified": length if whole else VERIFY_RECENT,
    }  # fmt: skip
