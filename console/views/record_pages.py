"""The page of one row: its findings, what it belongs to, what belongs to it, and every column as it is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from .. import runbooks
from ..deployment import records
from ..deployment.models import Annotation, Draft, OrganizationMember, Prediction, Project, Task
from ..deployment.schema import Schema
from ..deployment.storage_list import storage_lines
from ..deployment.storage_sharing import Share, shared_among
from ..masking import mask_text
from ..service import Console
from ..state import runs
from . import present
from .sign_in_chain import sign_in_chain
from .texts import when

KIND_TITLES = {
    "user": "user", "organization": "organization", "organizationmember": "membership", "project": "project",
    "task": "task", "annotation": "annotation",
}  # fmt: skip
#: Storages of a project whose findings stand on its page.
MOST_STORAGES = 50


@dataclass
class Page:
    """What the template needs beyond the row itself, filled by the function of each kind."""

    row: dict[str, Any]
    title: str
    command: str
    badge: tuple[str, str] | None = None
    meta: list[str] = field(default_factory=list)
    facts: list[dict[str, Any]] = field(default_factory=list)
    related: list[dict[str, Any]] = field(default_factory=list)
    tables: list[dict[str, Any]] = field(default_factory=list)
    chain: dict[str, Any] | None = None
    subjects: list[str] = field(default_factory=list)

    def fact(self, label: str, text: Any, url: str | None = None) -> None:
        shown = "yes" if text is True else "no" if text is False else text
        self.facts.append({"label": label, "text": "none" if shown is None or shown == "" else shown, "url": url})

    def relate(self, label: str, kind: str, number: int | None, names: Mapping[tuple[str, int], str]) -> None:
        if number is not None:
            self.fact(label, names.get((kind, number)) or f"{kind} {number}", present.subject_url(f"{kind}:{number}"))

    def link(self, label: str, count: int, endpoint: str, **filters: Any) -> None:
        text = f"{count:,}" if count <= records.COUNT_LIMIT else f"over {records.COUNT_LIMIT:,}"
        self.related.append({"label": label, "text": text, "url": url_for(f"{endpoint}.index_view", **filters)})


def page_of(console: Console, kind: str, key: int) -> dict[str, Any]:
    """Values of `records/show.html`, in four statements on the deployment. Raises NotFound."""
    deployment = console.deployment
    with deployment.read() as session:
        row = records.stored_row(session, deployment.schema, kind, key)
        page = _PAGES[kind](session, deployment.schema, row)
    findings = runs.findings_about(console.store, deployment.identity, [f"{kind}:{key}", *page.subjects])
    record = {
        "title": page.title,
        "kind": KIND_TITLES[kind],
        "id": key,
        "badge": page.badge,
        "meta": page.meta,
        "command": page.command,
    }
    if record["badge"] is None and findings:
        record["badge"] = (findings[0].severity, f"{len(findings)} finding{'s' if len(findings) > 1 else ''}")
    return {
        "record": record, "findings": [present.finding_item(finding) for finding in findings], "facts": page.facts,
        "chain": page.chain, "related": page.related, "tables": page.tables, "shown_chars": records.VALUE_CHARS,
        "looked_at": runs.looked_at(console.store, deployment.identity),
        "columns": records.shown(deployment.schema, kind, row), "runbooks": _runbooks(kind, key, row),
    }  # fmt: skip


def _runbooks(kind: str, key: int, row: Mapping[str, Any]) -> list[dict[str, str]]:
    """Runbooks that ask for this kind of thing, or for the project or user that this row names."""
    subject = {"user": key} if kind == "user" else {"project": key} if kind == "project" else {}
    if kind in {"task", "annotation"} and row.get("project_id") is not None:
        subject = {"project": row["project_id"]}
    if kind == "organizationmember":
        subject = {"user": row["user_id"]}
    closer = []
    if kind == "task":
        closer = [{"title": "Why does its file not show?", "url": url_for("media.index", text=f"task {key}")}]
    if kind == "project":
        url = url_for("queue_jobs.why", project_id=key)
        closer = [{"title": "Why do its exports and imports not end?", "url": url}]
    return closer + [
        {"title": book.title, "url": url_for("symptoms.show", slug=book.slug, subject=subject[book.needs])}
        for book in runbooks.all_runbooks() if book.needs in subject
    ]  # fmt: skip


def _table(
    title: str, columns: dict[str, str], rows: list[dict[str, Any]], total: int, links: dict[str, dict[Any, str]]
) -> dict[str, Any]:
    """Rows under readable column names; times and texts fit to be shown."""
    shown = [{title: _cell(row[name]) for name, title in columns.items()} for row in rows]
    return {
        "title": title,
        "columns": list(columns.values()),
        "rows": shown,
        "total": total,
        "links": {columns[name]: urls for name, urls in links.items()},
    }


def _cell(value: Any) -> Any:
    if hasattr(value, "astimezone"):
        return when(value)
    return mask_text(value)[:300] if isinstance(value, str) else value


def _urls(kind: str, rows: list[dict[str, Any]], number: str, name: str) -> dict[Any, str]:
    """For a table's `links`: what the cell shows -> the page of the object it names."""
    return {
        _cell(row[name]): url
        for row in rows
        if row[number] is not None and (url := present.subject_url(f"{kind}:{row[number]}"))
    }


def _user(session: Session, schema: Schema, row: dict[str, Any]) -> Page:
    belongs = records.memberships(session, schema, user=row["id"])
    counts = records.capped_counts(session, {
        "projects": select(Project.id).where(Project.created_by_id == row["id"]),
        "annotations": select(Annotation.id).where(Annotation.completed_by_id == row["id"]),
    })  # fmt: skip
    names = {
        ("organization", item["organization_id"]): item["organization"] for item in belongs if item["organization"]
    }
    active = row.get("active_organization_id")
    if active is not None and ("organization", active) not in names:
        names |= records.names(session, {"organization": [active]})
    page = Page(
        row, mask_text(row["email"] or f"user {row['id']}"), f"lsconsole check auth --user {row['email'] or row['id']}"
    )
    page.chain = sign_in_chain(row, belongs, names)
    if page.chain["broken"]:
        page.badge = ("error", "Cannot sign in" if page.chain["refused"] else "Something is in the way")
    full_name = f"{row.get('first_name') or ''} {row.get('last_name') or ''}".strip()
    page.meta = [
        text
        for text in (
            mask_text(full_name),
            f"last sign-in {when(row['last_login'])} UTC" if row.get("last_login") else "has never signed in",
        )
        if text
    ]
    page.fact("Active", row.get("is_active"))
    page.fact("Staff", row.get("is_staff"))
    page.fact("Superuser", row.get("is_superuser"))
    page.fact("Password", row.get("password_format"))
    page.relate("Works in", "organization", active, names)
    page.link("Projects made", counts["projects"], "project", flt0_made_by_equals=row["id"])
    page.link("Annotations", counts["annotations"], "annotation", flt0_made_by_equals=row["id"])
    for item in belongs:
        item["state"] = "ended" if item["deleted_at"] else "member"
        item["organization"] = item["organization"] or f"organization {item['organization_id']}, deleted"
    columns = {"organization": "organization", "state": "state", "created_at": "since", "deleted_at": "ended"}
    page.tables.append(
        _table(
            "Memberships",
            columns,
            belongs,
            len(belongs),
            {"organization": _urls("organization", belongs, "organization_id", "organization")},
        )
    )
    return page


def _organization(session: Session, schema: Schema, row: dict[str, Any]) -> Page:
    members = records.memberships(session, schema, organization=row["id"])
    counts = records.capped_counts(session, {
        "members": select(OrganizationMember.id).where(OrganizationMember.organization_id == row["id"]),
        "projects": select(Project.id).where(Project.organization_id == row["id"]),
    })  # fmt: skip
    names = records.names(session, {"user": [row.get("created_by_id")]})
    page = Page(row, mask_text(row["title"] or f"organization {row['id']}"), "lsconsole check auth")
    page.meta = [f"since {when(row['created_at'])} UTC"] if row.get("created_at") else []
    page.relate("Made by", "user", row.get("created_by_id"), names)
    page.link("Memberships", counts["members"], "organizationmember", flt0_organization_equals=row["id"])
    page.link("Projects", counts["projects"], "project", flt0_organization_equals=row["id"])
    for item in members:
        item["state"] = "ended" if item["deleted_at"] else "member"
        item["email"] = item["email"] or f"user {item['user_id']}, deleted"
    columns = {"email": "person", "state": "state", "created_at": "since", "deleted_at": "ended"}
    page.tables.append(
        _table("Members", columns, members, counts["members"], {"email": _urls("user", members, "user_id", "email")})
    )
    return page


def _membership(session: Session, schema: Schema, row: dict[str, Any]) -> Page:
    names = records.names(session, {"user": [row["user_id"]], "organization": [row["organization_id"]]})
    person = names.get(("user", row["user_id"]), f"user {row['user_id']}")
    page = Page(
        row,
        f"{person} in {names.get(('organization', row['organization_id']), 'organization ' + str(row['organization_id']))}",
        f"lsconsole check auth --user {person}",
    )
    page.relate("User", "user", row["user_id"], names)
    page.relate("Organization", "organization", row["organization_id"], names)
    page.fact("State", "ended" if row.get("deleted_at") else "member")
    page.subjects = [f"user:{row['user_id']}"]
    return page


def _project(session: Session, schema: Schema, row: dict[str, Any]) -> Page:
    everybody = storage_lines(session, schema)
    lines = [line for line in everybody if line.project_id == row["id"]][:MOST_STORAGES]
    wanted = {"tasks": select(Task.id).where(Task.project_id == row["id"])}
    if schema.has(Annotation.project_id):
        wanted["annotations"] = select(Annotation.id).where(Annotation.project_id == row["id"])
    if schema.has(Prediction.project_id):
        wanted["predictions"] = select(Prediction.id).where(Prediction.project_id == row["id"])
    counts = records.capped_counts(session, wanted)
    names = records.names(session, {"user": [row.get("created_by_id")], "organization": [row.get("organization_id")]})
    page = Page(row, mask_text(row["title"] or f"project {row['id']}"), f"lsconsole check --project {row['id']}")
    page.meta = [f"project {row['id']}", "published" if row.get("is_published") else "not published"]
    page.relate("Organization", "organization", row.get("organization_id"), names)
    page.relate("Made by", "user", row.get("created_by_id"), names)
    page.fact("Annotations per task", row.get("maximum_annotations"))
    page.link("Tasks", counts["tasks"], "task", flt0_project_equals=row["id"])
    if "annotations" in counts:
        page.link("Annotations", counts["annotations"], "annotation", flt0_project_equals=row["id"])
    if "predictions" in counts:
        page.fact(
            "Predictions",
            f"{counts['predictions']:,}"
            if counts["predictions"] <= records.COUNT_LIMIT
            else f"over {records.COUNT_LIMIT:,}",
        )
    page.subjects = [line.subject for line in lines]
    rows = [
        {"reference": line.reference, "title": line.title, "place": line.place, "status": line.status.replace("_", " ")}
        for line in lines
    ]
    urls = {line.reference: url_for("storages.show", subject_id=line.reference) for line in lines}
    columns = {"reference": "storage", "title": "title", "place": "place", "status": "status"}
    page.tables.append(_table("Storages", columns, rows, len(rows), {"reference": urls}))
    if lines:
        url = url_for("storages.index", project=row["id"])
        page.related.append({"label": "Access of its storages", "text": f"{len(lines):,}", "url": url})
    if shares := shared_among(lines, everybody):
        page.tables.append(_shares(shares))
    return page


def _shares(shares: list[Share]) -> dict[str, Any]:
    """Storages that see objects of this project's: tasks come twice, targets are read back."""
    rows = [
        {
            "mine": share.line.reference, "other": share.other.reference, "how": share.how, "kind": share.other.kind_title,
            "project": share.other.project_title or f"project {share.other.project_id}", "place": share.other.place,
        }
        for share in shares
    ]  # fmt: skip
    lines = [line for share in shares for line in (share.line, share.other)]
    urls = {line.reference: url_for("storages.show", subject_id=line.reference) for line in lines}
    columns = {
        "mine": "storage",
        "how": "shares objects: the other one",
        "other": "other",
        "kind": "kind",
        "project": "of project",
        "place": "place",
    }
    return _table(
        "Storages on the same objects", columns, rows[:MOST_STORAGES], len(rows), {"mine": urls, "other": urls}
    )


def _task(session: Session, schema: Schema, row: dict[str, Any]) -> Page:
    made = records.task_annotations(session, row["id"])
    counts = records.capped_counts(session, {
        "annotations": select(Annotation.id).where(Annotation.task_id == row["id"]),
        "predictions": select(Prediction.id).where(Prediction.task_id == row["id"]),
        "drafts": select(Draft.id).where(Draft.task_id == row["id"]),
    })  # fmt: skip
    names = records.names(session, {"project": [row.get("project_id")]})
    page = Page(row, f"Task {row['id']}", f"lsconsole check tasks --project {row.get('project_id')}")
    project = names.get(("project", row.get("project_id") or 0))
    page.meta = [f"of {project}"] if project else []
    page.relate("Project", "project", row.get("project_id"), names)
    page.fact("Number in the project", row.get("inner_id"))
    page.fact("Labeled", row.get("is_labeled"))
    page.fact("Annotations stored, counted", f"{row.get('total_annotations', '–')}, {counts['annotations']}")
    page.fact("Predictions stored, counted", f"{row.get('total_predictions', '–')}, {counts['predictions']}")
    page.fact("Drafts", f"{counts['drafts']:,}")
    page.link("Annotations", counts["annotations"], "annotation", flt0_task_equals=row["id"])
    columns = {
        "id": "id",
        "made_by": "made by",
        "was_cancelled": "skipped",
        "ground_truth": "ground truth",
        "result_count": "regions",
        "updated_at": "updated",
    }
    links = {"id": _urls("annotation", made, "id", "id"), "made_by": _urls("user", made, "completed_by_id", "made_by")}
    page.tables.append(_table("Annotations", columns, made, counts["annotations"], links))
    page.subjects = [f"project:{row['project_id']}"] if row.get("project_id") is not None else []
    return page


def _annotation(session: Session, schema: Schema, row: dict[str, Any]) -> Page:
    project_id = row.get("project_id")
    names = records.names(session, {"project": [project_id], "user": [row.get("completed_by_id"), row.get("updated_by_id")]})  # fmt: skip
    page = Page(
        row, f"Annotation {row['id']}", "lsconsole check tasks" + (f" --project {project_id}" if project_id else "")
    )
    project = names.get(("project", project_id or 0))
    page.meta = [f"of {project}"] if project else []
    page.relate("Task", "task", row.get("task_id"), names)
    page.relate("Project", "project", project_id, names)
    page.relate("Made by", "user", row.get("completed_by_id"), names)
    page.relate("Changed by", "user", row.get("updated_by_id"), names)
    page.fact("Skipped", row.get("was_cancelled"))
    page.fact("Ground truth", row.get("ground_truth"))
    page.subjects = [f"task:{row['task_id']}"] if row.get("task_id") is not None else []
    return page


_PAGES: dict[str, Callable[[Session, Schema, dict[str, Any]], Page]] = {
    "user": _user, "organization": _organization, "organizationmember": _membership, "project": _project,
    "task": _task, "annotation": _annotation,
}  # fmt: skip
