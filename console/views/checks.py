"""Every question the console can ask, what it answered last, and asking it now."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_login import current_user
from markdown_it import MarkdownIt
from markupsafe import Markup

from .. import jobs, runbooks
from ..app import the_console
from ..auth import requires
from ..diagnostics import registry
from ..diagnostics.check import Check
from ..diagnostics.undecided import grouped
from ..state import findings, runs
from ..state.runs import Answer
from . import present
from .overview import run_summary

bp = Blueprint("checks", __name__, url_prefix="/checks")
SHOWN_HISTORY = 20
#: Tabs in this order: (outcome, word, look).
OUTCOMES = (
    ("findings", "with findings", "error"), ("unknown", "unknown", "unknown"), ("crashed", "crashed", "crashed"),
    ("pass", "pass", "pass"), ("not_applicable", "not applicable", "na"), ("never", "not run yet", "waiting"),
)  # fmt: skip
_markdown = MarkdownIt("commonmark", {"html": False})


@bp.get("/")
@requires("look")
def index() -> str:
    console = the_console()
    identity = console.deployment.identity
    with console.store.read() as session:
        answers = runs.answers(session, identity)
        per_code = findings.per_code(session, identity)
        worst = findings.headlines(session, identity)
        last = next(iter(runs.recent_runs(session, identity, 1)), None)
    rows = [
        _listed(check, answers.get(check.code, []), per_code.get(check.code, {}), worst.get(check.code, ""))
        for check in registry.all_checks()
    ]
    wanted = request.args.get("outcome", "")
    wanted = wanted if wanted in {name for name, _, _ in OUTCOMES} else ""
    areas = []
    for area in registry.by_area():
        inside = [row for row in rows if row["code"].split(".")[0] == area and wanted in ("", row["outcome"])]
        if inside:
            areas.append({"area": area, "title": registry.area_title(area), "checks": inside})
    running = jobs.full_run(console.store)
    return render_template(
        "checks/index.html",
        areas=areas,
        running=present.job_item(running) if running else None,
        last_run=run_summary(last),
        outcome_tabs=_tabs(rows, wanted),
        total=len(rows),
        shown=sum(len(area["checks"]) for area in areas),
    )


def _listed(check: Check, answers: list[Answer], counts: dict[str, int], headline: str) -> dict[str, Any]:
    latest = answers[0] if answers else None
    outcome = _outcome(latest, sum(counts.values()))
    return {
        "code": check.code, "title": check.title, "outcome": outcome, "findings": sum(counts.values()),
        "severity": findings.worst(counts) or str(check.severity),
        "reason": headline or (grouped(latest.reason) if latest else ""), "duration_seconds": latest.duration_seconds if latest else None,
    }  # fmt: skip


def _outcome(latest: Answer | None, standing: int) -> str:
    """What holds now: findings that stand, else the latest answer; one whose findings are all gone since is a pass."""
    if standing:
        return "findings"
    if latest is None:
        return "never"
    return "pass" if latest.outcome == "findings" else latest.outcome


def _tabs(rows: list[dict[str, Any]], wanted: str) -> list[dict[str, Any]]:
    tabs = [present.tab("all", len(rows), url_for("checks.index"), current=not wanted)]
    for outcome, word, look in OUTCOMES:
        number = sum(1 for row in rows if row["outcome"] == outcome)
        if number or outcome == wanted:
            url = url_for("checks.index", outcome=outcome)
            tabs.append(present.tab(word, number, url, current=wanted == outcome, glyph=look))
    return tabs


@bp.get("/<code>")
@requires("look")
def show(code: str) -> str:
    console, check = the_console(), registry.get(code)
    identity = console.deployment.identity
    with console.store.read() as session:
        answers = runs.answers(session, identity, code).get(code, [])
        found = findings.of_check(session, identity, code)
    running = next((job for job in jobs.running(console.store, "checks") if _asks(job, code)), None)
    totals = [answer.findings for answer in reversed(answers)]
    return render_template(
        "checks/show.html",
        check=_about(check),
        latest=_latest(answers, found),
        history=[_entry(check, answer) for answer in answers[:SHOWN_HISTORY]],
        trend=present.spark(totals, 320, 40),
        trend_text=present.trend_text(totals, "finding"),
        running=present.job_item(running) if running else None,
    )


def _asks(job: Any, code: str) -> bool:
    return (job.arguments.get("names") or [code]) == [code] and not job.arguments.get("scope")


def _about(check: Check) -> dict[str, Any]:
    settings = the_console().settings
    limits = check.thresholds | settings.threshold(check.code)
    return {
        "code": check.code, "title": check.title, "area": check.area, "area_title": registry.area_title(check.area),
        "doc_html": Markup(_markdown.render(check.doc)),  # noqa: S704 - our own docstring, raw HTML off
        "severity": str(check.severity), "thresholds": present.thresholds(limits),
        "fixes": list(check.fixes.values()), "budget_seconds": check.budget_seconds or settings.check_budget_seconds,
        "runbooks": [{"slug": book.slug, "title": book.title} for book in runbooks.for_check(check.code)],
    }  # fmt: skip


def _latest(answers: list[Answer], found: list[Any]) -> dict[str, Any] | None:
    if not answers and not found:
        return None
    newest = max((row.last_seen for row in found), default=None)
    answer = answers[0] if answers else None
    return {
        "outcome": _outcome(answer, len(found)),
        "reason": grouped(answer.reason) if answer and answer.outcome != "findings" else "",
        "findings": [present.finding_item(row) for row in found],
        "finished_at": answer.finished_at if answer else newest,
        "duration_seconds": answer.duration_seconds if answer else 0.0,
    }


def _entry(check: Check, answer: Answer) -> dict[str, Any]:
    return {"run_id": answer.run_id, "finished_at": answer.finished_at, "outcome": answer.outcome,
            "findings": answer.findings, "duration_seconds": answer.duration_seconds,
            "severity": str(check.severity)}  # fmt: skip


@bp.post("/run", defaults={"code": ""})
@bp.post("/<code>/run")
@requires("run")
def run(code: str) -> Any:
    """Start a run of all checks, or of one. A run that is under way already is shown instead."""
    job, started = jobs.start_checks(the_console(), code, by=current_user.email)
    if not started:
        flash(f"This run is under way already, started by {job.by}.", "info")
    if code:
        return redirect(url_for("checks.show", code=code), 303)
    from_overview = request.referrer == url_for("overview.index", _external=True)
    return redirect(url_for("overview.index" if from_overview else "checks.index"), 303)
