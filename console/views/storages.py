"""Storages: what is set, what the last sync left behind, what is known to be wrong, and what was last seen in the bucket.

No bucket is touched from here: looking is a job, see `storage_doctor`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, render_template, url_for
from flask_login import current_user

from .. import jobs, runbooks
from ..app import the_console
from ..auth import requires
from ..deployment.buckets import can_look_into
from ..deployment.models import as_utc
from ..deployment.storage_list import StorageLine, storage_lines
from ..deployment.storage_rules import scan_rules
from ..deployment.storage_sharing import sharing
from ..deployment.storages import PROVIDER_TITLES, Storage, StorageKind, project_titles
from ..deployment.storages import storage as find_storage
from ..diagnostics.check import Severity
from ..diagnostics.undecided import parts
from ..doctor.policies import Surroundings
from ..masking import mask_row, mask_text
from ..service import Console
from ..state import audit, runs, storage_reports
from ..state.models import JobRow, Run, StorageReport
from . import present, storage_story
from .paging import page_number, pager, wanted_text

bp = Blueprint("storages", __name__, url_prefix="/storages")

PAGE = 50
#: Characters of a traceback that a page shows; what went wrong stands at its end.
TRACEBACK_CHARS = 20_000
#: Jobs that are about storages.
KINDS = ("matrix", "dry run", "sync")
#: How long a sync that ended is told about.
NEWS = timedelta(hours=1)
#: Runbooks of the area "storage" that targets have; the first is about them alone.
OF_TARGETS = ("annotations-do-not-reach-the-target", "sync-stuck")
#: Provider -> area of the runbooks that are about it alone.
AREAS = {"gcs": "gcs", "azure": "azure", "localfiles": "local", "redis": "redisstore"}
#: Actions of the audit log after which what was seen of a storage is old.
CHANGES = ("applied", "undone", "changed a storage")
#: Ended jobs searched for one that failed here.
ENDED_JOBS = 40


@bp.get("/")
@requires("look")
def index() -> str:
    console = the_console()
    text, page, project = wanted_text("text"), page_number(), _wanted_project()
    with console.deployment.read() as session:
        lines = storage_lines(session, console.deployment.schema)
    worst = runs.worst_by_subject(console.store, console.deployment.identity, "storage")
    run = runs.last_run(console.store, console.deployment.identity)
    seen = storage_reports.all_latest(console.store, console.deployment.identity, "matrix")
    lines = [line for line in lines if project is None or line.project_id == project]
    chosen = [line for line in lines if text.lower() in _words(line)]
    seen = {line.reference: seen[line.reference] for line in lines if line.reference in seen}
    chosen.sort(key=lambda line: -Severity(worst[line.subject][0]).rank if line.subject in worst else 1)
    shown = chosen[(page - 1) * PAGE : page * PAGE]
    active = [job for job in jobs.running(console.store, "matrix") if not job.arguments.get("storage")]
    return render_template(
        "storages/index.html", storages=[_line(line, worst, seen.get(line.reference)) for line in shown], total=len(lines),
        pager=pager("storages.index", page, PAGE, len(shown), len(chosen), text=text, project=project),
        chosen={"text": text, "project": project},
        heads=storage_story.heads(),
        looked_at=run.finished_at if run else None, undecided=[line.reference for line in shown if _undecided(run, line.reference)],
        jobs=[present.job_item(job) for job in active], may_run=current_user.may("run"),
        red=sum(report.document["worst"] == "failed" for report in seen.values()), seen=len(seen),
    )  # fmt: skip


def _wanted_project() -> int | None:
    """`?project=12` leaves the storages of one project."""
    given = wanted_text("project", 18)
    return int(given) if given.isascii() and given.isdigit() else None


def _undecided(run: Run | None, reference: str) -> list[str]:
    """Why checks of the last full run could not judge this storage; they name it as `s3:4: reason`."""
    answers = run.checks if run else []
    reasons = [str(answer["reason"]) for answer in answers if answer["outcome"] == "unknown"]
    return [mask_text(told) for reason in reasons for about, told in parts(reason) if about == reference]


def _words(line: StorageLine) -> str:
    return f"{line.title}\n{line.place}\n{line.reference}\n{line.project_title}\n{line.kind_title}".lower()


def _line(line: StorageLine, worst: dict[str, tuple[str, int]], report: StorageReport | None) -> dict[str, Any]:
    severity, findings = worst.get(line.subject, ("info", 0))
    access = storage_story.access(report)
    return {
        "subject_id": line.reference, "title": mask_text(line.title), "url": url_for("storages.show", subject_id=line.reference),
        "project_name": _project_name(line.project_id, line.project_title), "project_url": _project_url(line.project_id),
        "kind": line.kind_title, "bucket": mask_text(line.place), "status": _status(line.status),
        "last_sync": line.last_sync, "last_sync_count": line.last_sync_count, "worst": severity, "findings": findings,
        "looked_into": _looked_into(line.kind), "cells": {item["operation"]: item for item in access["cells"]} if access else {},
        "seen_at": access["at"] if access else None,
    }  # fmt: skip


@bp.get("/<path:subject_id>")
@requires("look")
def show(subject_id: str) -> str:
    console = the_console()
    schema = console.deployment.schema
    with console.deployment.read() as session:
        found = find_storage(session, schema, subject_id)
        titles = project_titles(session, {found.row["project_id"]} - {None})
        lines = storage_lines(session, schema)
    identity = console.deployment.identity
    seen = storage_reports.of_storage(console.store, identity, found.reference)
    run = runs.last_run(console.store, identity)
    rules, is_source = scan_rules(found, schema), not found.kind.is_target
    mine = next((line for line in lines if line.reference == found.reference), None)
    old = storage_story.old(found, rules, seen, _changed_at(console, found))
    pattern = wanted_text("filter", 2000) or rules.pattern or ""
    return render_template(
        "storages/show.html", storage=_item(found, titles), is_source=is_source, jobs=_jobs(console, found, seen),
        findings=[present.finding_item(finding) for finding in runs.findings_about(console.store, identity, [found.subject])],
        settings=storage_story.settings(mask_row(found.kind.table_name, storage_story.columns(found))),
        history=storage_story.history(found),
        command=f"lsconsole check storage --storage {found.reference}", runbooks=_runbooks(found),
        looked_at=run.finished_at if run else None, undecided=sorted(set(_undecided(run, found.reference))),
        access=storage_story.access(seen.get("matrix")), dry=storage_story.dry_run(seen.get("dry run")), old=old,
        decided=storage_story.decided(seen.get("decision")),
        what_if=storage_story.what_if(rules, None if "dry run" in old else seen.get("dry run")),
        tester=storage_story.tester(seen.get("keys"), pattern),
        policies=storage_story.policy(found, Surroundings.of(console.settings)),
        shares=storage_story.shares(sharing(mine, lines) if mine else []),
        may={"run": current_user.may("run"), "fix": current_user.may("fix")},
        switched_off=found.get("synchronizable") is False,
    )  # fmt: skip


def _changed_at(console: Console, found: Storage) -> datetime | None:
    """When the settings were last changed from here."""
    with console.store.read() as session:
        events = audit.latest(session, actions=CHANGES, subject=found.subject, limit=1)
    return events[0].at if events else None


def _jobs(console: Console, found: Storage, seen: dict[str, StorageReport]) -> dict[str, list[dict[str, Any]]]:
    """By kind: what runs about this storage, else the newest that ended otherwise than with a report: it says why."""

    def ours(job: JobRow) -> bool:
        return job.kind in KINDS and job.arguments.get("storage") == found.reference

    active = [job for job in jobs.running(console.store) if ours(job)]
    ended = [job for job in jobs.finished(console.store, offset=0, limit=ENDED_JOBS)[0] if ours(job)]
    shown: dict[str, list[dict[str, Any]]] = {}
    for kind in KINDS:
        of_kind = [job for job in active if job.kind == kind]
        newest = next((job for job in ended if job.kind == kind), None)
        if not of_kind and newest is not None and _is_news(newest, seen.get(kind)):
            of_kind = [newest]
        shown[kind] = [present.job_item(job) for job in of_kind]
    return shown


def _is_news(job: JobRow, report: StorageReport | None) -> bool:
    """A sync that just ended, and another job that left no report."""
    if job.kind == "sync":
        return job.finished_at is not None and datetime.now(UTC) - job.finished_at < NEWS
    return job.status != "done" and (report is None or job.created_at > report.at)


def _item(found: Storage, titles: dict[int, str]) -> dict[str, Any]:
    project = found.row.get("project_id")
    # the first cut bounds the work of masking, the second drops what the first may have cut in two
    traceback = mask_text(str(found.get("traceback") or "")[-2 * TRACEBACK_CHARS :])[-TRACEBACK_CHARS:]
    return {
        "subject_id": found.reference, "title": mask_text(found.title), "kind": _kind(found),
        "looked_into": _looked_into(found.kind), "project_name": _project_name(project, titles.get(project or 0)),
        "project_url": _project_url(project), "status": _status(mask_text(str(found.get("status") or ""))),
        "last_sync": as_utc(found.get("last_sync")), "last_sync_count": found.get("last_sync_count"), "traceback": traceback or None,
        "job_url": url_for("queue_jobs.show", id=str(found.get("last_sync_job"))[:200]) if found.get("last_sync_job") else None,
    }  # fmt: skip


def _runbooks(found: Storage) -> list[dict[str, str]]:
    """Runbooks about storages of this side and provider, with what each of them asks for."""
    known = {"storage": found.reference, "project": str(found.get("project_id") or "")}
    areas = {"storage", AREAS.get(found.kind.provider, "storage")}
    books = [book for book in runbooks.all_runbooks() if book.area in areas]
    if found.kind.is_target:
        books = [book for book in books if book.area != "storage" or book.slug in OF_TARGETS]
    else:
        books = [book for book in books if book.slug != OF_TARGETS[0]]
    return [
        {"slug": book.slug, "title": book.title, "subject": known[book.needs]}
        for book in books
        if known.get(book.needs)
    ]


def _looked_into(kind: StorageKind) -> bool:
    """Whether any check lists the bucket: those of targets and of types without a reader are judged by their row alone."""
    return can_look_into(kind.provider) and not kind.is_target


def _kind(found: Storage) -> str:
    return f"{PROVIDER_TITLES[found.kind.provider]}, {'target' if found.kind.is_target else 'source'}"


def _project_name(project_id: int | None, title: str | None) -> str:
    if project_id is None:
        return "no project"
    return mask_text(title) if title else f"project {project_id}"


def _project_url(project_id: int | None) -> str | None:
    return present.subject_url(f"project:{project_id}") if project_id is not None else None


def _status(status: str) -> str:
    return status.replace("_", " ") or "no sync status"
