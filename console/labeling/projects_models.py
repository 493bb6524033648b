"""Model versions of a project's predictions, its backends, the people who annotate it, and where they have been.

Source: Label Studio's `projects/models.py` (`get_model_versions`, `delete_predictions`), `projects/api.py
ProjectAnnotatorsAPI`, `projects/functions/stream_history.py`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from . import overlap, projects, summary, tasks_cascade
from .db import Db

_STATES = {"CO": "Connected", "DI": "Disconnected", "ER": "Error", "TR": "Training", "PR": "Predicting"}
_BACKEND = (
    "id", "state", "is_interactive", "url", "error_message", "title", "auth_method", "basic_auth_user", "description",
    "model_version", "timeout", "created_at", "updated_at", "auto_update",
)  # fmt: skip


def versions(db: Db, project_id: int, limit: int | None = None) -> dict[str | None, int]:
    """Number of predictions of each model version, the latest first; the project's own version is always there."""
    chosen = projects.own(db, project_id, *db.columns("project", "model_version")).model_version
    rows = versions_in_full(db, project_id)
    found = {row["model_version"]: row["count"] for row in (rows[:limit] if limit else rows)}
    if chosen and chosen not in found and (not limit or len(found) < limit):
        found[chosen] = 0
    return found


def versions_in_full(db: Db, project_id: int) -> list[dict[str, Any]]:
    """model_version, count and latest (when its newest prediction was made) of each version, the latest first."""
    projects.own(db, project_id)
    predictions = db.table("prediction")
    version, latest = predictions.c.model_version, func.max(predictions.c.created_at).label("latest")
    statement = (
        select(version, func.count(version).label("count"), latest)
        .where(summary.in_project(db, predictions, project_id)).group_by(version).order_by(latest.desc())
    )  # fmt: skip
    return [dict(row._mapping) for row in db.rows(statement)]


def backends(db: Db, project_id: int) -> list[dict[str, Any]]:
    """The project's machine learning backends, without their passwords."""
    table = db.table("ml_mlbackend")
    password = [table.c.basic_auth_pass] if "basic_auth_pass" in table.c else []
    params = [db.raw(table.c.extra_params)] if "extra_params" in table.c else []
    statement = select(*db.columns("ml_mlbackend", *_BACKEND), *password, *params).where(
        table.c.project_id == project_id
    )
    found = []
    for row in db.rows(statement.order_by(table.c.id)):
        values = dict(row._mapping)
        values["basic_auth_pass_is_set"] = bool(values.pop("basic_auth_pass", None))
        if "extra_params" in values:
            values["extra_params"] = db.fragment(values["extra_params"])
        found.append({**values, "readable_state": _STATES.get(row.state, row.state), "project": project_id})
    return found


def delete_version(db: Db, project_id: int, version: str) -> int:
    """Delete the predictions of a model version; how many there were. The project stops naming that version."""
    chosen = projects.own(db, project_id, *db.columns("project", "model_version"), lock=True).model_version
    predictions = db.table("prediction")
    mine = [summary.in_project(db, predictions, project_id), predictions.c.model_version == version]
    affected = db.values(select(predictions.c.task_id).where(*mine).distinct())
    deleted = tasks_cascade.delete_rows(db, "prediction", select(predictions.c.id).where(*mine))
    overlap.recount_predictions(db, project_id, affected)
    if chosen == version or (chosen and _is_backend(db, project_id, chosen)):
        db.update("project", db.table("project").c.id == project_id, {"model_version": None})
        summary.reset_if_idle(db, project_id)
    db.record("deleted predictions", f"project:{project_id}", rows=deleted, model_version=version)
    return deleted


def annotators(db: Db, project_id: int) -> list[dict[str, Any]]:
    """Everybody who annotated something in the project, in short, by id."""
    projects.own(db, project_id)
    annotations = db.table("task_completion")
    author = annotations.c.completed_by_id
    ids = db.values(select(author).where(annotations.c.project_id == project_id, author.is_not(None)).distinct())
    people = projects.people_of(db, ids)
    return [people[user_id] for user_id in sorted(people)]


def stream_history(db: Db, project_id: int) -> list[dict[str, Any]]:
    """Where the caller's label stream has been: task and annotation, without what is gone meanwhile."""
    projects.own(db, project_id)
    if not db.has("projects_labelstreamhistory"):
        return []
    table, tasks, annotations = db.table("projects_labelstreamhistory"), db.table("task"), db.table("task_completion")
    mine = select(table.c.data).where(table.c.project_id == project_id, table.c.user_id == db.caller.id)
    data = db.value(mine) or []
    task_ids = [item.get("taskId") for item in data]
    annotation_ids = [item["annotationId"] for item in data if item.get("annotationId") is not None]
    known = set(db.values(select(tasks.c.id).where(tasks.c.id.in_(task_ids)))) if task_ids else set()
    alive = (
        set(db.values(select(annotations.c.id).where(annotations.c.id.in_(annotation_ids))))
        if annotation_ids
        else set()
    )
    return [
        {**item, "annotationId": item.get("annotationId") if item.get("annotationId") in alive else None}
        for item in data
        if item.get("taskId") in known
    ]


def _is_backend(db: Db, project_id: int, title: str) -> bool:
    if not db.has("ml_mlbackend", "title"):
        return False
    table = db.table("ml_mlbackend")
    return (
        db.value(select(table.c.id).where(table.c.project_id == project_id, table.c.title == title).limit(1))
        is not None
    )
