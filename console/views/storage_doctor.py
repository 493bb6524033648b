"""What is started from the page of a storage: looking into its bucket, dry runs, filters tried, syncs, plans of suggestions."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_login import current_user

from .. import jobs
from ..app import the_console
from ..auth import requires
from ..deployment.storage_rules import ScanRules, scan_rules
from ..deployment.storages import Storage
from ..deployment.storages import storage as find_storage
from ..errors import Forbidden, Invalid, Refused
from ..state import storage_reports
from ..state.models import JobRow
from . import storage_story

bp = Blueprint("storage_doctor", __name__, url_prefix="/storages")

#: Columns that a suggestion may change.
SUGGESTED = ("regex_filter", "prefix", "path", "recursive_scan", "use_blob_urls")
#: Longest text of a field.
FIELD_CHARS = 2000


@bp.post("/look")
@requires("run")
def look_at_all() -> Any:
    """Try the access of every storage, or of one project's, as one job."""
    project = request.form.get("project", "")
    number = int(project) if project.isascii() and project.isdigit() and len(project) < 12 else None
    arguments = {"project_id": number} if number is not None else {}
    title = f"Look at the storages of project {number}" if number is not None else "Look at all storages"
    if not any(job.arguments == arguments for job in jobs.running(the_console().store, "matrix")):
        jobs.start(the_console(), "matrix", title, arguments, by=current_user.email)
    return redirect(url_for("storages.index", project=number), 303)


@bp.post("/<subject_id>/look")
@requires("run")
def look(subject_id: str) -> Any:
    """Try the access of one storage; with `consent` write and remove a marker object too, which takes the right to fix."""
    found, consent = _found(subject_id), bool(request.form.get("consent"))
    if consent and not current_user.may("fix"):
        raise Forbidden("Writing to a bucket, even a marker that is removed again, is for people who may fix.")
    arguments = {"storage": found.reference} | ({"consent": True} if consent else {})
    return _start("matrix", f"Look at {found.reference}", found, arguments, "access")


@bp.post("/<subject_id>/dry-run")
@requires("run")
def dry_run(subject_id: str) -> Any:
    """What a sync would do, with the settings of the form where they differ from the stored ones."""
    found = _found(subject_id)
    options = _options(scan_rules(found, the_console().deployment.schema)) if request.form.get("changed") else {}
    return _start(
        "dry run", f"Dry run of {found.reference}", found, {"storage": found.reference, "options": options}, "dry"
    )


@bp.post("/<subject_id>/sync")
@requires("fix")
def sync(subject_id: str) -> Any:
    """Sync for real; the storage itself refuses a second one."""
    found = _found(subject_id)
    arguments = {"storage": found.reference, "user_id": current_user.id}
    return _start("sync", f"Sync {found.reference}", found, arguments, "main")


@bp.post("/<subject_id>/filter")
@requires("look")
def try_filter(subject_id: str) -> Any:
    """A filter tried on keys that were listed before; asked while somebody types."""
    found, pattern = _found(subject_id), request.form.get("filter", "")[: FIELD_CHARS + 1]
    if request.headers.get("HX-Request") != "true":
        return redirect(url_for("storages.show", subject_id=found.reference, filter=pattern, _anchor="keys"), 303)
    console = the_console()
    kept = storage_reports.latest(console.store, console.deployment.identity, found.reference, "keys")
    return render_template("storages/_keys.html", tester=storage_story.tester(kept, pattern))


@bp.post("/<subject_id>/suggestion")
@requires("run")
def suggestion(subject_id: str) -> Any:
    """Plan what a dry run or the decision suggests; the plan's page asks for a reason and applies it."""
    found = _found(subject_id)
    given = {name: request.form[name][:FIELD_CHARS] for name in SUGGESTED if name in request.form}
    try:
        plan = the_console().plan_settings(found.reference, given, by=current_user.email)
    except Invalid as invalid:
        raise Refused(" ".join(message for messages in invalid.fields.values() for message in messages)) from None
    return redirect(url_for("plans.show", plan_id=plan.id), 303)


def _found(subject_id: str) -> Storage:
    console = the_console()
    with console.deployment.read() as session:
        return find_storage(session, console.deployment.schema, subject_id)


def _start(kind: str, title: str, found: Storage, arguments: dict[str, Any], anchor: str) -> Any:
    """Start a job unless one of its kind is under way for this storage, and go back to the page, which shows it."""

    def same(job: JobRow) -> bool:
        return job.arguments.get("storage") == found.reference

    if any(same(job) for job in jobs.running(the_console().store, kind)):
        flash(f"{title} is under way already.", "info")
    else:
        jobs.start(the_console(), kind, title, arguments, by=current_user.email)
    return redirect(url_for("storages.show", subject_id=found.reference, _anchor=anchor), 303)


def _options(rules: ScanRules) -> dict[str, Any]:
    """What the form has otherwise than the row. A field that is not sent stays as stored; a box that is off is not sent."""
    form = request.form
    given: dict[str, Any] = {}
    if "prefix" in form and form["prefix"] != rules.prefix:
        given["prefix"] = form["prefix"][:FIELD_CHARS]
    if rules.provider == "redis":
        return given
    if "regex_filter" in form and form["regex_filter"] != (rules.pattern or ""):
        given["regex_filter"] = form["regex_filter"][:FIELD_CHARS]
    for name, stored in (("recursive", rules.recursive), ("use_blob_urls", rules.as_files)):
        wanted = form.get(name, "") == "true"
        if (name in form or form.get("boxes")) and wanted != stored:
            given[name] = wanted
    return given
