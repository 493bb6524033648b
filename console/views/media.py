"""Why does this file not show? One text from a ticket, followed as a browser follows it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_login import current_user

from .. import media_looks, runbooks
from ..app import the_console
from ..auth import requires
from ..diagnostics import registry
from ..doctor import media, media_text
from ..doctor.media_asked import MOST_CHARACTERS
from ..doctor.origin import origin_of
from ..errors import NotFound
from ..state import runs
from . import present

bp = Blueprint("media", __name__, url_prefix="/media")


@bp.get("/")
@requires("look")
def index() -> str:
    return _form(request.args.get("text", ""), request.args.get("project", ""))


@bp.post("/")
@requires("run")
def look() -> Any:
    """Takes at most twenty seconds, mostly less than one."""
    text, project = request.form.get("text", ""), request.form.get("project", "").strip()
    if not text.strip() or len(text) > MOST_CHARACTERS:
        return _form(
            text,
            project,
            problem=f"Paste an address, a link or the id of a task, up to {MOST_CHARACTERS:,} characters.",
        ), 400
    if project and not re.fullmatch(r"[0-9]{1,18}", project):
        return _form(
            text, project, project_problem=f"{project[:40]} is no id; the id of a project is a number such as 12."
        ), 400
    console, began = the_console(), datetime.now(UTC)
    story = media.story(console.deployment, console.settings, text, project_id=int(project) if project else None)
    look_id = media_looks.keep(console.store, story, began=began, by=current_user.email)
    return redirect(url_for("media.show", look_id=look_id), 303)


@bp.get("/<look_id>")
@requires("look")
def show(look_id: str) -> str:
    console = the_console()
    row = media_looks.get(console.store, look_id)
    story: dict[str, Any] = row.result or {}
    known = {check.code for check in registry.all_checks()}
    return render_template(
        "media/show.html", look={"id": row.id, "by": row.by, "at": row.created_at}, story=story, known=known,
        runbook=_runbook(story["why"]["runbook"]), reply=media_text.summary(story), facts=_facts(story), command=_command(story),
        findings=[present.finding_item(found) for found in runs.findings_about(console.store, console.deployment.identity, _about(story))],
    )  # fmt: skip


def _form(text: str, project: str, *, problem: str | None = None, project_problem: str | None = None) -> str:
    console = the_console()
    return render_template(
        "media/index.html", text=text[:MOST_CHARACTERS], project=project[:40], problem=problem, project_problem=project_problem,
        origin=origin_of(console.settings.label_studio_url), most=MOST_CHARACTERS,
        recent=[{"url": url_for("media.show", look_id=row.id), "asked": (row.result or {}).get("asked", ""),
                 "state": (row.result or {}).get("state", "unknown"), "at": row.created_at,
                 "message": (row.result or {}).get("why", {}).get("message", "")} for row in media_looks.recent(console.store)],
    )  # fmt: skip


def _runbook(slug: str) -> dict[str, str] | None:
    try:
        return {"slug": slug, "title": runbooks.get(slug).title} if slug else None
    except NotFound:
        return None


def _facts(story: dict[str, Any]) -> list[dict[str, Any]]:
    facts = [{"label": "Read as", "text": story["read_as"] or "nothing that can be followed", "url": None}]
    for kind in ("task", "project"):
        number = story[f"{kind}_id"]
        if number is not None:
            facts.append(
                {"label": kind.capitalize(), "text": f"{kind} {number}", "url": present.subject_url(f"{kind}:{number}")}
            )
    for reference in _storages(story):
        facts.append({"label": "Storage", "text": reference, "url": url_for("storages.show", subject_id=reference)})
    pages = story["origin"] or "not known: set LSCONSOLE_LABEL_STUDIO_URL"
    return [*facts, {"label": "Pages at", "text": pages, "url": None}]


def _storages(story: dict[str, Any]) -> list[str]:
    """The storages that claim the files, each once (`s3:4`)."""
    steps = [step for file in story["files"] for step in file["steps"]]
    return list(dict.fromkeys(step["detail"]["storage"] for step in steps if step["detail"].get("storage")))


def _about(story: dict[str, Any]) -> list[str]:
    """Subjects whose findings may be the cause as well."""
    project = [] if story["project_id"] is None else [f"project:{story['project_id']}"]
    return [*(f"storage:{reference}" for reference in _storages(story)), *project]


def _command(story: dict[str, Any]) -> str | None:
    """The same look in a terminal; a quote in the text is left to the reader."""
    if "'" in story["asked"]:
        return None
    alone = story["task_id"] is None and story["project_id"] is not None
    return f"lsconsole media '{story['asked']}'" + (f" --project {story['project_id']}" if alone else "")
