"""Jobs of one queue by state, one job with all that is known of it, and plans about the chosen ones."""

from __future__ import annotations

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
from ..errors import NotFound
from ..masking import mask_text
from ..queue_plans import Chosen
from . import present
from .paging import page_number, pager

bp = Blueprint("queue_jobs", __name__, url_prefix="/queues")

PER_PAGE = 50
#: Longest name of a queue or id of a job that a form may hold.
LONGEST = 500
MOST_PICKED = 500
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
    if wanted.empty:
        listed = reader.page(queue, state, offset, PER_PAGE)
        total, jobs, searched = listed.total, listed.jobs, None
    else:
        found = reader.search(queue, state, wanted, offset, PER_PAGE)
        total, jobs = found.matched, found.jobs
        searched = {"looked_at": found.looked_at, "total": found.total, "complete": found.complete}
    given = {name: value for name, value in _given(request.args).items() if value}
    return render_template(
        "queues/jobs.html", queue=queue, label=mask_text(queue), state=state, word=WORDS[state], when=WHEN[state],
        jobs=[_line(job, state) for job in jobs], total=total, searched=searched, given=given,
        tabs=_tabs(queue, state, about), actions=queue_plans.ACTIONS[state], most=queue_plans.MOST_JOBS,
        verbs=queue_plans.VERBS, as_of=datetime.now(UTC), workers=about.workers_alive if about else 0,
        pager=pager("queue_jobs.index", page, PER_PAGE, len(jobs), total, queue=queue, state=state, **given),
    )  # fmt: skip


def _given(arguments: Any) -> dict[str, str]:
    return {name: str(arguments.get(name, "")).replace("\x00", "").strip()[:LONGEST]
            for name in ("function", "text", "error", "project", "storage")}  # fmt: skip


def _filter(arguments: Any) -> Filter:
    given = _given(arguments)
    number = given["project"]
    return Filter(
        function=given["function"], text=given["text"], error=given["error"] or None, storage=given["storage"],
        project_id=int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else None,
    )  # fmt: skip


def _tabs(queue: str, state: str, about: QueueState | None) -> list[dict[str, Any]]:
    numbers = {"queued": about.waiting} | {name: getattr(about, name) for name in STATES[1:]} if about else {}
    return [
        present.tab(WORDS[name].lower(), numbers.get(name, 0), url_for("queue_jobs.index", queue=queue, state=name),
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
    return {
        "job": job, "detail": detail, "function": function, "queue": job.origin or "", "state": state,
        "word": WORDS.get(state, state or "nowhere").lower(), "actions": queue_plans.ACTIONS.get(state, ()),
        "verbs": queue_plans.VERBS, "worker": worker, "lost": lost, "about": about,
        "project_url": present.subject_url(f"project:{about.project_id}") if about.project_id else None,
        "storage_url": present.subject_url(f"storage:{about.storage}") if about.storage else None,
        "user_url": present.subject_url(f"user:{about.user_id}") if about.user_id else None,
        "why_url": url_for("queue_jobs.why", project_id=about.project_id) if about.project_id else None,
    }  # fmt: skip


@bp.post("/jobs/plan")
@requires("fix")
def plan() -> Any:
    """Plan an action on the picked jobs, or with `all` on every job that fits the filter."""
    console = the_console()
    queue, state, action = (request.form.get(name, "")[:LONGEST] for name in ("queue", "state", "action"))
    ids = tuple(job_id[:LONGEST] for job_id in request.form.getlist("job")[:MOST_PICKED])
    every = request.form.get("scope") == "all"
    if not ids and not every:
        flash("Choose at least one job, or all that fit.", "error")
        given: dict[str, Any] = {name: value for name, value in _given(request.form).items() if value}
        return redirect(url_for("queue_jobs.index", queue=queue, state=state, **given), 303)
    chosen = Chosen(queue, state, () if every else ids, _filter(request.form) if every else Filter())
    made = queue_plans.plan_jobs(console, action, chosen, by=current_user.email)
    return redirect(url_for("plans.show", plan_id=made.id), 303)


@bp.get("/why/<int:project_id>")
@requires("look")
def why(project_id: int) -> str:
    """Why a project's exports and imports do not end: each row, its job, and what helps."""
    console = the_console()
    lines = exports.why(console.deployment, project_id)
    return render_template(
        "queues/why.html", project_id=project_id, lines=[_told(line) for line in lines],
        project_url=present.subject_url(f"project:{project_id}"), wrong=sum(line.is_wrong for line in lines),
    )  # fmt: skip


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
    }  # fmt: skip
