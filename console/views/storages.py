"""Storages: what is set, what the last sync left behind, what is known to be wrong. No bucket is touched from here."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, render_template, url_for

from .. import runbooks
from ..app import the_console
from ..auth import requires
from ..deployment.buckets import can_look_into
from ..deployment.models import as_utc
from ..deployment.storage_list import StorageLine, storage_lines
from ..deployment.storages import PROVIDER_TITLES, Storage, StorageKind, project_titles
from ..deployment.storages import storage as find_storage
from ..diagnostics.check import Severity
from ..masking import mask, mask_row, mask_text
from ..state import runs
from ..state.models import Run
from . import present
from .paging import page_number, pager, wanted_text

bp = Blueprint("storages", __name__, url_prefix="/storages")

PAGE = 50
#: Characters of a setting or a traceback that a page shows; what went wrong stands at a traceback's end.
VALUE_CHARS = 4000
TRACEBACK_CHARS = 20_000
_NOT_SETTINGS = {
    "id", "title", "project_id", "status", "traceback", "meta", "last_sync", "last_sync_count", "last_sync_job",
}  # fmt: skip
_PATTERNS = {
    "bucket",
    "container",
    "path",
    "prefix",
    "regex_filter",
    "s3_endpoint",
    "host",
    "region_name",
    "aws_access_key_id",
}
_LABELS = {
    "use_blob_urls": "Treat every file as a source file", "presign": "Pre-signed links", "presign_ttl": "Links last (minutes)",
    "recursive_scan": "Sub-folders too", "regex_filter": "File filter", "s3_endpoint": "S3 endpoint", "region_name": "Region",
    "created_at": "Created", "can_delete_objects": "May delete objects", "db": "Redis database",
    "aws_access_key_id": "Access key id", "aws_secret_access_key": "Secret access key", "aws_session_token": "Session token",
}  # fmt: skip
#: Times that Label Studio keeps in `meta`, in the order they happen, with how they read.
_STORY = {
    "time_queued": ("Queued", "waiting"), "time_in_progress": ("Started", "info"), "time_last_ping": ("Last sign of life", "info"),
    "time_completed": ("Completed", "pass"), "time_failed": ("Failed", "error"),
}  # fmt: skip


@bp.get("/")
@requires("look")
def index() -> str:
    console = the_console()
    text, page = wanted_text("text"), page_number()
    with console.deployment.read() as session:
        lines = storage_lines(session, console.deployment.schema)
    worst = runs.worst_by_subject(console.store, console.deployment.identity, "storage")
    run = runs.last_run(console.store, console.deployment.identity)
    chosen = [line for line in lines if text.lower() in _words(line)]
    chosen.sort(key=lambda line: -Severity(worst[line.subject][0]).rank if line.subject in worst else 1)
    shown = chosen[(page - 1) * PAGE : page * PAGE]
    return render_template(
        "storages/index.html", storages=[_line(line, worst) for line in shown], total=len(lines),
        pager=pager("storages.index", page, PAGE, len(shown), len(chosen), text=text), chosen={"text": text},
        looked_at=run.finished_at if run else None, undecided=[line.reference for line in shown if _undecided(run, line.reference)],
    )  # fmt: skip


def _undecided(run: Run | None, reference: str) -> list[str]:
    """Why checks of the last full run could not judge this storage; they name it as `s3:4: reason`."""
    answers = run.checks if run else []
    reasons = [str(answer["reason"]) for answer in answers if answer["outcome"] == "unknown"]
    told = [part for reason in reasons for part in re.split(r"(?<=\.) (?=[a-z0-9-]+:\d+: )", reason)]
    return [mask_text(part.partition(": ")[2]) for part in told if part.startswith(f"{reference}: ")]


def _words(line: StorageLine) -> str:
    return f"{line.title}\n{line.place}\n{line.reference}\n{line.project_title}\n{line.kind_title}".lower()


def _line(line: StorageLine, worst: dict[str, tuple[str, int]]) -> dict[str, Any]:
    severity, findings = worst.get(line.subject, ("info", 0))
    return {
        "subject_id": line.reference, "title": mask_text(line.title), "url": url_for("storages.show", subject_id=line.reference),
        "project_name": _project_name(line.project_id, line.project_title), "project_url": _project_url(line.project_id),
        "kind": line.kind_title, "bucket": mask_text(line.place), "status": _status(line.status),
        "last_sync": line.last_sync, "last_sync_count": line.last_sync_count, "worst": severity, "findings": findings,
        "looked_into": _looked_into(line.kind),
    }  # fmt: skip


@bp.get("/<path:subject_id>")
@requires("look")
def show(subject_id: str) -> str:
    console = the_console()
    with console.deployment.read() as session:
        found = find_storage(session, console.deployment.schema, subject_id)
        titles = project_titles(session, {found.row["project_id"]} - {None})
    findings = runs.findings_about(console.store, console.deployment.identity, [found.subject])
    run = runs.last_run(console.store, console.deployment.identity)
    project = found.row.get("project_id")
    row = mask_row(found.kind.table_name, found.row)
    item = {
        "subject_id": found.reference,
        "title": mask_text(found.title),
        "kind": _kind(found),
        "looked_into": _looked_into(found.kind),
        "project_name": _project_name(project, titles.get(project or 0)),
        "project_url": _project_url(project),
        "status": _status(str(row.get("status") or "")),
        "last_sync": as_utc(found.get("last_sync")),
        "last_sync_count": found.get("last_sync_count"),
        # the first cut bounds the work of masking, the second drops what the first may have cut in two
        "traceback": mask_text(str(found.get("traceback") or "")[-2 * TRACEBACK_CHARS :])[-TRACEBACK_CHARS:] or None,
    }
    return render_template(
        "storages/show.html", storage=item, findings=[present.finding_item(finding) for finding in findings],
        settings=_settings(row), history=_history(found), command=f"lsconsole check storage --storage {found.reference}",
        runbooks=_runbooks(found.reference, project), looked_at=run.finished_at if run else None,
        undecided=sorted(set(_undecided(run, found.reference))),
    )  # fmt: skip


def _runbooks(reference: str, project_id: int | None) -> list[dict[str, str]]:
    """Runbooks about storages, with what each of them asks for."""
    known = {"storage": reference, "project": str(project_id or "")}
    books = [book for book in runbooks.all_runbooks() if book.needs == "storage" or book.area == "storage"]
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


def _settings(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Every setting with a value, secrets masked; what is not set comes last."""
    items = []
    for name, value in row.items():
        if name in _NOT_SETTINGS or name.endswith("_ptr_id"):
            continue
        empty = value is None or value == ""
        text = "not set" if empty else ("yes" if value else "no") if isinstance(value, bool) else _text(value)
        items.append({"label": _LABELS.get(name, name.replace("_", " ").capitalize()), "text": text,
                      "mono": name in _PATTERNS and not empty, "state": None, "note": None, "empty": empty})  # fmt: skip
    return sorted(items, key=lambda item: item["empty"])


def _text(value: Any) -> str:
    moment = as_utc(value)
    if moment is not None:
        return f"{moment:%Y-%m-%d %H:%M} UTC"
    text = str(value)
    return text if len(text) <= VALUE_CHARS else f"{text[:VALUE_CHARS]}… ({len(text):,} characters)"


def _history(found: Storage) -> list[dict[str, Any]]:
    """What `meta` tells of the last sync, newest first."""
    meta = found.get("meta")
    if not isinstance(meta, dict):
        return []
    entries = []
    for name, (title, state) in _STORY.items():
        moment = as_utc(meta.get(name))
        if moment is not None:
            entries.append({"title": title, "at": moment, "note": None, "state": state})
    attempts = mask(meta.get("attempts"))
    if entries and isinstance(attempts, int):
        entries[0]["note"] = f"attempt {attempts}"
    return sorted(entries, key=lambda entry: entry["at"], reverse=True)
