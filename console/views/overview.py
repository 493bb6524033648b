"""The first page: what is wrong now, what moves, what was changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, render_template, url_for

from .. import jobs
from ..amounts import bytes_text
from ..app import the_console
from ..auth import requires
from ..deployment.size import database_bytes
from ..diagnostics import registry
from ..errors import Unknown
from ..service import Console
from ..state import audit, findings, runs
from ..state.models import Run
from . import frame, present, texts

bp = Blueprint("overview", __name__)
SHOWN_FINDINGS = 8
SHOWN_EVENTS = 6
#: Events that tell of a change, as against intents, sign-ins and later checks.
CHANGES = ("applied", "undone", "conflict", "failed", "granted")
DATABASES = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}


@bp.get("/")
@requires("look")
def index() -> Any:
    console = the_console()
    if not frame.is_attached(console):
        return render_template(
            "overview/unattached.html", problem=console.why_not_attached() or ANSWERS_AGAIN, variables=VARIABLES
        ), 503
    identity = console.deployment.identity
    with console.store.read() as session:
        history = runs.recent_runs(session, identity)
        shown, counts = findings.page(session, identity, findings.Filter(), limit=SHOWN_FINDINGS)
        per_code = findings.per_code(session, identity)
        events = audit.latest(session, actions=CHANGES, limit=SHOWN_EVENTS)
    running = jobs.full_run(console.store)
    last = history[-1] if history else None
    total = sum(counts.values())
    return render_template(
        "overview/index.html",
        summary={
            "last_run": run_summary(last),
            "running": present.job_item(running) if running else None,
            "unknown": undecided(last) if last else 0,
        },
        facts=_facts(console, history),
        findings=[present.finding_item(row) for row in shown],
        total_findings=total,
        areas=_areas(history, per_code),
        events=[present.event_item(event) for event in events],
        severity_tabs=severity_tabs(counts, total),
    )


def run_summary(run: Run | None) -> dict[str, Any] | None:
    """When a run ended and how much it asked; None for no run."""
    if run is None:
        return None
    return {"finished_at": run.finished_at, "checks": len(run.checks), "duration_seconds": run.duration_seconds}


def undecided(run: Run) -> int:
    """How many checks of a run could not decide, those with an error of their own included."""
    return run.summary["unknown"] + sum(1 for item in run.checks if item["outcome"] == "crashed")


def severity_tabs(counts: dict[str, int], total: int, **chosen: Any) -> list[dict[str, Any]]:
    """All, then each severity; `chosen` is the filter to keep, its `severity` the tab that is open."""
    now = chosen.pop("severity", None)
    kept = {name: value for name, value in chosen.items() if value}
    tabs = [present.tab("all", total, url_for("findings.index", **kept), current=now == "")]
    for name in findings.severity_names():
        url = url_for("findings.index", severity=name, **kept)
        tabs.append(present.tab(name, counts.get(name, 0), url, current=now == name, glyph=name))
    return tabs


def _facts(console: Console, history: Sequence[Run]) -> list[dict[str, Any]]:
    deployment = console.deployment
    size, _, unit = bytes_text(database_bytes(deployment)).partition(" ")
    version = deployment.schema.label_studio_version
    facts = [
        present.fact("Label Studio", version or "unknown", note=deployment.schema.version_note or None),
        present.fact(f"{DATABASES[deployment.kind]} {deployment.database_version}", size, unit=unit),
    ]
    if deployment.redis is not None:
        facts.append(_redis_fact(console))
    for name in ("tasks", "annotations", "projects", "storages"):
        series = [run.about.get("counts", {}).get(name) for run in history]
        numbers = [value for value in series if value is not None]
        if numbers:
            facts.append(
                present.fact(
                    name.capitalize(), numbers[-1], note=_moved(history, name), spark=present.spark(numbers, 48, 16),
                    spark_label=f"{name.capitalize()} over {len(numbers)} runs, from {numbers[0]:,} to {numbers[-1]:,}",
                )
            )  # fmt: skip
    return facts


def _redis_fact(console: Console) -> dict[str, Any]:
    reader = console.deployment.redis
    try:
        info = reader.info() if reader else None
    except Unknown:
        info = None
    if info is None:
        return present.fact("Redis", "–", note="does not answer", glyph="error")
    used, _, unit = bytes_text(info.used_memory_bytes).partition(" ")
    most = f"of {bytes_text(info.maxmemory_bytes)}" if info.maxmemory_bytes else "no limit set"
    return present.fact(f"Redis {info.version}", used, unit=unit, note=most)


def _moved(history: Sequence[Run], name: str) -> str | None:
    """How a number moved since the earliest run of the chart."""
    known = [(run.started_at, run.about["counts"][name]) for run in history if name in run.about.get("counts", {})]
    if len(known) < 2:
        return "at the last run"
    difference = known[-1][1] - known[0][1]
    return (
        f"{difference:+,} in {texts.seconds((known[-1][0] - known[0][0]).total_seconds())}" if difference else "steady"
    )


def _areas(history: Sequence[Run], per_code: dict[str, dict[str, int]]) -> list[dict[str, Any]]:
    last = history[-1] if history else None
    return [_area(area, history, last, per_code) for area in registry.by_area()]


def _area(area: str, history: Sequence[Run], last: Run | None, per_code: dict[str, dict[str, int]]) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for code, severities in per_code.items():
        if code.split(".")[0] == area:
            for severity, number in severities.items():
                counts[severity] = counts.get(severity, 0) + number
    title = registry.area_title(area)
    worst = findings.worst(counts)
    outcomes = last.areas.get(area, {}) if last else {}
    undecided = outcomes.get("outcome_unknown", 0) + outcomes.get("outcome_crashed", 0)
    if worst:
        state, label = worst, f"{sum(counts.values()):,} {'finding' if sum(counts.values()) == 1 else 'findings'}"
    elif not outcomes:
        state, label = "never", "Not run yet"
    elif undecided:
        state, label = "unknown", f"{undecided} undecided"
    elif set(outcomes) == {"outcome_not_applicable"}:
        state, label = "not_applicable", "Not applicable"
    else:
        state, label = "pass", "Pass"
    series = [
        sum(number for name, number in run.areas.get(area, {}).items() if not name.startswith("outcome_"))
        for run in history
    ]
    said = f"Findings in {title} over {len(series)} runs, now {series[-1] if series else 0}"
    return {"area": area, "title": title, "worst": state, "label": label, "spark": present.spark(series, 80, 20),
            "spark_label": said}  # fmt: skip


ANSWERS_AGAIN = "It answers again by now: load this page once more."
#: What names the deployment, and what each variable is for.
VARIABLES = (
    ("LSCONSOLE_DATABASE_URL", "postgresql://USER:PASSWORD@HOST:PORT/NAME or sqlite:///PATH"),
    (
        "POSTGRE_HOST, POSTGRE_PORT, POSTGRE_NAME, POSTGRE_USER, POSTGRE_PASSWORD",
        "with DJANGO_DB=default, as Label Studio reads them",
    ),
    ("LABEL_STUDIO_BASE_DATA_DIR", "the directory with label_studio.sqlite3"),
    ("LSCONSOLE_REDIS_URL", "Label Studio's Redis, where it uses one"),
)
