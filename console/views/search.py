"""The search box: whatever a ticket holds is read for what it is, and found. One thing found leads straight to it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, url_for
from sqlalchemy import or_, select

from .. import runbook_search
from ..app import the_console
from ..auth import requires
from ..deployment import Deployment, lookup
from ..deployment.lookup import Hit
from ..deployment.storage_list import StorageLine, storage_lines
from ..diagnostics import registry
from ..errors import ConsoleError, NotFound, Unknown
from ..masking import mask_text
from ..service import Console
from ..state import audit, runs
from ..state.models import FindingRow, JobRow
from . import present
from .paging import wanted_text
from .search_query import Asked, understand

bp = Blueprint("search", __name__)

_PLURAL = {
    "user": "Users", "organization": "Organizations", "project": "Projects", "task": "Tasks", "annotation": "Annotations",
}  # fmt: skip
_LISTS = {"user": "user", "organization": "organization", "project": "project"}


@bp.get("/search")
@requires("look")
def index() -> Any:
    console, query = the_console(), wanted_text("q")
    asked = understand(query)
    groups = _groups(console, asked, query) if query else []
    results = [result for group in groups for result in group["results"]]
    exact = [result for result in results if result["exact"]]
    if len(exact) == 1 and (len(results) == 1 or asked.precise):
        return redirect(exact[0]["url"])
    return render_template("search/index.html", query=query, groups=groups, read_as=asked.read_as)


def _groups(console: Console, asked: Asked, query: str) -> list[dict[str, Any]]:
    """Everything found, the deployment's objects first."""
    groups: list[dict[str, Any]] = []
    if asked.file:
        note = "Follows it as Label Studio and a browser do: storage, signed address, answer, CORS."
        link = url_for("media.index", text=query)
        groups.append(_group("Files", [_result("Why does this file not show?", link, note, exact=True)]))
    unseen = None
    try:
        groups += _deployment_groups(console.deployment, asked)
    except Unknown as problem:  # slow, or not allowed: what our own store knows is still shown
        unseen = str(problem)
    groups += [
        group for group in (_checks(asked), _runbooks(asked), _findings(console, asked), _work(console, asked)) if group
    ]
    known = _known(console, groups)
    for group in groups:
        for result in group["results"]:
            result["worst"], result["findings"] = known.get(result.pop("subject"), (None, 0))
    if unseen:
        asked.read_as = f"The deployment could not be searched: {unseen}"
    return groups


def _deployment_groups(deployment: Deployment, asked: Asked) -> list[dict[str, Any]]:
    with deployment.read() as session:
        lookup.limit_time(session)
        hits: list[Hit] = []
        lines: list[StorageLine] = []
        if asked.id is not None and asked.kinds:
            hits += lookup.by_id(session, deployment.schema, asked.id, asked.kinds)
        if asked.words:
            hits += lookup.by_words(session, asked.words)
        if asked.storage or asked.words:
            lines = storage_lines(session, deployment.schema, text=asked.storage or asked.words, limit=lookup.HITS + 1)
    if asked.storage:
        lines = [line for line in lines if line.reference == asked.storage]
    groups = []
    for kind, title in _PLURAL.items():
        own = [hit for hit in hits if hit.kind == kind]
        more = None
        if len(own) > lookup.HITS:
            more = url_for(f"{_LISTS[kind]}.index_view", search=asked.words)
        groups.append(_group(title, [_object(hit) for hit in own[: lookup.HITS]], more))
    more = url_for("storages.index", text=asked.words) if len(lines) > lookup.HITS else None
    groups.append(_group("Storages", [_storage(line, asked) for line in lines[: lookup.HITS]], more))
    return [group for group in groups if group["results"]]


def _group(title: str, results: list[dict[str, Any]], more_url: str | None = None) -> dict[str, Any]:
    return {"title": title, "results": results, "more_url": more_url}


def _result(title: str, url: str, note: str = "", *, subject: str = "", exact: bool = False) -> dict[str, Any]:
    return {"title": title, "url": url, "note": note or None, "subject": subject, "exact": exact}


def _object(hit: Hit) -> dict[str, Any]:
    subject = f"{hit.kind}:{hit.id}"
    note = ", ".join(
        part for part in (f"{hit.kind} {hit.id}" if hit.title != f"{hit.kind} {hit.id}" else "", hit.note) if part
    )
    return _result(hit.title, present.subject_url(subject) or "", note, subject=subject, exact=hit.exact)


def _storage(line: StorageLine, asked: Asked) -> dict[str, Any]:
    note = mask_text(f"{line.kind_title}, {line.place}")
    exact = line.reference == asked.storage or line.title.lower() == asked.words.lower()
    return _result(
        f"{line.reference}, {mask_text(line.title)}",
        url_for("storages.show", subject_id=line.reference),
        note,
        subject=line.subject,
        exact=exact,
    )


def _checks(asked: Asked) -> dict[str, Any] | None:
    wanted = asked.words.lower()
    if not wanted:
        return None
    found = [check for check in registry.all_checks() if wanted in check.code or wanted in check.title.lower()]
    return (
        _group(
            "Checks",
            [
                _result(check.code, url_for("checks.show", code=check.code), check.title, exact=check.code == wanted)
                for check in found[: lookup.HITS]
            ],
        )
        if found
        else None
    )


def _runbooks(asked: Asked) -> dict[str, Any] | None:
    """Symptoms that hold every word of the query where a ticket would say it, else those that fit best with two at least."""
    words = runbook_search.asked_words(asked.words)
    if not words:
        return None
    held = [(book, sum(word in book.head for word in words)) for book in runbook_search.fitting(asked.words)]
    least = len(words) if any(number == len(words) for _, number in held) else 2
    found = [
        _result(book.title, url_for("symptoms.show", slug=book.slug), book.summary)
        for book, number in held if number >= least
    ]  # fmt: skip
    return _group("Symptoms", found[: lookup.HITS]) if found else None


def _findings(console: Console, asked: Asked) -> dict[str, Any] | None:
    if not asked.words or not (text := asked.words):
        return None
    columns = (FindingRow.summary, FindingRow.cause, FindingRow.name, FindingRow.code)
    with console.store.read() as session:
        rows = session.execute(
            select(FindingRow.id, FindingRow.summary, FindingRow.subject, FindingRow.name, FindingRow.code)
            .where(FindingRow.deployment == console.deployment.identity, FindingRow.gone_at.is_(None),
                   or_(*(column.icontains(text, autoescape=True) for column in columns)))
            .order_by(FindingRow.id).limit(lookup.HITS + 1)
        ).all()  # fmt: skip
    results = [
        _result(row.summary, url_for("findings.show", finding_id=row.id), present.subject_text(row.subject, row.name))
        for row in rows[: lookup.HITS]
    ]
    more = url_for("findings.index", text=text) if len(rows) > lookup.HITS else None
    return _group("Findings", results, more) if results else None


def _work(console: Console, asked: Asked) -> dict[str, Any] | None:
    """Our own jobs and audit events by their id, and jobs of Label Studio's queues."""
    results = []
    if asked.event is not None:
        try:
            event = present.event_item(audit.get(console.store, asked.event))
            results.append(
                _result(
                    f"Audit event {event['seq']}",
                    url_for("audit.show", seq=event["seq"]),
                    event["action"],
                    exact=asked.kinds == (),
                )
            )
        except NotFound:
            pass  # no event of this number
    if asked.job:
        with console.store.read() as session:
            job = session.get(JobRow, asked.job[:32]) if len(asked.job) <= 32 else None
        if job is not None:
            results.append(_result(job.title, url_for("jobs.show", job_id=job.id), f"job {job.id}", exact=True))
        results += _queue_job(console.deployment, asked.job)
    return _group("Work", results) if results else None


def _queue_job(deployment: Deployment, job_id: str) -> list[dict[str, Any]]:
    if deployment.redis is None:
        return []
    try:
        job = deployment.redis.job(job_id)
    except ConsoleError:
        return []  # Redis is down: the page of the queues says so
    if job is None:
        return []
    note = f"{job.function or 'unknown function'}, {job.status or 'no status'} in queue {job.origin or 'unknown'}"
    return [_result(f"Job {mask_text(job_id)}", url_for("queue_jobs.show", id=job_id), mask_text(note), exact=True)]


def _known(console: Console, groups: list[dict[str, Any]]) -> dict[str, tuple[str, int]]:
    """Open findings of the subjects found: worst severity and number."""
    subjects = [result["subject"] for group in groups for result in group["results"] if result["subject"]]
    found: dict[str, tuple[str, int]] = {}
    if subjects:
        for row in runs.findings_about(console.store, console.deployment.identity, subjects):
            worst, number = found.get(row.subject, (row.severity, 0))
            found[row.subject] = (worst, number + 1)  # the rows come worst first
    return found
