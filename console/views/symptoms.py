"""The way in: the words of the ticket, the runbook they open, and its run."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_login import current_user
from markupsafe import Markup

from .. import runbook_search, runbooks, subjects
from ..app import the_console
from ..auth import requires
from ..diagnostics import registry
from ..errors import NotFound, Refused
from ..state import findings
from . import paging
from .transcripts import run_view

bp = Blueprint("symptoms", __name__, url_prefix="/symptoms")
RECENT_RUNS = 8


@bp.get("/")
@requires("look")
def index() -> str:
    query = paging.wanted_text("q")
    console = the_console()
    with console.store.read() as session:
        per_code = findings.per_code(session, console.deployment.identity)
    books = runbooks.all_runbooks()
    fitting = runbook_search.fitting(query)
    groups = []
    areas = [] if query else registry.by_area()
    for area in dict.fromkeys([*areas, *(book.area for book in fitting)]):
        inside = [_listed(book, per_code) for book in fitting if book.area == area]
        if inside:
            groups.append({"area_title": registry.area_title(area), "runbooks": inside})
    return render_template("symptoms/index.html", groups=groups, query=query, shown=len(fitting), total=len(books))


def _listed(book: runbooks.Runbook, per_code: dict[str, dict[str, int]]) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for code in set(book.codes):
        for severity, number in per_code.get(code, {}).items():
            counts[severity] = counts.get(severity, 0) + number
    return {
        "slug": book.slug, "title": book.title, "summary": book.summary, "words": " ".join(book.words),
        "findings": sum(counts.values()), "worst": findings.worst(counts),
    }  # fmt: skip


@bp.get("/<slug>")
@requires("look")
def show(slug: str) -> str:
    book = runbooks.get(slug)
    typed = paging.wanted_text("subject", subjects.LONGEST)
    subject = subjects.prefill(the_console(), book.needs, typed) if typed and book.needs != "nothing" else ""
    return _page(book, subject)


def _page(book: runbooks.Runbook, subject: str = "", problem: str | None = None, fitting: Any = ()) -> str:
    return render_template(
        "symptoms/show.html",
        runbook={
            "slug": book.slug, "title": book.title, "area_title": registry.area_title(book.area),
            "intro_html": Markup(runbooks.prose(book.intro)),  # noqa: S704 - our own Markdown, raw HTML off
            "needs": book.needs if book.needs != "nothing" else "",
            "steps": [_step(step) for step in book.steps if step.kind == "check"],
            "parts": [_part(step) for step in book.steps],
        },
        recent_runs=[_recent(run) for run in runbooks.recent(the_console(), book.slug, RECENT_RUNS)],
        subject=subject,
        problem=problem,
        candidates=fitting,
    )  # fmt: skip


def _step(step: runbooks.Step) -> dict[str, Any]:
    return {"kind": step.kind, "title": registry.get(step.content).title, "code": step.content}


def _part(step: runbooks.Step) -> dict[str, Any]:
    """A piece of the runbook as it is written, for reading without running it."""
    part: dict[str, Any] = {"kind": step.kind, "content": step.content, "title": "", "code": ""}
    if step.kind == "check":
        part |= {"title": registry.get(step.content).title, "code": step.content}
    elif step.kind == "fix":
        code, _, fix_id = step.content.rpartition(".")
        part |= {"title": registry.get(code).get_fix(fix_id).title, "code": code}
    part["commands"] = runbooks.command_lines(step.content) if step.kind == "command" else []
    part["html"] = Markup(step.html)  # noqa: S704 - our own Markdown, raw HTML off
    return part


def _recent(run: Any) -> dict[str, Any]:
    return {"id": run.id, "subject_name": run.subject_name, "status": run.status, "started_at": run.started_at,
            "started_by": run.by, "verdict": runbooks.verdict(run)}  # fmt: skip


@bp.post("/<slug>")
@requires("run")
def start(slug: str) -> Any:
    """Find the object that was named and start the walk; without one the form says why."""
    console, book = the_console(), runbooks.get(slug)
    typed = request.form.get("subject", "")[: subjects.LONGEST].replace("\x00", "").strip()
    subject = ""
    if book.needs != "nothing":
        fitting = subjects.candidates(console, book.needs, typed)
        if len(fitting) != 1:
            return _page(book, typed, _problem(book.needs, typed, len(fitting)), fitting), 422
        subject = fitting[0].subject
    try:
        run = runbooks.start(console, slug, subject, by=current_user.email)
    except (NotFound, Refused) as error:
        return _page(book, typed, str(error)), 422
    return redirect(url_for("symptoms.run", run_id=run.id), 303)


_NONE = {
    "user": "No account fits “{}”. Write the e-mail as it stands in the ticket, or the user's id.",
    "project": "No project fits “{}”. Write its id, its title or its address, such as http://host/projects/12/data.",
    "storage": "No storage fits “{}”. Write type and id as in s3:4, its title, its bucket or its project's address.",
}


def _problem(kind: str, typed: str, number: int) -> str:
    if not typed:
        return f"Name a {kind}."
    shown = typed if len(typed) <= 80 else f"{typed[:80]}…"
    if number:
        most = " or more" if number == subjects.MOST_CANDIDATES else ""
        return f"“{shown}” fits {number}{most} {kind}s. Choose one, or write more of the name."
    return _NONE[kind].format(shown)


@bp.get("/runs/<run_id>")
@requires("look")
def run(run_id: str) -> str:
    return render_template("symptoms/run.html", **run_view(the_console(), run_id))


@bp.get("/runs/<run_id>/partial")
@requires("look")
def run_partial(run_id: str) -> str:
    return render_template("symptoms/_run.html", **run_view(the_console(), run_id))
