"""Long work of the console: what runs now, what ran, and stopping it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, make_response, redirect, render_template, url_for

from .. import jobs
from ..app import the_console
from ..auth import requires
from ..errors import Forbidden
from . import paging, present

bp = Blueprint("jobs", __name__, url_prefix="/jobs")
PAGE_ROWS = 50


@bp.get("/")
@requires("look")
def index() -> str:
    page = paging.page_number()
    store = the_console().store
    rows, total = jobs.finished(store, offset=(page - 1) * PAGE_ROWS, limit=PAGE_ROWS)
    return render_template(
        "jobs/index.html",
        active=[present.job_item(row) for row in jobs.running(store)],
        jobs=[present.job_item(row) for row in rows],
        pager=paging.pager("jobs.index", page, PAGE_ROWS, len(rows), total),
    )


@bp.get("/<job_id>")
@requires("look")
def show(job_id: str) -> str:
    return render_template("jobs/show.html", job=present.job_item(jobs.get(the_console().store, job_id)))


@bp.get("/<job_id>/progress")
@requires("look")
def progress(job_id: str) -> Response:
    """The panel of one job. When it has ended, the page around it is loaded again: it has more to show by then."""
    row = jobs.get(the_console().store, job_id)
    response = make_response(render_template("jobs/_progress.html", job=present.job_item(row)))
    if row.status not in {"queued", "running"}:
        response.headers["HX-Refresh"] = "true"
    return response


@bp.post("/<job_id>/cancel")
@requires("run")
def cancel(job_id: str) -> Any:
    store = the_console().store
    if not present.may_cancel(jobs.get(store, job_id)):
        raise Forbidden("This job writes to the deployment; only people who may fix can stop it.")
    jobs.cancel(store, job_id)
    row = jobs.get(store, job_id)
    flash("Cancelled before it began." if row.status == "cancelled" else "It stops after its present step.")
    if row.kind == "runbook":
        return redirect(url_for("symptoms.run", run_id=row.arguments["run_id"]), 303)
    return redirect(url_for("jobs.show", job_id=job_id), 303)
