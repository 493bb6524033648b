"""What is wrong: the list, one finding with its proof, and planning its fix."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_login import current_user

from .. import jobs, runbooks
from ..app import the_console
from ..auth import requires
from ..diagnostics import registry
from ..diagnostics.check import Scope, Subject
from ..diagnostics.report import readable
from ..errors import Refused
from ..state import audit, findings, runs
from ..state.models import FindingRow, Run
from . import paging, present
from .downloads import csv_response
from .overview import run_summary, severity_tabs, undecided

bp = Blueprint("findings", __name__, url_prefix="/findings")
PAGE_ROWS = 50
#: Evidence rows on the page, so that the fix stays in sight; “See all” shows every stored one.
SHOWN_ROWS = 8
#: A check asked again answers within this, or the page of its job is shown.
ANSWER_SECONDS = 2.0


@bp.get("/")
@requires("look")
def index() -> str:
    console, page = the_console(), paging.page_number()
    severity = request.args.get("severity", "")
    chosen = findings.Filter(
        severity=severity if severity in findings.severity_names() else "", area=paging.wanted_text("area", 40),
        text=paging.wanted_text("text"), subject=paging.wanted_text("subject", 300),
    )  # fmt: skip
    identity = console.deployment.identity
    with console.store.read() as session:
        rows, counts = findings.page(session, identity, chosen, offset=(page - 1) * PAGE_ROWS, limit=PAGE_ROWS)
        per_code = findings.per_code(session, identity)
        last = next(iter(runs.recent_runs(session, identity, 1)), None)
    kept = {"area": chosen.area, "text": chosen.text, "subject": chosen.subject}
    total = counts.get(chosen.severity, 0) if chosen.severity else sum(counts.values())
    areas = [("", "All areas")] + [(area, registry.area_title(area)) for area in registry.by_area()]
    return render_template(
        "findings/index.html",
        findings=[present.finding_item(row) for row in rows],
        severity_tabs=severity_tabs(counts, sum(counts.values()), severity=chosen.severity, **kept),
        areas=areas,
        chosen={"severity": chosen.severity} | kept,
        pager=paging.pager("findings.index", page, PAGE_ROWS, len(rows), total, severity=chosen.severity, **kept),
        total=sum(number for numbers in per_code.values() for number in numbers.values()),
        last_run=run_summary(last),
        unknown=undecided(last) if last else 0,
    )


@bp.get("/<int:finding_id>")
@requires("look")
def show(finding_id: int) -> str:
    console = the_console()
    row = runs.finding(console.store, finding_id)
    with console.store.read() as session:
        others = findings.on_subjects(session, row.deployment, [row.subject])
        plan = findings.latest_plan(session, row.id)
        totals = findings.points(session, row.id)
        events = audit.latest(session, subject=row.subject, code=row.code)
        run = runs.get(session, row.run_id)
    books = runbooks.for_check(row.code)
    limit = len(row.rows) if request.args.get("rows") == "all" else SHOWN_ROWS
    shown = [present.evidence_row(item) for item in row.rows[:limit]]
    subject = Subject.parse(row.subject)
    return render_template(
        "findings/show.html",
        finding=present.finding_item(row) | {
            "subject_kind": subject.kind, "subject_id": subject.id, "gone_at": row.gone_at,
            "evidence": {"columns": row.columns, "rows": shown, "total": row.total, "source": row.source,
                         "stored": len(row.rows)},
        },
        check=_check(row.code),
        trend=present.spark(totals, 320, 40),
        trend_text=present.trend_text(totals, "row"),
        others=[present.finding_item(other) for other in others if other.id != row.id],
        cli=_command(row),
        events=[present.event_item(event) for event in events],
        plan=plan,
        links=_links(row, shown),
        checked={"at": row.gone_at or row.last_seen, "duration_seconds": _duration(run, row.code)},
        runbooks=[{"slug": book.slug, "title": book.title} for book in books],
    )  # fmt: skip


@bp.get("/<int:finding_id>/evidence.csv")
@requires("look")
def evidence(finding_id: int) -> Response:
    """Every stored row, as a file."""
    row = runs.finding(the_console().store, finding_id)
    return csv_response(f"finding-{row.id}-{row.code}", row.columns, (readable(item) for item in row.rows))


@bp.post("/<int:finding_id>/plan/<fix_id>")
@requires("run")
def plan(finding_id: int, fix_id: str) -> Any:
    """Plan a fix from the evidence on the page. Nothing is written to the deployment."""
    console = the_console()
    row = runs.finding(console.store, finding_id)
    try:
        if row.gone_at is not None:
            raise Refused("This is no longer found, so there is nothing to plan. Check again to be sure.")
        made = console.plan(runs.as_finding(row), fix_id, by=current_user.email, finding_id=row.id)
    except Refused as error:
        flash(str(error), "error")
        return redirect(url_for("findings.show", finding_id=finding_id), 303)
    return redirect(url_for("plans.show", plan_id=made.id), 303)


@bp.post("/<int:finding_id>/again")
@requires("run")
def again(finding_id: int) -> Any:
    """Ask the check again about this object alone."""
    console = the_console()
    row = runs.finding(console.store, finding_id)
    check = registry.get(row.code)
    scope = Scope.of(Subject.parse(row.subject))
    narrowed = _scope_document(scope) if scope.words <= check.scopes else {}
    arguments = {"names": [row.code], "scope": narrowed, "finding_id": row.id}
    job = jobs.start(console, "checks", f"Check {row.code} again on {row.subject}", arguments, by=current_user.email)
    job = jobs.wait(console.store, job.id, ANSWER_SECONDS)
    if job.status in {"queued", "running"}:
        return redirect(url_for("jobs.show", job_id=job.id), 303)
    _tell(job.error, runs.finding(console.store, finding_id))
    return redirect(url_for("findings.show", finding_id=finding_id), 303)


def _tell(error: str, now: FindingRow) -> None:
    if error:
        flash(error, "error")
    else:
        flash("Checked again: no longer found." if now.gone_at else f"Checked again: it still stands. {now.summary}.")


def _scope_document(scope: Scope) -> dict[str, Any]:
    return {"user_ids": list(scope.user_ids), "project_id": scope.project_id, "storage": scope.storage}


def _check(code: str) -> dict[str, Any]:
    check = registry.find(code)
    area = code.split(".")[0]
    if check is None:
        return {"code": code, "title": code, "area_title": registry.area_title(area), "thresholds": []}
    limits = the_console().settings.threshold(code)
    return {"code": code, "title": check.title, "area_title": registry.area_title(area),
            "thresholds": present.thresholds(check.thresholds | limits)}  # fmt: skip


def _command(row: FindingRow) -> str:
    """What does the same in a terminal."""
    if row.fixes:
        return f"lsconsole fix {row.code} --subject {row.subject}"
    subject = Subject.parse(row.subject)
    narrowed = {"project": f" --project {subject.id}", "storage": f" --storage {subject.id}"}.get(subject.kind, "")
    return f"lsconsole check {row.code}{narrowed}"


def _duration(run: Run | None, code: str) -> float | None:
    return next((item["duration_seconds"] for item in run.checks if item["code"] == code), None) if run else None


#: What the `id` of a row names, by the table that the query of the evidence begins with.
_TABLES = {"task": "task", "htx_user": "user", "project": "project", "organization": "organization",
           "task_completion": "annotation"}  # fmt: skip


def _links(row: FindingRow, shown: list[Any]) -> dict[str, dict[Any, str]]:
    """Pages of the objects that evidence rows name, by column and value."""
    first = re.search(r"(?i)\bfrom\s+(?:\w+\.)?\"?(\w+)", row.source)
    kinds = {f"{kind}_id": kind for kind in present.RECORD_ENDPOINTS} | {
        kind: kind for kind in present.RECORD_ENDPOINTS
    }
    if first and first[1] in _TABLES:
        kinds["id"] = _TABLES[first[1]]
    links: dict[str, dict[Any, str]] = {}
    for column in row.columns:
        kind = kinds.get(column)
        for item in shown if kind else []:
            value = item.get(column)
            if isinstance(value, int) and not isinstance(value, bool):
                url = present.subject_url(f"{kind}:{value}")
                if url:
                    links.setdefault(column, {})[value] = url
    return links
