"""Jobs of one queue by state, one job with all that is known of it, and plans about the chosen ones."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask_login import current_user

from .. import queue_plans
from ..app import the_console
from ..auth import requires
from ..deployment.queues import STATES, Filter, JobDetail, JobState, QueueReader, QueueState
from ..diagnostics.job_functions import known
from ..doctor import exports
from ..errors import NotFound, Refused
from ..masking import mask_text
from ..queue_plans import Chosen
from ..state import runs
from . import present
from .paging import page_number, pager

bp = Blueprint("queue_jobs", __name__, url_prefix="/queues")

PER_PAGE = 50
#: Longest name of a queue or id of a job that a form may hold.
LONGEST = 500
MOST_PICKED, MOST_GROUPS = 500, 100
#: Share of its time limit from which a running job carries a warning.
NEAR_LIMIT = 0.8
#: What stands for a project that is no number: no job belongs to it.
NO_PROJECT = -1
WORDS = {"queued": "Waiting", "started": "Running", "failed": "Failed", "deferred": "Deferred", "scheduled": "Scheduled",
         "finished": "Finished", "canceled": "Canceled"}  # fmt: skip
#: What the time beside a job means, by state.
WHEN = {"queued": "Waits since", "started": "Runs since", "failed": "Failed", "deferred": "Waits since",
        "scheduled": "Due", "finished": "Finished", "canceled": "Canceled"}  # fmt: skip


@bp.get("/jobs")
@requires("look")
def index() -> Any:
    """Jobs of one state; `queue`, `state` and the filter stand in the address."""
    reader = the_console().deployment.redis
    if reader is None:
        return redirect(url_for("queues.index"))  # it says how to attach one
    queue, state, wanted = (
        request.args.get("queue", "")[:LONGEST],
        request.args.get("state", "failed"),
        _filter(request.args),
    )
    if not queue or state not in STATES:
        abort(404)
    page = page_number()
    offset = (page - 1) * PER_PAGE
    about = next((found for found in reader.queues() if found.name == queue), None)
    if about is None:
        raise NotFound(f"Redis holds no queue {mask_text(queue[:100])}, and no worker listens to one.")
    if wanted.empty:
        listed = reader.page(queue, state, offset, PER_PAGE)
        total, jobs, searched = listed.total, listed.jobs, None
    else:
        found = reader.search(queue, state, wanted, offset, PER_PAGE)
        total, jobs = found.matched, found.jobs
        searched = {"looked_at": found.looked_at, "total": found.total, "complete": found.complete}
    given = _given(request.args)
    return render_template(
        "queues/jobs.html", queue=queue, label=mask_text(queue), state=state, word=WORDS[state], when=WHEN[state],
        jobs=[_line(job, state) for job in jobs], total=total, searched=searched, given=given,
        tabs=_tabs(queue, state, about), actions=queue_plans.ACTIONS[state], most=queue_plans.MOST_JOBS,
        verbs=queue_plans.VERBS, as_of=datetime.now(UTC), workers=about.workers_alive,
        pager=pager("queue_jobs.index", page, PER_PAGE, len(jobs), total, queue=queue, state=state, **given),
    )  # fmt: skip


def _given(arguments: Any) -> dict[str, str]:
    """The filter in force. An `error` that is named and empty means jobs without a traceback."""
    given = {name: str(arguments.get(name, "")).replace("\x00", "").strip()[:LONGEST]
             for name in ("function", "text", "error", "project", "storage")}  # fmt: skip
    return {name: value for name, value in given.items() if value or (name == "error" and "error" in arguments)}


def _filter(arguments: Any) -> Filter:
    given = _given(arguments)
    return Filter(
        function=given.get("function", ""), text=given.get("text", ""), error=given.get("error"),
        storage=given.get("storage", ""), project_id=_project(given.get("project", "")),
    )  # fmt: skip


def _project(text: str) -> int | None:
    """What is no number fits nothing: a slip must not widen what a plan takes."""
    if not text:
        return None
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else NO_PROJECT


def _tabs(queue: str, state: str, about: QueueState) -> list[dict[str, Any]]:
    numbers = {"queued": about.waiting} | {name: getattr(about, name) for name in STATES[1:]}
    return [
        present.tab(WORDS[name].lower(), numbers[name], url_for("queue_jobs.index", queue=queue, state=name),
                    current=name == state)
        for name in STATES
    ]  # fmt: skip


def _line(job: JobState, state: str) -> dict[str, Any]:
    function = known(job.function)
    moments = {
        "queued": job.enqueued_at or job.created_at, "started": job.started_at, "failed": job.ended_at,
        "deferred": job.created_at, "scheduled": job.until, "finished": job.ended_at,
        "canceled": job.ended_at or job.until,
    }  # fmt: skip
    return {
        "id": job.id, "function": mask_text(job.function or ("gone" if job.gone else "cannot be told")),
        "title": function.title if function else None, "gone": job.gone, "error": job.exception_line,
        "at": moments[state], "project_id": job.about.project_id, "storage": job.about.storage, "worker": job.worker_name,
        "description": job.description, "problems": job.problems,
    }  # fmt: skip


@bp.get("/job")
@requires("look")
def show() -> Any:
    """Everything that is known of one job (`?id=`)."""
    reader = the_console().deployment.redis
    if reader is None:
        return redirect(url_for("queues.index"))
    job_id = request.args.get("id", "")[:LONGEST]
    detail = reader.detail(job_id) if job_id else None
    if detail is None:
        raise NotFound(f"There is no job {job_id[:100]} in Redis (any more): finished ones vanish after minutes.")
    return render_template("queues/job.html", **_detail(reader, detail))


def _detail(reader: QueueReader, detail: JobDetail) -> dict[str, Any]:
    job, about, function = detail.job, detail.about, known(detail.job.function)
    state = detail.places[0] if detail.places else job.status or ""
    worker = (
        next((found for found in reader.workers() if found.name == job.worker_name), None) if job.worker_name else None
    )
    lost = state == "started" and (worker is None or not worker.alive or worker.current_job != job.id)
    row_project = exports.project_of(the_console().deployment, *about.row) if about.row else None
    project_id = about.project_id or row_project
    actions = queue_plans.ACTIONS.get(state, ())
    return {
        "job": job, "detail": detail, "function": function, "queue": job.origin or "", "state": state,
        "word": WORDS.get(state, state[:20] or "nowhere").lower(), "project_id": project_id, "state_known": state in STATES,
        "actions": ("requeue",) if lost else tuple(name for name in actions if state != "started" or name != "requeue"),
        "verbs": queue_plans.VERBS, "worker": worker, "lost": lost, "about": about,
        "project_url": present.subject_url(f"project:{project_id}") if project_id else None,
        "storage_url": present.subject_url(f"storage:{about.storage}") if about.storage else None,
        "user_url": present.subject_url(f"user:{about.user_id}") if about.user_id else None,
        "why_url": url_for("queue_jobs.why", project_id=project_id) if project_id else None,
        "near_limit": None if lost else _near_limit(job, state),
    }  # fmt: skip


def _near_limit(job: JobState, state: str) -> dict[str, float] | None:
    """Seconds a running job has run and has left, once most of its time limit is used up."""
    if state != "started" or not job.started_at or not job.timeout_seconds or job.timeout_seconds < 0:
        return None
    ran = (datetime.now(UTC) - job.started_at).total_seconds()
    return {"ran": ran, "left": job.timeout_seconds - ran} if ran > NEAR_LIMIT * job.timeout_seconds else None


@bp.post("/jobs/plan")
@requires("fix")
def plan() -> Any:
    """Plan an action on the picked jobs, with `all` on every job that fits the filter, or on groups of failed jobs."""
    console = the_console()
    queue, state, action = (request.form.get(name, "")[:LONGEST] for name in ("queue", "state", "action"))
    if "groups" in request.form:
        chosen_groups = [_chosen_group(text) for text in request.form.getlist("group")[:MOST_GROUPS]]
        if not chosen_groups:
            flash("Choose at least one group.", "error")
            return redirect(url_for("queues.index"), 303)
        made = queue_plans.plan_groups(console, action, chosen_groups, by=current_user.email)
        return redirect(url_for("plans.show", plan_id=made.id), 303)
    ids = tuple(job_id[:LONGEST] for job_id in request.form.getlist("job")[:MOST_PICKED])
    every = request.form.get("scope") == "all"
    if not ids and not every:
        flash("Choose at least one job, or all that fit.", "error")
        given: dict[str, Any] = _given(request.form)
        return redirect(url_for("queue_jobs.index", queue=queue, state=state, **given), 303)
    chosen = Chosen(queue, state, () if every else ids, _filter(request.form) if every else Filter())
    made = queue_plans.plan_jobs(console, action, chosen, by=current_user.email)
    return redirect(url_for("plans.show", plan_id=made.id), 303)


def group_value(queue: str, function: str | None, error: str | None) -> str:
    """A group of failed jobs as a form carries it."""
    return json.dumps([queue, function or "", error or ""])


def _chosen_group(text: str) -> Chosen:
    try:
        queue, function, error = (str(part)[:LONGEST] for part in json.loads(text[: 8 * LONGEST]))
        f"{queue}{function}{error}".encode()  # half of a surrogate pair is no text
    except (ValueError, TypeError, RecursionError):
        raise Refused("A group that was chosen cannot be read; load the page of the queues again.") from None
    return Chosen(queue, "failed", (), Filter(function=function, error=error))


@bp.get("/why/<int:project_id>")
@requires("look")
def why(project_id: int) -> str:
    """Why a project's exports and imports do not end: each row, its job, and what helps."""
    console = the_console()
    lines = exports.why(console.deployment, project_id, console.store)
    return render_template(
        "queues/why.html", project_id=project_id, lines=[_told(line) for line in lines],
        project_url=present.subject_url(f"project:{project_id}"), wrong=sum(line.is_wrong for line in lines),
        first=next((_told(line) for line in lines if line.is_wrong), None),
        surely=any(line.is_wrong and line.state != "unknown" for line in lines),
    )  # fmt: skip


@bp.post("/why/<int:project_id>/fix/<code>")
@requires("run")
def fix(project_id: int, code: str) -> Any:
    """Ask the check again about this project, and plan its repair from what it finds. Nothing is written."""
    if code not in exports.STUCK.values():
        raise NotFound(f"{code[:60]} repairs no row of an export or import.")
    console, subject = the_console(), f"project:{project_id}"
    _, finding = console.look_again(code, subject, by=current_user.email)
    if finding is None:
        flash("Looked again: it is no longer found, so there is nothing to repair.", "info")
        return redirect(url_for("queue_jobs.why", project_id=project_id), 303)
    kept = runs.findings_about(console.store, console.deployment.identity, [subject])
    finding_id = next((row.id for row in kept if row.code == code), None)
    made = console.plan(finding, exports.FIX, by=current_user.email, finding_id=finding_id)
    return redirect(url_for("plans.show", plan_id=made.id), 303)


_STATES = {
    "waits": "waiting",
    "runs": "running",
    "lost": "error",
    "unknown": "unknown",
    "failed": "failed",
    "done": "pass",
}


def _told(line: exports.Told) -> dict[str, Any]:
    return line.document() | {
        "begun": line.begun, "ended": line.ended, "mark": _STATES[line.state],
        "job_url": url_for("queue_jobs.show", id=line.job) if line.job else None,
        "check_url": url_for("checks.show", code=line.check) if line.check else None,
        "queue_url": url_for("queue_jobs.index", queue=line.queue, state="queued") if line.state == "waits" and line.queue else None,
    }  # fmt: skip
