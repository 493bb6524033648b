"""One task: read as the Data Manager shows it, created, changed and deleted as Label Studio does.

Source: Label Studio's `tasks/api.py TaskAPI, TaskListAPI`, `tasks/models.py Task` and `data_manager/serializers.py`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Select, bindparam, literal, select
from sqlalchemy.engine import Row

from ..errors import Forbidden, NotFound
from . import tasks_data, tasks_json
from .data_manager.shown import versions_text
from .db import Db

NO_TASK = "No Task matches the given query."
NOT_PERMITTED = "You do not have permission to perform this action."
#: What a task of the Data Manager has beside its own columns; `review` leaves these out.
_EVALUATED = ("completed_at", "predictions_score", "avg_lead_time", "draft_exists")


def own(db: Db, task_id: int, *columns: Any, lock: bool = False) -> Row[Any]:
    """Columns of a task of the caller's organization. Raises NotFound, or Forbidden for a former member.

    `lock` keeps others from changing the task until the transaction ends; rows that refer to it can still be made.
    """
    statement = own_statement(db, *columns, lock=lock)
    return reached(db.first(statement, db.who | {"task_id": task_id}), NO_TASK)


def own_statement(db: Db, *columns: Any, lock: bool = False) -> Select[Any]:
    """As `own`, for building once: the parameters are `task_id` and `Db.who`, the row is for `reached`."""
    tasks, projects = db.table("task"), db.table("project")
    former = is_former_member(db, projects.c.organization_id).label("former")
    statement = (
        select(tasks.c.id, tasks.c.project_id, former, *columns)
        .select_from(tasks.join(projects, projects.c.id == tasks.c.project_id))
        .where(tasks.c.id == bindparam("task_id"), projects.c.organization_id == bindparam("organization_id"))
    )
    return statement.with_for_update(of=tasks, key_share=True) if lock and db.postgresql else statement


def reached(row: Row[Any] | None, missing: str) -> Row[Any]:
    """The row, if the caller may have it; it needs a column `former`."""
    if row is None:
        raise NotFound(missing)
    if row.former:
        raise Forbidden(NOT_PERMITTED)
    return row


def is_former_member(db: Db, organization_id: Any) -> Any:
    """Whether the caller was taken out of an organization. Releases before 1.10 delete the row instead."""
    if not db.has("organizations_organizationmember", "deleted_at"):
        return literal(False)
    members = db.table("organizations_organizationmember")
    return (
        select(members.c.id)
        .where(
            members.c.organization_id == organization_id,
            members.c.user_id == bindparam("caller_id", db.caller.id),
            members.c.deleted_at.is_not(None),
        )
        .exists()
    )


def one(
    db: Db, task_id: int, *, project_id: int | None = None, resolve: bool = True, review: bool = False
) -> dict[str, Any]:
    """A task as `GET /api/tasks/<id>/` shows it, with annotations, predictions and the caller's drafts.

    Asking for it within another project, or for a task out of reach, raises NotFound or Forbidden.
    """
    statement = db.once("tasks.one", lambda: own_statement(db, *_columns(db)))
    row = reached(db.first(statement, db.who | {"task_id": task_id}), NO_TASK)
    if project_id is not None and project_id != row.project_id:
        raise NotFound(NO_TASK)
    labeled = tasks_json.annotations_of(db, task_id)
    predicted = tasks_json.predictions_of(db, task_id)
    versions = [item["model_version"] for item in predicted if item["model_version"] is not None]
    storage_filename, link = tasks_data.link_of(row)
    found = {
        "id": task_id,
        "predictions": predicted,
        "annotations": labeled,
        "drafts": tasks_json.own_drafts(db, task_id),
        "annotators": list({author for item in labeled if (author := _author(item)) is not None}),
        "inner_id": row.inner_id,
        "cancelled_annotations": row.cancelled_annotations,
        "total_annotations": row.total_annotations,
        "total_predictions": row.total_predictions,
        "completed_at": labeled[-1]["created_at"] if row.is_labeled and labeled else None,
        "annotations_results": "",
        "predictions_results": "",
        "predictions_score": _score(predicted, row.model_version),
        "file_upload": posixpath.basename(row.upload) if row.upload and not review else None,
        "storage_filename": storage_filename,
        "annotations_ids": "" if review else tasks_json.set_text(item["id"] for item in labeled),
        "predictions_model_versions": "" if review else versions_text(versions, db.postgresql),
        "avg_lead_time": _mean([item.get("lead_time") for item in labeled]),
        "draft_exists": row.draft_exists,
        "updated_by": [{"user_id": row.updated_by_id}] if getattr(row, "updated_by_id", None) else [],
        "data": _data(db, row, link, resolve),
        "meta": db.fragment(row.meta),
    }
    found |= {name: value for name, value in row._mapping.items() if name in _LAST and name not in found}
    found |= {"project": row.project_id, "comment_authors": tasks_json.ids(row.comment_authors)}
    return {name: value for name, value in found.items() if not review or name not in _EVALUATED}


def plain(db: Db, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Tasks as changes are answered, with annotations and predictions; `rows` have the columns of `plain_columns`."""
    fields = tasks_json.fields_of(db, "task", tasks_json.TASK)
    found = {row.id: dict(zip(fields, row, strict=False)) for row in rows}
    annotations, predictions = db.table("task_completion"), db.table("prediction")
    for row, task in zip(rows, found.values(), strict=True):
        task["data"] = _data(db, row, None, resolve=False)
        task["meta"] = db.fragment(task["meta"])
        task |= {"comment_authors": tasks_json.ids(row.comment_authors), "annotations": [], "predictions": []}
    for annotation in tasks_json.read_annotations(db, annotations.c.task_id.in_(found)):
        found[annotation["task"]]["annotations"].append(annotation)
    for prediction in tasks_json.read_predictions(db, predictions.c.task_id.in_(found)):
        found[prediction["task"]]["predictions"].append(prediction)
    return list(found.values())


def plain_columns(db: Db) -> list[Any]:
    """Columns for `plain`, of a query that joins the project."""
    tasks, projects = db.table("task"), db.table("project")
    fields = tasks_json.selected(db, "task", tasks_json.fields_of(db, "task", tasks_json.TASK))
    return [*fields, projects.c.label_config, _comment_authors(db, tasks.c.id)]


#: Columns that stand last in the Data Manager's form of a task.
_LAST = ("created_at", "updated_at", "is_labeled", "overlap", "comment_count", "unresolved_comment_count",
         "last_comment_updated_at")  # fmt: skip


def _columns(db: Db) -> list[Any]:
    """Everything `one` needs that is not in tables of its own."""
    tasks, projects = db.table("task"), db.table("project")
    uploads, drafts = db.table("data_import_fileupload"), db.table("tasks_annotationdraft")
    counters = ("inner_id", "cancelled_annotations", "total_annotations", "total_predictions", "updated_by_id")
    return [
        *db.columns("task", *counters, *_LAST),
        db.raw(tasks.c.data),
        db.raw(tasks.c.meta),
        projects.c.model_version,
        projects.c.label_config,
        select(uploads.c.file).where(uploads.c.id == tasks.c.file_upload_id).scalar_subquery().label("upload"),
        select(drafts.c.id).where(drafts.c.task_id == tasks.c.id).exists().label("draft_exists"),
        _comment_authors(db, tasks.c.id),
        *tasks_data.links(db, tasks.c.id),
        tasks_data.is_protected(db),
    ]


def _comment_authors(db: Db, task_id: Any) -> Any:
    if not db.has("task_comment_authors"):
        return literal(None).label("comment_authors")
    authors = db.table("task_comment_authors")
    found = tasks_json.id_list(db, authors.c.user_id, authors.c.task_id == task_id)
    return found.label("comment_authors")


def _data(db: Db, row: Row[Any], link: tuple[str, int] | None, resolve: bool) -> Any:
    protected = resolve and row.protected
    if row.data is None or not tasks_data.needs_reading(row.data, resolve=resolve, protected=protected):
        return db.fragment(row.data)
    sources = tasks_data.sources(db, row.project_id) if resolve and not protected else []
    proxied = row.project_id if protected else None
    try:
        return tasks_data.shown(row.data, row.label_config, row.id, sources, link, host=db.host, proxied=proxied)
    except orjson.JSONDecodeError:
        return db.fragment(row.data)


def _author(annotation: Mapping[str, Any]) -> int | None:
    author = annotation["completed_by"]
    return author["id"] if isinstance(author, dict) else author


def _score(predictions: Sequence[Mapping[str, Any]], model_version: str | None) -> float | None:
    """The mean score of the predictions of the project's model version; of all while it names none."""
    return _mean([
        item["score"] for item in predictions if model_version is None or item["model_version"] == model_version
    ])  # fmt: skip


def _mean(values: Sequence[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return sum(numbers) / len(numbers) if numbers else None
