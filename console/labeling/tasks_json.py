"""Tasks, annotations, drafts and predictions as Label Studio's API shows them: queries whose rows become those bodies.

Columns that a release lacks leave their field out. JSON columns are passed on as the text they are stored as.
Source: Label Studio's `tasks/serializers.py` and `users/serializers.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.engine import Row

from .ago import ago
from .db import Db

#: Uploaded files are served under this path; avatars are among them.
MEDIA_URL = "/data/"

#: Field -> column, in the order Label Studio sends them.
ANNOTATION = {
    "id": "id", "result": "result", "created_username": "", "created_ago": "", "completed_by": "completed_by_id",
    "was_cancelled": "was_cancelled", "ground_truth": "ground_truth", "created_at": "created_at",
    "updated_at": "updated_at", "draft_created_at": "draft_created_at", "lead_time": "lead_time",
    "import_id": "import_id", "last_action": "last_action", "bulk_created": "bulk_created", "task": "task_id",
    "project": "project_id", "updated_by": "updated_by_id", "parent_prediction": "parent_prediction_id",
    "parent_annotation": "parent_annotation_id", "last_created_by": "last_created_by_id",
}  # fmt: skip
DRAFT = {
    "id": "id", "user": "user_id", "created_username": "", "created_ago": "", "result": "result",
    "lead_time": "lead_time", "was_postponed": "was_postponed", "import_id": "import_id", "created_at": "created_at",
    "updated_at": "updated_at", "task": "task_id", "annotation": "annotation_id",
}  # fmt: skip
PREDICTION = {
    "id": "id", "result": "result", "model_version": "model_version", "created_ago": "", "score": "score",
    "cluster": "cluster", "neighbors": "neighbors", "mislabeling": "mislabeling", "created_at": "created_at",
    "updated_at": "updated_at", "model": "model_id", "model_run": "model_run_id", "task": "task_id",
    "project": "project_id",
}  # fmt: skip
#: The plain form of a task, which changes are answered with.
TASK = {
    "id": "id", "data": "data", "meta": "meta", "created_at": "created_at", "updated_at": "updated_at",
    "is_labeled": "is_labeled", "overlap": "overlap", "inner_id": "inner_id", "total_annotations": "total_annotations",
    "cancelled_annotations": "cancelled_annotations", "total_predictions": "total_predictions",
    "comment_count": "comment_count", "unresolved_comment_count": "unresolved_comment_count",
    "last_comment_updated_at": "last_comment_updated_at", "project": "project_id", "updated_by": "updated_by_id",
    "file_upload": "file_upload_id",
}  # fmt: skip


def read_annotations(db: Db, *where: Any, expanded: bool = False) -> list[dict[str, Any]]:
    """Annotations by id. `expanded` shows who completed them as an object, with former members named so."""
    return _annotations(db, _annotation_query(db, expanded).where(*where), {}, expanded)


def annotations_of(db: Db, task_id: int) -> list[dict[str, Any]]:
    """Annotations of a task by id, with who completed them as an object."""
    tasks = db.table("task_completion").c.task_id
    statement = db.once("annotations_of", lambda: _annotation_query(db, True).where(tasks == bindparam("task_id")))
    return _annotations(db, statement, {"task_id": task_id}, True)


def read_drafts(db: Db, *where: Any) -> list[dict[str, Any]]:
    """Drafts by id."""
    return _drafts(db, _draft_query(db).where(*where), {})


def own_drafts(db: Db, task_id: int) -> list[dict[str, Any]]:
    """The caller's drafts of a task by id."""
    table = db.table("tasks_annotationdraft")
    mine = (table.c.task_id == bindparam("task_id"), table.c.user_id == bindparam("caller_id"))
    return _drafts(db, db.once("own_drafts", lambda: _draft_query(db).where(*mine)), {"task_id": task_id})


def read_predictions(db: Db, *where: Any) -> list[dict[str, Any]]:
    """Predictions by id."""
    return _predictions(db, _prediction_query(db).where(*where), {})


def predictions_of(db: Db, task_id: int) -> list[dict[str, Any]]:
    """Predictions of a task by id."""
    tasks = db.table("prediction").c.task_id
    statement = db.once("predictions_of", lambda: _prediction_query(db).where(tasks == bindparam("task_id")))
    return _predictions(db, statement, {"task_id": task_id})


def _annotation_query(db: Db, expanded: bool) -> Select[Any]:
    table, users = db.table("task_completion"), db.table("htx_user")
    people: list[Any] = [users.c.first_name, users.c.last_name, users.c.email]
    if expanded:
        people += [users.c.avatar if "avatar" in users.c else users.c.email.label("avatar"), _is_member(db, users.c.id)]
    columns = selected(db, "task_completion", fields_of(db, "task_completion", ANNOTATION))
    joined = table.outerjoin(users, users.c.id == table.c.completed_by_id)
    return select(*columns, *people).select_from(joined).order_by(table.c.id)


def _draft_query(db: Db) -> Select[Any]:
    table, users = db.table("tasks_annotationdraft"), db.table("htx_user")
    columns = selected(db, "tasks_annotationdraft", fields_of(db, "tasks_annotationdraft", DRAFT))
    joined = table.outerjoin(users, users.c.id == table.c.user_id)
    named = select(*columns, users.c.first_name, users.c.last_name, users.c.email)
    return named.select_from(joined).order_by(table.c.id)


def _prediction_query(db: Db) -> Select[Any]:
    columns = selected(db, "prediction", fields_of(db, "prediction", PREDICTION))
    return select(*columns).order_by(db.table("prediction").c.id)


def _annotations(db: Db, statement: Any, values: dict[str, Any], expanded: bool) -> list[dict[str, Any]]:
    fields = list(fields_of(db, "task_completion", ANNOTATION))
    return [_annotation(db, fields, row, expanded) for row in db.rows(statement, values | db.who)]


def _drafts(db: Db, statement: Any, values: dict[str, Any]) -> list[dict[str, Any]]:
    fields = list(fields_of(db, "tasks_annotationdraft", DRAFT))
    return [_draft(db, fields, row) for row in db.rows(statement, values | db.who)]


def _predictions(db: Db, statement: Any, values: dict[str, Any]) -> list[dict[str, Any]]:
    fields = list(fields_of(db, "prediction", PREDICTION))
    return [prediction(db, fields, row) for row in db.rows(statement, values)]


def fields_of(db: Db, table: str, fields: dict[str, str]) -> dict[str, str]:
    """Those of the fields of a table whose column the release has; computed ones have none and stay."""
    present: dict[str, str] = db.once(
        f"fields of {table}",
        lambda: {field: column for field, column in fields.items() if not column or db.has(table, column)},
    )
    return present


def selected(db: Db, table: str, fields: dict[str, str]) -> list[Any]:
    """The columns of `fields_of`, in its order; JSON ones as text."""
    columns = db.table(table).c
    documents = {"result", "neighbors", "data", "meta"}
    return [db.raw(columns[name]) if name in documents else columns[name] for name in fields.values() if name]


def prediction(db: Db, fields: Sequence[str], row: Row[Any]) -> dict[str, Any]:
    """One prediction from a row that starts with the columns of `fields`."""
    values = iter(row)
    found: dict[str, Any] = {field: None if field == "created_ago" else next(values) for field in fields}
    found["result"] = db.fragment(found["result"])
    if "neighbors" in found:
        found["neighbors"] = db.fragment(found["neighbors"])
    found["created_ago"] = ago(found["created_at"], db.now)
    return found


def person_name(first_name: str | None, last_name: str | None, email: str | None, user_id: int | None) -> str:
    """Somebody as Label Studio names the author of an annotation; nothing when there is none."""
    if email is None:
        return ""
    return f"{first_name or ''}{f' {last_name}' if last_name else ''} {email}, {user_id}"


def person(row: Row[Any], user_id: int) -> dict[str, Any]:
    """Who completed an annotation, as an object. Somebody who is no member (any more) is called Deleted User."""
    first, last = row.first_name or "", row.last_name or ""
    initials = (first[:1] + last[:1]) or row.email[:2]
    avatar = f"{MEDIA_URL}{row.avatar}" if row.avatar and row.avatar != row.email else None
    if row.member:
        return {"id": user_id, "first_name": first, "last_name": last, "avatar": avatar, "email": row.email,
                "initials": initials}  # fmt: skip
    return {"id": user_id, "first_name": "Deleted", "last_name": "User", "avatar": avatar, "email": "Deleted",
            "initials": "DU", "username": "Deleted"}  # fmt: skip


def id_list(db: Db, column: Any, *where: Any) -> Any:
    """A scalar subquery, correlated with the tables around it, with the values of a column; read it with `ids`."""
    gathered = func.array_agg(column) if db.postgresql else func.group_concat(column)
    return select(gathered).where(*where).scalar_subquery()


def ids(value: Any) -> list[int]:
    """What `id_list` found."""
    if not value:
        return []
    return [int(part) for part in value.split(",")] if isinstance(value, str) else list(value)


def set_text(values: Iterable[Any]) -> str:
    """Distinct numbers as Label Studio joins them in the columns of the Data Manager."""
    return ",".join(str(value) for value in set(values))[:500]


def annotation_of(db: Db, values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An annotation that was just stored, from its columns. `name` is its author's, see `person_name`."""
    computed = {"created_username": name, "created_ago": ago(values["created_at"], db.now)}
    fields = fields_of(db, "task_completion", ANNOTATION)
    return {field: computed[field] if not column else values.get(column) for field, column in fields.items()}


def _annotation(db: Db, fields: Sequence[str], row: Row[Any], expanded: bool) -> dict[str, Any]:
    values = iter(row)
    found: dict[str, Any] = {
        field: None if field in {"created_username", "created_ago"} else next(values) for field in fields
    }
    author = found["completed_by"]
    found["result"] = db.fragment(found["result"])
    found["created_username"] = person_name(row.first_name, row.last_name, row.email, author)
    found["created_ago"] = ago(found["created_at"], db.now)
    if expanded and author is not None and row.email is not None:
        found["completed_by"] = person(row, author)
    return found


def _draft(db: Db, fields: Sequence[str], row: Row[Any]) -> dict[str, Any]:
    values = iter(row)
    found: dict[str, Any] = {
        field: None if field in {"created_username", "created_ago"} else next(values) for field in fields
    }
    name = person_name(row.first_name, row.last_name, row.email, found["user"])
    found["created_username"] = name if row.first_name or row.last_name else name.lstrip()
    found["user"] = row.email
    found["result"] = db.fragment(found["result"])
    found["created_ago"] = ago(found["created_at"], db.now)
    return found


def _is_member(db: Db, user_id: Any) -> Any:
    """Whether a user is a member of the caller's active organization today."""
    members = db.table("organizations_organizationmember")
    live = [members.c.deleted_at.is_(None)] if "deleted_at" in members.c else []
    known = (members.c.user_id == user_id, members.c.organization_id == bindparam("organization_id"))
    return select(members.c.id).where(*known, *live).exists().label("member")
