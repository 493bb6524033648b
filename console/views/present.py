"""Rows of the state store as the templates want them. Shared by every page that lists findings, plans, events, jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import url_for
from flask_login import current_user

from ..amounts import counted
from ..diagnostics import registry
from ..diagnostics.change import revive
from ..diagnostics.check import Subject
from ..diagnostics.documents import diff, from_dict
from ..diagnostics.report import readable
from ..jobs import rate
from ..masking import mask_text
from ..state.models import AuditEvent, FindingRow, JobRow, PlanRow
from .texts import thousands

#: Flask-Admin endpoint of each kind of object that has a page.
RECORD_ENDPOINTS = {
    "user": "user",
    "organization": "organization",
    "project": "project",
    "task": "task",
    "annotation": "annotation",
}


@dataclass(frozen=True)
class Spark:
    """A small line chart: an SVG path and its last point."""

    path: str
    x: float
    y: float


def spark(values: Sequence[float], width: int, height: int) -> Spark | None:
    """A chart of at least two values, zero at the bottom."""
    if len(values) < 2:
        return None
    top = max([*values, 1])
    step = (width - 3) / (len(values) - 1)
    points = [
        (round(i * step, 1), round(height - 3 - (value / top) * (height - 6), 1)) for i, value in enumerate(values)
    ]
    return Spark("M" + "L".join(f"{x:g} {y:g}" for x, y in points), *points[-1])


def subject_url(subject: str) -> str | None:
    """The page of a subject, or None where none exists."""
    if not subject:
        return None
    parsed = Subject.parse(subject)
    if parsed.kind in RECORD_ENDPOINTS and parsed.id.isdecimal():
        return url_for(f"{RECORD_ENDPOINTS[parsed.kind]}.details_view", id=parsed.id)
    if parsed.kind == "storage":
        return url_for("storages.show", subject_id=parsed.id)
    if parsed.kind == "queue":
        return url_for("queue_jobs.index", queue=parsed.id, state="queued")
    if parsed.kind == "job":
        return url_for("queue_jobs.show", id=parsed.id)
    if parsed.kind == "worker":
        return url_for("queues.index")
    if parsed.kind == "table":
        return url_for("database_table.show", name=parsed.id)
    if parsed.kind == "index":
        return url_for("database_table.indexes", q=parsed.id)
    if subject == "deployment:database" or subject.startswith("deployment:session-"):
        return url_for("database_server.sessions" if "session" in subject else "database.index")
    if subject == "deployment:redis":
        return url_for("queues.index")
    return None


def subject_text(subject: str, name: str = "") -> str:
    """`project 12, Traffic signs north`; `s3:7, North region frames`; an e-mail for a user."""
    if not subject:
        return name
    parsed = Subject.parse(subject)
    if parsed.kind == "user" and name and name != subject:
        return name
    shown = parsed.id if parsed.kind == "storage" else f"{parsed.kind} {parsed.id}"
    if parsed.kind == "deployment":
        return name if name and name != subject else parsed.id.capitalize()
    return shown if not name or name == subject or name.lower() == parsed.id.lower() else f"{shown}, {name}"


def fact(label: str, figure: Any, **rest: Any) -> dict[str, Any]:
    """One number of the strip under a title; rest: unit, note, glyph, spark, spark_label."""
    empty = {"unit": None, "note": None, "glyph": None, "spark": None, "spark_label": None}
    return empty | {"label": label, "figure": thousands(figure)} | rest


def tab(label: str, count: int, url: str, *, current: bool = False, glyph: str | None = None) -> dict[str, Any]:
    """One filter tab."""
    return {"label": label, "count": count, "url": url, "current": current, "glyph": glyph}


def trend_text(totals: Sequence[int], what: str) -> str:
    """What a chart of numbers shows, in words; empty for none."""
    if not totals:
        return ""
    now = f"{totals[-1]:,} {what}{'' if totals[-1] == 1 else 's'}"
    return f"{now} now, {max(totals):,} at most in {len(totals)} runs"


def thresholds(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The limits of a check in words: `older_than_minutes=30` is ("older than", "30 min")."""
    units = {
        "seconds": "s",
        "minutes": "min",
        "hours": "h",
        "days": "d",
        "percent": "%",
        "bytes": "bytes",
        "rows": "rows",
    }
    found = []
    for name, value in values.items():
        head, _, unit = name.rpartition("_")
        known = head and unit in units
        found.append(
            (
                (head if known else name).replace("_", " "),
                f"{thousands(value)} {units[unit]}" if known else thousands(value),
            )
        )
    return found


def offered(code: str, names: Iterable[str]) -> list[dict[str, Any]]:
    """The fixes of these names; none for a check that this version does not have any more."""
    check = registry.find(code)
    fixes = [check.fixes[name] for name in names if name in check.fixes] if check else []
    return [{"id": fix.id, "title": fix.title, "reversible": fix.reversible} for fix in fixes]


def finding_item(row: FindingRow) -> dict[str, Any]:
    """A finding in a list; its evidence rows are not touched."""
    return {
        "id": row.id, "code": row.code, "severity": row.severity, "summary": row.summary, "cause": row.cause or None,
        "impact": row.impact or None, "subject": row.subject, "subject_name": subject_text(row.subject, row.name),
        "subject_url": subject_url(row.subject), "first_seen": row.first_seen, "last_seen": row.last_seen,
        "fixes": offered(row.code, row.fixes),
        "state": "gone" if row.gone_at else "open",
    }  # fmt: skip


#: Codes of plans that a person chose: an area, no check.
AREAS = {"pg": "Database", "sqlite": "Database", "jobs": "Queues", "storage": "Storages"}
_OUTCOMES = {"applied": "applied", "undone": "undone", "verified": "pass", "conflict": "conflict", "failed": "failed",
             "undone in part": "warning", "undo failed": "failed"}  # fmt: skip


def evidence_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row of evidence for reading: times as the rest of the page writes them."""
    return {name: f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else readable(value)
            for name, value in revive(row).items()}  # fmt: skip


def event_item(event: AuditEvent) -> dict[str, Any]:
    """An audit event in a list. `outcome` is a state the badges know."""
    outcome = _OUTCOMES.get(event.action, "info")
    of_area = event.action == "verified" and event.code in AREAS
    if event.action == "verified" and event.rows:
        outcome = "info" if of_area else "findings"
    title = event.data.get("title", "")
    rows = None if of_area or (event.code in AREAS and not event.rows) else event.rows
    seen = f": {counted(event.rows, 'finding')} in the area" if of_area else ""
    action = {"apply intended": f"Began: {title}", "applied": f"Applied: {title}", "undo intended": f"Began to undo: {title}",
              "undone": f"Undid: {title}", "undone in part": f"Undid in part: {title}",
              "undo failed": f"Nothing taken back: {title}", "verified": f"Checked again{seen}",
              "conflict": f"Conflict, nothing written: {title}",
              "failed": f"Nothing written: {title}"}.get(event.action, event.action.capitalize())  # fmt: skip
    if event.action == "granted":
        action = f"Gave {event.data.get('email', '')} the role {event.data.get('role', '')}"
    return {"seq": event.seq, "at": event.at, "by": event.actor, "action": action, "outcome": outcome,
            "subject_name": subject_text(event.subject), "subject_url": subject_url(event.subject),
            "reason": event.reason, "rows": rows, "unit": _unit(event), "plan_id": event.plan_id}  # fmt: skip


def _unit(event: AuditEvent) -> str:
    """What the number of an event counts, where it is no rows."""
    if event.action == "verified":
        return "findings"
    one = {"pg": "step", "sqlite": "step", "jobs": "change"}.get(event.code, "")
    return f"{one}{'' if event.rows == 1 else 's'}" if one else ""


def change_lines(documents: Iterable[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """Lines of a before/after table for the first `limit` changes."""
    lines: list[dict[str, Any]] = []
    for document in list(documents)[:limit]:
        lines += [
            line | {"before": readable(line["before"]), "after": readable(line["after"])}
            for line in diff(from_dict(document))
        ]
    return lines


def job_item(row: JobRow) -> dict[str, Any]:
    """A job as its panel shows it."""
    speed, left = rate(row)
    return {
        "id": row.id, "title": row.title, "status": row.status, "done": row.done, "total": row.total, "label": row.label,
        "rate_per_second": speed, "seconds_left": left, "by": row.by, "created_at": row.created_at,
        "started_at": row.started_at, "finished_at": row.finished_at, "error": row.error or None,
        "result_url": _result_url(row), "cancellable": _cancellable(row), "outcome": _outcome(row),
        "unit": row.arguments.get("unit", ""), "seen": _seen(row),
    }  # fmt: skip


_PROBED = {
    "taken": "pass",
    "failed": "error",
    "waiting": "error",
    "refused": "warning",
    "ok": "pass",
    "skipped": "not_applicable",
}


def _seen(row: JobRow) -> list[dict[str, Any]]:
    """What a probe saw, a line for each queue or step: state, name, text, seconds (or none)."""
    result = row.result or {}
    lines = [
        {"state": _PROBED[one["outcome"]], "name": one["queue"], "text": one["summary"],
         "seconds": one["milliseconds"] / 1000 if one["milliseconds"] is not None else None}
        for one in result.get("probes", ())
    ]  # fmt: skip
    if row.kind == "export probe":
        lines += [
            {"state": _PROBED[one["state"]], "name": one["name"], "text": one["message"], "seconds": one["seconds"]}
            for one in result.get("steps", ())
        ]
    if row.kind == "file look":
        lines += [
            {"state": one["state"], "name": one["name"], "text": one["message"], "seconds": one["seconds"]}
            for one in result.get("steps", ())
        ]
    return [line | {"text": mask_text(str(line["text"]))} for line in lines]


#: Lines of what went wrong that a panel shows.
_PROBLEMS = 20


def _outcome(row: JobRow) -> dict[str, Any] | None:
    """What a sync that ended did: `told` in a sentence, `problems` a line each, `more` of them."""
    result = row.result or {}
    if row.kind in {"queue probe", "export probe"} and result:
        wrong = [line for line in _seen(row) if line["state"] == "error"]
        told = f"{wrong[0]['name']}: {wrong[0]['text']}" if wrong else "Everything went well."
        return {"told": told, "bad": bool(wrong), "problems": [], "more": 0}
    if row.kind != "sync" or "status" not in result:
        return None
    if "written" in result:
        told = f"{result['written']:,} of {result['total']:,} annotations written"
        count, problems = (
            result["failed"],
            [f"Annotation {one['annotation']}: {one['reason']}" for one in result["failures"]],
        )
        told += f", {count:,} failed" if count else ""
    else:
        told = f"{result['tasks']:,} new tasks; {result['listed']:,} objects listed, {result['existed']:,} tasks were there before"
        count, problems = result["problem_count"], result["problems"]
        told += f", {count:,} left out" if count else ""
    shown = [mask_text(str(problem)) for problem in problems[:_PROBLEMS]]
    return {"told": f"{told}.", "bad": bool(count), "problems": shown, "more": count - len(shown)}


#: Jobs that look for a wish to stop between their steps; the others end soon, or write in one transaction.
_IN_STEPS = frozenset({
    "checks", "runbook", "repair", "export", "conversion", "matrix", "dry run", "sync", "queue changes", "queue undo",
    "maintenance", "scheduled", "queue probe", "export probe", "file look",
})  # fmt: skip
#: Jobs that write to the deployment or to a bucket of it.
_WRITING = frozenset({
    "repair", "apply", "undo", "export", "conversion", "sync", "queue changes", "queue undo", "maintenance",
    "scheduled", "queue probe", "export probe",
})  # fmt: skip


def _cancellable(row: JobRow) -> bool:
    waits = row.status == "queued" or (row.status == "running" and row.kind in _IN_STEPS)
    return waits and not row.cancel_requested and may_cancel(row)


def may_cancel(row: JobRow) -> bool:
    """Whether the signed-in person may stop this job: one that writes takes the right to write."""
    return current_user.may("fix" if row.kind in _WRITING else "run")


def _result_url(row: JobRow) -> str | None:
    arguments, result = row.arguments, row.result or {}
    if row.kind == "media":
        return url_for("media.show", look_id=row.id)
    if row.kind in {"queue probe", "export probe"}:
        return url_for("queues.index")
    if row.kind == "runbook":
        return url_for("symptoms.run", run_id=arguments["run_id"])
    if row.kind in {"matrix", "dry run", "sync"}:
        named = arguments.get("storage")
        return url_for("storages.show", subject_id=named) if named else url_for("storages.index")
    if row.kind in {"scheduled", "file look"}:
        return url_for("database.index")
    if row.kind == "repair":
        return url_for("audit.index")
    if row.kind in {"export", "conversion"}:
        return None  # its file is for whoever asked, through the API
    if arguments.get("plan_id") or result.get("plan"):
        return url_for("plans.show", plan_id=result.get("plan") or arguments["plan_id"])
    if arguments.get("finding_id"):
        return url_for("findings.show", finding_id=arguments["finding_id"])
    names = arguments.get("names") or []
    return url_for("checks.show", code=names[0]) if len(names) == 1 else url_for("overview.index")


def plan_states(plan: PlanRow) -> str:
    """A plan's status in the words of the badges."""
    return {"applying": "applying", "undoing": "applying"}.get(plan.status, plan.status)
