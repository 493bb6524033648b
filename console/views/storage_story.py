"""What the page of a storage tells, shaped for its template: settings, history, access, dry run, switch, keys, policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from flask import url_for

from ..deployment.models import as_utc
from ..deployment.storage_rules import ScanRules
from ..deployment.storage_sharing import Share
from ..deployment.storages import Storage
from ..doctor import policies
from ..doctor.cells import OPERATIONS
from ..doctor.key_samples import try_filter
from ..masking import mask, mask_text
from ..state.models import StorageReport
from . import present

#: Characters of a setting that a page shows.
VALUE_CHARS = 4000
#: Longer statements stand under the policies alone.
STATEMENT_CHARS = 420

_NOT_SETTINGS = {
    "id", "title", "project_id", "status", "traceback", "meta", "last_sync", "last_sync_count", "last_sync_job",
}  # fmt: skip
_PATTERNS = {
    "bucket", "container", "path", "prefix", "regex_filter", "s3_endpoint", "host", "region_name", "aws_access_key_id",
}  # fmt: skip
_LABELS = {
    "use_blob_urls": "Every object is a file", "presign": "Pre-signed links", "presign_ttl": "Links last (minutes)",
    "recursive_scan": "Sub-folders too", "regex_filter": "File filter", "s3_endpoint": "S3 endpoint", "region_name": "Region",
    "created_at": "Created", "can_delete_objects": "May delete objects", "db": "Redis database",
    "aws_sse_kms_key_id": "KMS key",
    "aws_access_key_id": "Access key id", "aws_secret_access_key": "Secret access key", "aws_session_token": "Session token",
}  # fmt: skip
#: Times that Label Studio keeps in `meta`, in the order they happen, with how they read.
_TIMES = {
    "time_queued": ("Queued", "waiting"), "time_in_progress": ("Started", "info"), "time_last_ping": ("Last sign of life", "info"),
    "time_completed": ("Completed", "pass"), "time_failed": ("Failed", "error"), "time_failure": ("Failed", "error"),
}  # fmt: skip
#: Operation -> (how it is called, what needs it).
_OPERATIONS = {
    "resolve": ("Address", "everything"), "list": ("LIST", "sync"), "get": ("GET", "JSON tasks, files"), "head": ("HEAD", "size and type"),
    "presign": ("Signed link", "files in the browser"), "range": ("Range", "seeking in audio, video"),
    "preflight": ("CORS preflight", "audio, video, brush"), "simple": ("CORS read", "text, audio, brush"),
    "put": ("PUT", "targets"), "delete": ("DELETE", "targets that may"),
}  # fmt: skip
#: State -> (class of the cell, glyph, word).
_STATES = {
    "ok": ("allow", "pass", "Works"), "failed": ("deny", "error", "Fails"), "unknown": ("unknown", "unknown", "Cannot tell"),
    "not_tried": ("na", "waiting", "Not tried"), "not_applicable": ("na", "na", "Not needed"),
}  # fmt: skip


def columns(found: Storage) -> dict[str, Any]:
    """The columns that are settings."""
    return {
        name: value for name, value in found.row.items() if name not in _NOT_SETTINGS and not name.endswith("_ptr_id")
    }


def settings(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every setting, of masked `columns`; what is not set comes last."""
    items = []
    for name, value in row.items():
        empty = value is None or value == ""
        text = "not set" if empty else ("yes" if value else "no") if isinstance(value, bool) else _text(value)
        items.append({"label": _LABELS.get(name, name.replace("_", " ").capitalize()), "text": text,
                      "mono": name in _PATTERNS and not empty, "empty": empty})  # fmt: skip
    return sorted(items, key=lambda item: item["empty"])


def _text(value: Any) -> str:
    moment = as_utc(value)
    if moment is not None:
        return f"{moment:%Y-%m-%d %H:%M} UTC"
    text = str(value)
    return text if len(text) <= VALUE_CHARS else f"{text[:VALUE_CHARS]}… ({len(text):,} characters)"


def history(found: Storage) -> list[dict[str, Any]]:
    """What `meta` tells of the last sync, newest first."""
    meta = found.get("meta")
    if not isinstance(meta, dict):
        return []
    entries: list[dict[str, Any]] = []
    for name, (title, state) in _TIMES.items():
        moment = as_utc(meta.get(name))
        if moment is not None:
            entries.append({"title": title, "at": moment, "note": None, "state": state})
    attempts = mask(meta.get("attempts"))
    if entries and isinstance(attempts, int):
        entries[0]["note"] = f"attempt {attempts}"
    return sorted(entries, key=lambda entry: entry["at"])[::-1]  # what happened at once stays in its order


def old(
    found: Storage, rules: ScanRules, seen: Mapping[str, StorageReport], changed_at: datetime | None
) -> dict[str, str]:
    """Kind of report -> what happened after it, so that it no longer tells how things are."""
    synced, told = as_utc(found.get("last_sync")), {}
    for kind, report in seen.items():
        if (changed_at and changed_at > report.at) or (kind == "dry run" and _other_settings(report, rules)):
            told[kind] = "The settings were changed after this"
        elif synced and synced > report.at and kind in {"dry run", "decision"}:
            told[kind] = "A sync ran after this"
    return told


def _other_settings(report: StorageReport, rules: ScanRules) -> bool:
    then = report.document["settings"]
    return any(then[name] != getattr(rules, name) for name in then if name not in report.document["changed"])


# --- access


def cell(document: Mapping[str, Any]) -> dict[str, Any]:
    """One cell of a matrix as every page shows it."""
    name, needed = _OPERATIONS[document["operation"]]
    look, glyph, word = _STATES[document["state"]]
    tried = document["detail"].get("key") or ""
    return {
        "operation": document["operation"], "name": name, "needed": needed, "look": look, "glyph": glyph, "word": word,
        "state": document["state"], "message": document["message"], "code": document["code"], "tried": tried,
        "statement": document["statement"], "short": len(document["statement"]) <= STATEMENT_CHARS,
        "seconds": document["seconds"],
    }  # fmt: skip


def access(report: StorageReport | None) -> dict[str, Any] | None:
    """The newest matrix of a storage."""
    if report is None:
        return None
    cells = [cell(document) for document in report.document["cells"] if document["operation"] in _OPERATIONS]
    red = [item["name"] for item in cells if item["state"] == "failed"]
    return {"at": report.at, "by": report.by, "seconds": report.document["seconds"], "cells": cells, "rows": _together(cells), "red": red,
            "origin": report.document["origin"],
            "wrote": any(item["operation"] == "put" and item["state"] != "not_tried" for item in cells)}  # fmt: skip


def _together(cells: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Neighbours that were not tried for the same reason stand in one row; a statement is written out once (`told`)."""
    rows: list[dict[str, Any]] = []
    for item in cells:
        before = rows[-1] if rows else {}
        if not item["seconds"] and before.get("message") == item["message"] and before["state"] == item["state"]:
            before |= {"name": f"{before['name']}, {item['name']}", "needed": ""}
        else:
            told = bool(item["statement"]) and any(row["statement"] == item["statement"] for row in rows)
            rows.append({**item, "told": told})
    return rows


def heads() -> list[tuple[str, str]]:
    """(operation, column head) of the matrix of all storages."""
    return [(operation, _OPERATIONS[operation][0]) for operation in OPERATIONS]


# --- what a sync would do


def dry_run(report: StorageReport | None) -> dict[str, Any] | None:
    """The newest dry run: the stages a key passes, suggestions, examples."""
    if report is None:
        return None
    told = mask(report.document)
    new, listed = told["new"], told["listed"]["objects"]
    matched = listed - told["filtered"]["count"]
    opened = f", {new['not_read']:,} not opened" if new["not_read"] else ""
    files, place = told["settings"]["as_files"], told["settings"]["prefix"]
    out = f"{told['filtered']['count']:,} stay out"
    stages = [
        _stage("Listed", listed, listed, f"below {place}" if place else "in the whole bucket"),
        _stage("Match the filter", matched, listed, out if told["settings"]["pattern"] else "no filter"),
        _stage("Linked already", told["linked"]["objects"], listed, f"to {told['linked']['tasks']:,} tasks; never read again"),
        _stage("New", new["objects"], listed, "one task per file" if files else f"{new['read']:,} opened{opened}"),
        _stage("Would fail", told["failing"]["count"], listed, _first_reason(told), bad=bool(told["failing"]["count"])),
    ]  # fmt: skip
    return {
        "at": report.at, "by": report.by, "seconds": told["seconds"], "stages": stages, "tasks": new["tasks"],
        "not_read": new["not_read"], "complete": told["complete"], "stopped": told["stopped"], "changed": _changed(told),
        "problem": told["pattern_problem"], "stops": told["stops"], "broken_off": told["listed"]["broken_off"],
        "left_out": told["left_out"], "reasons": told["failing"]["reasons"][:8], "examples": _examples(told),
        "suggestions": [
            {**item, "options": _options(item["changes"]), "fields": _fields(item["changes"])} for item in told["suggestions"]
        ],
    }  # fmt: skip


def _stage(name: str, number: int, whole: int, note: str, *, bad: bool = False) -> dict[str, Any]:
    width = round(100 * number / whole, 1) if whole else 0
    return {"name": name, "number": number, "note": note, "width": width, "bad": bad}


def _first_reason(told: Mapping[str, Any]) -> str:
    reasons = told["failing"]["reasons"]
    return str(reasons[0]["reason"]) if reasons else "nothing stands in the way"


def _changed(told: Mapping[str, Any]) -> list[str]:
    """What differed from the stored settings, in words."""
    words = {"prefix": "prefix", "recursive": "sub-folders", "pattern": "filter", "as_files": "every object a file"}
    values = told["settings"]
    return [
        f"{words[name]} {'yes' if values[name] is True else 'no' if values[name] is False else values[name] or 'empty'}"
        for name in told["changed"]
    ]


def _examples(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Groups of keys, without the empty ones."""
    becoming = [
        f"{item['key']}: {item['tasks']} {'task' if item['tasks'] == 1 else 'tasks'}"
        for item in told["new"]["examples"]
    ]
    groups = [
        ("Would become tasks", becoming), ("Stay out by the filter", told["filtered"]["examples"]),
        ("Linked already", told["linked"]["examples"]), ("Folders not entered", told["folders"]["examples"]),
        ("Tasks left out", told["left_out"]["examples"]),
    ]  # fmt: skip
    return [{"title": title, "keys": [str(key) for key in keys]} for title, keys in groups if keys]


#: Column of a storage -> option of a dry run.
OPTIONS = {
    "prefix": "prefix",
    "path": "prefix",
    "regex_filter": "regex_filter",
    "recursive_scan": "recursive",
    "use_blob_urls": "use_blob_urls",
}


def _options(changes: Mapping[str, Any]) -> dict[str, str]:
    """The changes of a suggestion as fields of the what-if form."""
    return {OPTIONS[name]: _field(value) for name, value in changes.items() if name in OPTIONS}


def _fields(changes: Mapping[str, Any]) -> dict[str, str]:
    """The changes as a form sends them to be planned."""
    return {name: _field(value) for name, value in changes.items()}


def _field(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value or "")


def what_if(rules: ScanRules, report: StorageReport | None) -> dict[str, Any]:
    """The form's values: those of the newest dry run, else those of the row."""
    stored = {
        "prefix": rules.prefix,
        "recursive": rules.recursive,
        "pattern": rules.pattern,
        "as_files": rules.as_files,
    }
    told: Mapping[str, Any] = report.document["settings"] if report else stored
    return {
        "prefix": mask_text(told["prefix"] or ""), "regex_filter": mask_text(told["pattern"] or ""), "recursive": told["recursive"],
        "use_blob_urls": told["as_files"], "has_filter": rules.provider != "redis",
        "place": "Path" if rules.provider in {"localfiles", "redis"} else "Prefix",
    }  # fmt: skip


# --- the switch, the keys, who shares, what to give


def decided(report: StorageReport | None) -> dict[str, Any] | None:
    """The vendor's decision for the switch."""
    if report is None:
        return None
    told = mask(report.document)
    return {
        **told,
        "at": report.at,
        "changes": _fields(told["verdict"]["changes"]),
    }


def tester(report: StorageReport | None, pattern: str) -> dict[str, Any] | None:
    """A filter tried on the kept keys."""
    if report is None or not report.document["keys"]:
        return None
    tried = try_filter(report.document, pattern)
    return {
        "pattern": mask_text(tried.pattern), "matched": tried.matched, "total": tried.total, "rows": tried.rows,
        "problem": mask_text(tried.problem),
        "more": report.document["more"], "names_only": report.document["names_only"], "deeper": report.document["deeper"],
        "at": report.at,
    }  # fmt: skip


def shares(found: Sequence[Share]) -> list[dict[str, Any]]:
    """Other storages on the same objects."""
    return [
        {
            "reference": share.other.reference, "title": mask_text(share.other.title), "how": share.how,
            "url": url_for("storages.show", subject_id=share.other.reference), "kind": share.other.kind_title,
            "of": share.line.reference, "of_url": url_for("storages.show", subject_id=share.line.reference),
            "project": mask_text(share.other.project_title or "") or f"project {share.other.project_id}",
            "project_url": present.subject_url(f"project:{share.other.project_id}") if share.other.project_id else None,
        }
        for share in found
    ]  # fmt: skip


def policy(found: Storage, around: policies.Surroundings) -> list[dict[str, Any]]:
    """Everything that can be set up for a storage, secrets masked."""
    return [mask(item.document()) for item in policies.snippets(found, around)]
