"""A walk through a runbook as its page shows it: the answer, the steps, the prose that belongs to each."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

from .. import jobs, runbooks, subjects
from ..diagnostics import registry
from ..errors import NotFound
from ..replies import reply
from ..runbooks import Step, prose
from ..service import Console
from ..state import findings
from ..state.models import FindingRow, RunbookRun
from . import present

#: What a step was seen as when somebody has to act on it or read it.
_SPEAKING = {"finding", "unknown", "crashed"}
_OPEN = {"waiting", "running"}
_HEADING = re.compile(r"(?m)^#{1,6} +(.+)$")


def run_view(console: Console, run_id: str) -> dict[str, Any]:
    """What `symptoms/run.html` and its moving part need."""
    run = runbooks.transcript(console, run_id)
    book = runbooks.get(run.slug)
    found = runbooks.findings_of(run)
    with console.store.read() as session:
        known = findings.by_ids(session, {item["finding_id"] for item in found if item.get("finding_id")})
        others = findings.on_subjects(session, run.deployment, [run.subject]) if run.subject else []
    status = _status(console, run)
    steps = _steps(book.steps, run.steps, known)
    worst = runbooks.verdict(run)
    ended = run.finished_at or (datetime.now(UTC) if status == "running" else None)
    return {
        "run": {
            "id": run.id, "runbook": {"slug": book.slug, "title": book.title}, "subject": run.subject,
            "subject_name": present.subject_text(run.subject, run.subject_name), "started_by": run.by,
            "subject_url": present.subject_url(run.subject), "started_at": run.started_at, "status": status,
            "job_id": run.job_id, "verdict": _verdict(worst, known) if worst and status != "running" else None,
            "undecided": sum(1 for step in run.steps if step["state"] in {"unknown", "crashed"}),
            "steps": steps, "checks": sum(1 for step in run.steps if step["kind"] == "check"),
            "steps_done": sum(1 for step in run.steps if step["kind"] == "check" and step["state"] not in _OPEN),
            "duration_seconds": (ended - run.started_at).total_seconds() if ended else None,
            "reply": reply(run) if status == "done" else "", "remark": runbooks.remark(run),
            "others": bool(found) and worst is None,
        },
        "facts": _facts(console, run.subject),
        "others": [present.finding_item(row) for row in others if row.id not in known],
    }  # fmt: skip


def _status(console: Console, run: RunbookRun) -> str:
    """A walk whose job is over is over as well, whatever its last saved step says."""
    if run.status != "running" or not run.job_id:
        return run.status
    try:
        job = jobs.get(console.store, run.job_id)
    except NotFound:
        return "failed"
    return job.status if job.status in {"failed", "cancelled"} else "running"


def _facts(console: Console, subject: str) -> list[dict[str, Any]]:
    pairs = subjects.facts(console, subject) if subject else []
    url = present.subject_url(subject) if subject else None
    return [
        {"label": label, "text": text, "url": url if number == 0 else None}
        for number, (label, text) in enumerate(pairs)
    ]


def _verdict(found: dict[str, Any], known: dict[int, FindingRow]) -> dict[str, Any]:
    row = known.get(found.get("finding_id") or 0)
    subject = f"{found['subject']['kind']}:{found['subject']['id']}"
    return {
        "subject_url": present.subject_url(subject), "subject_name": present.subject_text(subject, found["subject"]["name"]),
        "id": row.id if row else None, "severity": found["severity"], "summary": found["summary"],
        "cause": found["cause"], "impact": found["impact"], "gone_at": row.gone_at if row else None,
        "fixes": found["fixes"] if row is not None and row.gone_at is None else [],
    }  # fmt: skip


def _steps(written: tuple[Step, ...], seen: list[Any], known: dict[int, FindingRow]) -> list[dict[str, Any]]:
    """Checks, the fixes that can be planned, and the commands of use; each with the prose that belongs to it.

    A command is of use when one of the checks it follows speaks; under a heading without checks, when none found
    anything.
    """
    shown: list[dict[str, Any]] = []
    heading, before = "", ""
    under: list[bool] = []  # whether the checks speak that a command would belong to
    closed = False  # a fix or a command ended that group
    silent = not any(step.get("findings") for step in seen)
    for number, step in enumerate(written):
        if step.kind == "text":
            heading, after, before, new = _divide(step.content, heading)
            under = [] if new else under
            if shown and after and shown[-1]["speaks"]:
                shown[-1]["after"] = Markup(prose(after))  # noqa: S704 - our own Markdown, raw HTML off
            continue
        item = _step(step, seen[number] if number < len(seen) else {}, known)
        if step.kind == "command":
            item["title"] = heading or "By hand"
        if item["speaks"] and before and number > 1:
            item["html"] = Markup(prose(before))  # noqa: S704 - our own Markdown, raw HTML off
        before = ""
        if step.kind == "check":
            under = [item["speaks"]] if closed else [*under, item["speaks"]]
        closed = step.kind != "check"
        of_use = {"check": True, "fix": bool(item["fixes"]), "command": any(under) if under else silent}
        if of_use[step.kind]:
            shown.append(item)
    return shown


def _divide(text: str, heading: str) -> tuple[str, str, str, bool]:
    """Prose between two steps: the heading in force, what belongs to the step before, what leads to the next, and
    whether the heading is a new one."""
    headings = list(_HEADING.finditer(text))
    if not headings:
        return heading, "", text, False
    return headings[-1][1], text[: headings[0].start()].strip(), text[headings[-1].end() :].strip(), True


def _step(step: Step, seen: dict[str, Any], known: dict[int, FindingRow]) -> dict[str, Any]:
    state = seen.get("state", "waiting") if step.kind == "check" else "info"
    found = seen.get("findings") or []
    finding = max(found, key=lambda item: _rank(item["severity"]), default=None)
    offers = seen.get("offers") or []
    return {
        "kind": step.kind, "title": seen.get("title") or step.content, "state": state,
        "observed": seen.get("observed", "") if step.kind == "check" else "",
        "duration_seconds": seen.get("duration_seconds"), "html": "", "after": "",
        "commands": runbooks.command_lines(step.content) if step.kind == "command" else [],
        "finding": finding | {"id": finding["finding_id"]} if finding else None,
        "fixes": [_offer(item, step.content.rpartition(".")[2]) for item in offers if _stands(item, known)],
        "speaks": state in _SPEAKING or step.kind != "check",
    }  # fmt: skip


def _rank(severity: str) -> int:
    """How bad a severity is."""
    return -findings.severity_names().index(severity)


def _stands(item: dict[str, Any], known: dict[int, FindingRow]) -> bool:
    row = known.get(item.get("finding_id") or 0)
    return row is not None and row.gone_at is None


def _offer(item: dict[str, Any], fix_id: str) -> dict[str, Any]:
    subject = item["subject"]
    check = registry.find(item["code"])
    fix = check.fixes.get(fix_id) if check else None
    return {"id": fix_id, "finding_id": item["finding_id"], "reversible": fix.reversible if fix else False,
            "subject_name": present.subject_text(f"{subject['kind']}:{subject['id']}", subject["name"])}  # fmt: skip
