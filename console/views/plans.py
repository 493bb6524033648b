"""A plan: what would change, applying it with a reason, taking it back."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_login import current_user

from .. import auth, jobs, queue_plans
from ..app import the_console
from ..auth import requires
from ..diagnostics import plan as plans
from ..diagnostics import registry
from ..diagnostics.check import Subject
from ..errors import ConsoleError, Refused
from ..service import Console
from ..state import audit, findings
from ..state.models import JobRow, PlanRow
from . import maintenance_words, present
from .downloads import csv_response

bp = Blueprint("plans", __name__, url_prefix="/plans")
#: Changes on the page; the download holds all of them.
SHOWN_CHANGES = 50
#: A plan up to this size is written while the browser waits.
AT_ONCE = 500
LONGEST_REASON = 2000
ANSWER_SECONDS = 2.0
#: Which kind of job carries out a plan of a family.
KINDS = {
    "rows": {"apply": "apply", "undo": "undo"},
    "queue": {"apply": "queue changes", "undo": "queue undo"},
    "server": {"apply": "maintenance", "undo": "undo"},
}


@bp.get("/<plan_id>")
@requires("look")
def show(plan_id: str) -> str:
    return _page(plans.get(the_console().store, plan_id), request.args.get("changes") == "all")


@bp.get("/<plan_id>/changes.csv")
@requires("look")
def changes(plan_id: str) -> Response:
    """Every change as a file: one line per column."""
    plan = plans.get(the_console().store, plan_id)
    lines = present.change_lines(plan.changes, len(plan.changes))
    return csv_response(f"plan-{plan.id}-{plan.code}", ["label", "op", "column", "before", "after"], lines)


@bp.post("/<plan_id>/apply")
@requires("fix")
def apply(plan_id: str) -> Any:
    """Write the plan that was shown, with its reason; where no undo exists the typed phrase is compared again."""
    console = the_console()
    plan = plans.get(console.store, plan_id)
    reason, problems = _reason(), {}
    if not reason:
        problems["reason"] = "Say why: a reason is kept in the audit log. A ticket number is enough."
    phrase = _phrase(plan)
    if phrase and request.form.get("phrase", "").strip() != phrase:
        problems["phrase"] = f"Type exactly: {phrase}"
    if problems:
        return _page(plan, reason=reason, problems=problems), 422
    seen = request.form.get("fingerprint", "")
    if plan.total > AT_ONCE or plans.family(plan) == "server":
        return _as_job("apply", f"Apply: {plan.title}", plan, reason, seen=seen)
    return _told(plan, lambda: console.apply(plan_id, by=current_user.email, reason=reason, seen=seen))


@bp.post("/<plan_id>/undo")
@requires("fix")
def undo(plan_id: str) -> Any:
    """Write the old values back, all or none."""
    console = the_console()
    plan = plans.get(console.store, plan_id)
    reason = _reason()
    if not reason:
        return _page(plan, problems={"reason": "Say why the fix is taken back."}), 422
    if plan.total > AT_ONCE:
        return _as_job("undo", f"Undo: {plan.title}", plan, reason)
    return _told(plan, lambda: console.undo(plan_id, by=current_user.email, reason=reason))


@bp.post("/<plan_id>/again")
@requires("run")
def again(plan_id: str) -> Any:
    """Ask the check again and plan from what it finds now."""
    console = the_console()
    plan = plans.get(console.store, plan_id)
    if not plan.subject:
        raise Refused("This plan was part of a repair in shards. Run the check again and plan from its finding.")
    arguments = {"code": plan.code, "subject": plan.subject, "fix": plan.fix_id, "finding_id": plan.finding_id}
    job = jobs.start(console, "plan again", f"Plan again: {plan.title}", arguments, by=current_user.email)
    job = jobs.wait(console.store, job.id, ANSWER_SECONDS)
    if job.status in {"queued", "running"}:
        return redirect(url_for("jobs.show", job_id=job.id), 303)
    if job.result and job.result.get("plan"):
        return redirect(url_for("plans.show", plan_id=job.result["plan"]), 303)
    flash(
        job.error or "Checked again: this is no longer found, so there is nothing to plan.",
        "error" if job.error else "info",
    )
    return redirect(_after(plan), 303)


@bp.post("/<plan_id>/repair")
@requires("fix")
def repair(plan_id: str) -> Any:
    """Repair every wrong row, those that one plan does not hold included: shard by shard, in a job."""
    console = the_console()
    plan = plans.get(console.store, plan_id)
    reason = _reason()
    if not _sharded(plan):
        raise Refused(f"“{plan.title}” is not repaired in shards; plan it for one finding.")
    if not reason:
        return _page(plan, problems={"repair_reason": "Say why: a reason is kept with every shard."}), 422
    arguments = {"code": plan.code, "fix": plan.fix_id, "subject": plan.subject, "reason": reason}
    for job in jobs.running(console.store, "repair"):
        if (job.arguments["code"], job.arguments["subject"]) == (plan.code, plan.subject):
            flash(f"This repair is under way already, started by {job.by}.", "info")
            return redirect(url_for("jobs.show", job_id=job.id), 303)
    job = jobs.start(console, "repair", f"{plan.title}, in shards", arguments, by=current_user.email)
    return redirect(url_for("jobs.show", job_id=job.id), 303)


def _reason() -> str:
    return request.form.get("reason", "").replace("\x00", "").strip()[:LONGEST_REASON]


def _phrase(plan: PlanRow) -> str | None:
    """What has to be typed where no undo exists, or where others will have to stand still."""
    if maintenance_words.is_light(plan):
        return None  # beside everybody's work, and no row changes
    return None if plan.reversible else f"apply {plan.total} {'change' if plan.total == 1 else 'changes'}"


def _sharded(plan: PlanRow) -> bool:
    check = registry.find(plan.code)
    fix = check.fixes.get(plan.fix_id) if check else None
    return bool(fix and fix.sharded)


def _told(plan: PlanRow, work: Any) -> Any:
    """Do the work; what it raises on purpose is told on the plan's own page."""
    try:
        work()
    except ConsoleError as error:
        if plans.get(the_console().store, plan.id).status not in {"conflict", "failed"}:
            flash(str(error), "error")
    return redirect(url_for("plans.show", plan_id=plan.id), 303)


def _as_job(kind: str, title: str, plan: PlanRow, reason: str, **more: Any) -> Any:
    console = the_console()
    if _job_of(console, plan) is None:
        family = plans.family(plan)
        arguments = {"plan_id": plan.id, "reason": reason} | ({"unit": "%"} if family == "server" else {}) | more
        job = jobs.start(console, KINDS[family][kind], title, arguments, by=current_user.email)
        jobs.wait(console.store, job.id, ANSWER_SECONDS)
    return redirect(url_for("plans.show", plan_id=plan.id), 303)


def _job_of(console: Console, plan: PlanRow) -> JobRow | None:
    """The job that is writing this plan, or about to."""
    return next((job for job in jobs.running(console.store) if job.arguments.get("plan_id") == plan.id), None)


def _after(plan: PlanRow) -> str:
    if plan.finding_id is not None:
        return url_for("findings.show", finding_id=plan.finding_id)
    return url_for("plans.show", plan_id=plan.id)


def _page(plan: PlanRow, every: bool = False, *, reason: str = "", problems: dict[str, str] | None = None) -> str:
    console = the_console()
    finding = None
    with console.store.read() as session:
        events = audit.latest(session, plan_id=plan.id)
        if plan.finding_id is not None:
            finding = findings.by_ids(session, [plan.finding_id]).get(plan.finding_id)
    refusal = _refusal(console, plan) if plan.status == "planned" else None
    job = _job_of(console, plan)
    maintenance = maintenance_words.of_plan(console, plan) if job is None else None
    shown = len(plan.changes) if every else min(SHOWN_CHANGES, len(plan.changes))
    return render_template(
        "plans/show.html",
        plan={
            "id": plan.id, "title": plan.title, "status": present.plan_states(plan), "code": plan.code,
            "total": plan.total, "by": plan.created_by, "created_at": plan.created_at, "audit_id": plan.audit_seq, "verify": plan.verify,
            "applied_by": plan.applied_by, "applied_at": plan.applied_at, "reason": plan.reason, "shown": shown,
            "reversible": plan.reversible, "fingerprint": plan.fingerprint, "left_out": plan.left_out,
            "subject_name": present.subject_text(plan.subject, plan.subject_name), "subject": plan.subject,
            "subject_url": present.subject_url(plan.subject), "changes": present.change_lines(plan.changes, shown),
            "rest_in_shards": plan.left_out > 0 and _sharded(plan), "family": plans.family(plan),
            "light": maintenance_words.is_light(plan), "message": plan.message, "of_check": registry.find(plan.code) is not None,
            "care": plans.family(plan) == "server" and registry.find(plan.code) is None,
        },
        queue=_queue(plan) if plans.family(plan) == "queue" else None,
        maintenance=maintenance,
        finding={"id": finding.id, "summary": finding.summary} if finding else None,
        events=[present.event_item(event) for event in events],
        can_apply=refusal is None,
        refusal=refusal,
        conflict={"text": plan.message} if plan.message else None,
        phrase=_phrase(plan),
        phrase_why=maintenance_words.stops(plan) or "There is no undo.",
        reason=reason,
        problems=problems or {},
        can_undo=current_user.may("fix"),
        job=present.job_item(job) if job else None,
    )  # fmt: skip


def _queue(plan: PlanRow) -> dict[str, Any]:
    """What the page says of a plan about jobs: what a second run would do, and where the jobs stand."""
    subject, state = Subject.parse(plan.subject) if plan.subject else None, (plan.changes or [{}])[0].get("state")
    named = subject is not None and subject.kind == "queue" and state
    return {
        "warnings": queue_plans.warnings(plan, the_console().deployment.redis), "most": queue_plans.MOST_JOBS,
        "of_check": registry.find(plan.code) is not None,
        "jobs_url": url_for("queue_jobs.index", queue=subject.id, state=state) if subject and named else None,
    }  # fmt: skip


def _refusal(console: Console, plan: PlanRow) -> dict[str, Any] | None:
    """Why the plan cannot be applied by who looks at it, and who can; None when it can."""
    if not current_user.may("fix"):
        people = ", ".join(auth.who_may_fix(console))
        text = f"These people can apply it; send them the link of this page: {people}." if people else (
            "Nobody is named who can apply it. The operator can name somebody:")  # fmt: skip
        return {"text": text, "command": None if people else "lsconsole grant EMAIL admin"}
    if plans.family(plan) == "rows" and not console.deployment.can_fix:
        return {"text": "The console's database role may only read here. Name a role that may write in "
                        "LSCONSOLE_FIX_DATABASE_URL and start the console again.", "command": None}  # fmt: skip
    return None
