"""Annotations: rows of `task_completion`, read and changed as Label Studio does.

Every change holds the task's row, so that people who work on one task at once leave the right counters behind.
Source: Label Studio's `tasks/api.py AnnotationsListAPI, AnnotationAPI, AnnotationConvertAPI` and the signals in
`tasks/models.py`. Its target storages, webhooks and model training are not called from here.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import BigInteger, Text, bindparam, cast, exc, func, insert, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Row

from ..errors import Conflict, Forbidden, Invalid
from . import annotations_result, counters, locks, summary, tasks_json, webhooks
from .annotations_result import document, parsed
from .db import Db
from .storages import after
from .tasks import NO_TASK, is_former_member, own, own_statement, reached
from .tasks_cascade import delete_rows


@dataclass(frozen=True)
class Draft:
    """A draft that goes when its annotation is saved. `result` is JSON text."""

    id: int
    created_at: datetime
    result: str | None


NO_ANNOTATION = "No Annotation matches the given query."
NO_SUCH = 'Invalid pk "{}" - object does not exist.'
DUPLICATE = "Annotation with this unique id already exists"


def of_task(db: Db, task_id: int) -> list[dict[str, Any]]:
    """Annotations of a task, oldest first, skipped ones left out. Raises NotFound, Forbidden."""
    own(db, task_id)
    table = db.table("task_completion")
    return tasks_json.read_annotations(db, table.c.task_id == task_id, table.c.was_cancelled.is_(False))


def get(db: Db, annotation_id: int) -> dict[str, Any]:
    """One annotation. Raises NotFound, Forbidden."""
    _reach(db, annotation_id)
    return tasks_json.read_annotations(db, db.table("task_completion").c.id == annotation_id)[0]


def create(
    db: Db, task_id: int, given: Mapping[str, Any], *, draft_id: int | None = None, unique_ground_truth: bool = False
) -> dict[str, Any]:
    """Annotate a task; the new annotation. `given` maps columns to values; `draft_id` is the draft it was made from.

    Raises NotFound, Forbidden (somebody else's draft too), Invalid for objects out of reach, Conflict for a used
    `unique_id`.
    """
    author_id = given.get("completed_by_id") or db.caller.id
    task = _task(db, task_id, author_id, given, draft_id)
    _refuse_missing(task, given)
    draft = _draft_of(task, draft_id, db.caller.id)
    values = _defaults() | dict(given) | {
        "task_id": task_id, "project_id": task.project_id, "completed_by_id": author_id,
        "updated_by_id": db.caller.id, "created_at": db.now, "updated_at": db.now,
        "result_count": annotations_result.count(given.get("result")),
    }  # fmt: skip
    if draft is not None:
        values["draft_created_at"] = draft.created_at
    values["unique_id"] = _stored_uuid(db, values.get("unique_id") or uuid.uuid4())
    prediction = _prediction(db, task.prediction_id) if values["result"] is not None else "{}"
    annotation_id = _insert(db, values, prediction)
    if unique_ground_truth:
        _only_ground_truth(db, task_id, annotation_id)
    counters.annotations_changed(db, task_id, skip_queue=task.skip_queue)
    locks.release(db, task_id)
    _remember(db, task, annotation_id)
    _note_activity(db)
    _summarize(db, task.project_id, new=[values["result"]], old_drafts=[draft] if draft else [])
    webhooks.announce(db, "ANNOTATION_CREATED", task.project_id, [annotation_id])
    if task.has_target:
        after.saved(db, task.project_id, [annotation_id])
    db.record("created an annotation", f"annotation:{annotation_id}", task=task_id)
    name = tasks_json.person_name(task.first_name, task.last_name, task.email, author_id)
    shown = values | {"id": annotation_id, "result": annotations_result.shown(values["result"])}
    return tasks_json.annotation_of(db, shown, name)


def change(
    db: Db, annotation_id: int, given: Mapping[str, Any], *, unique_ground_truth: bool = False
) -> dict[str, Any]:
    """Change columns of an annotation; the annotation as it is then. Drafts of it are removed.

    It may move to another task of its project, not out of it. Raises NotFound, Forbidden, Invalid, Conflict.
    """
    table, projects = db.table("task_completion"), db.table("project")
    old = _reach(
        db, annotation_id, table.c.task_id, table.c.project_id, projects.c.skip_queue, db.raw(table.c.result),
        after.has_target(db, projects.c.id), lock=True,
    )  # fmt: skip
    must_exist(db, given)
    task_id = given.get("task_id", old.task_id)
    if given.get("project_id", old.project_id) != old.project_id:
        raise Invalid({"project": ["An annotation stays in its project."]})
    if task_id != old.task_id and own(db, task_id, lock=True).project_id != old.project_id:
        raise Invalid({"task": ["An annotation stays in its project."]})
    result = given["result"] if "result" in given else parsed(old.result)
    values = dict(given) | {
        "result_count": annotations_result.count(result), "updated_by_id": db.caller.id, "updated_at": db.now,
    }  # fmt: skip
    if "result" in given:
        values["result"] = document(db, result)
    if "unique_id" in given:
        values["unique_id"] = _stored_uuid(db, given["unique_id"])
    try:
        db.update("task_completion", table.c.id == annotation_id, values)
    except exc.IntegrityError as error:
        raise _explained(error) from error
    if unique_ground_truth:
        _only_ground_truth(db, task_id, annotation_id)
    for touched in {old.task_id, task_id}:
        counters.annotations_changed(db, touched, skip_queue=old.skip_queue)
    _summarize(
        db, old.project_id, new=[result], old=[parsed(old.result)], old_drafts=_drafts_of(db, annotation_id, task_id)
    )
    webhooks.announce(db, "ANNOTATION_UPDATED", old.project_id, [annotation_id])
    if old.has_target:
        after.saved(db, old.project_id, [annotation_id])
    db.record("changed an annotation", f"annotation:{annotation_id}", task=task_id)
    return tasks_json.read_annotations(db, table.c.id == annotation_id)[0]


def remove(db: Db, annotation_id: int) -> None:
    """Delete an annotation with what hangs on it. Raises NotFound, Forbidden."""
    table, projects = db.table("task_completion"), db.table("project")
    old = _reach(
        db, annotation_id, table.c.task_id, table.c.project_id, projects.c.skip_queue, db.raw(table.c.result), lock=True
    )
    _remove(db, old)
    webhooks.announce(db, "ANNOTATIONS_DELETED", old.project_id, [annotation_id])
    db.record("deleted an annotation", f"annotation:{annotation_id}", task=old.task_id)


def to_draft(db: Db, annotation_id: int) -> dict[str, Any]:
    """Turn an annotation into a draft of the caller; the draft. Raises NotFound, Forbidden, Invalid without a result."""
    table, projects = db.table("task_completion"), db.table("project")
    old = _reach(
        db, annotation_id, table.c.task_id, table.c.project_id, projects.c.skip_queue, db.raw(table.c.result),
        *db.columns("task_completion", "lead_time"), lock=True,
    )  # fmt: skip
    if old.result is None:
        raise Invalid({"result": ["This annotation has no result to make a draft of."]})
    draft_id = db.insert("tasks_annotationdraft", {
        "result": db.document(old.result), "lead_time": getattr(old, "lead_time", None), "task_id": old.task_id,
        "annotation_id": None, "user_id": db.caller.id, "was_postponed": False, "created_at": db.now, "updated_at": db.now,
    })  # fmt: skip
    _remove(db, old, drafted=parsed(old.result))
    webhooks.announce(db, "ANNOTATIONS_DELETED", old.project_id, [annotation_id])
    db.record("turned an annotation into a draft", f"annotation:{annotation_id}", task=old.task_id, draft=draft_id)
    return tasks_json.read_drafts(db, db.table("tasks_annotationdraft").c.id == draft_id)[0]


def must_exist(db: Db, given: Mapping[str, Any]) -> None:
    """Refuse ids of objects that the caller's organization does not have, in one statement. Raises Invalid."""
    asked = _asked(given)
    if asked:
        statement = db.once(f"annotations.must_exist {list(asked)}", lambda: select(*_existing(db, asked)))
        _refuse_missing(db.first(statement, db.who | _values(asked)), given)


def _asked(given: Mapping[str, Any]) -> dict[str, int]:
    """The objects that `given` names, by field."""
    return {field: given[column] for field, column in _REFERENCES.items() if given.get(column) is not None}


def _values(asked: Mapping[str, int]) -> dict[str, int]:
    return {f"named_{field}": value for field, value in asked.items()}


def _existing(db: Db, asked: Iterable[str]) -> list[Any]:
    """One column per named object: whether the organization has it. Parameters as in `_values`, and `Db.who`."""
    return [_exists(db, field).label(f"has_{field}") for field in asked]


def _refuse_missing(found: Any, given: Mapping[str, Any]) -> None:
    missing = {
        field: [NO_SUCH.format(value)] for field, value in _asked(given).items() if not getattr(found, f"has_{field}")
    }
    if missing:
        raise Invalid(missing)


#: Fields that name other objects -> their columns.
_REFERENCES = {
    "completed_by": "completed_by_id", "updated_by": "updated_by_id", "last_created_by": "last_created_by_id",
    "task": "task_id", "project": "project_id", "parent_prediction": "parent_prediction_id",
    "parent_annotation": "parent_annotation_id", "annotation": "annotation_id",
}  # fmt: skip
_TABLES = {"parent_prediction": "prediction", "parent_annotation": "task_completion", "annotation": "task_completion"}


def _exists(db: Db, field: str) -> Any:
    """Whether the organization has this object. People are its members, also former ones."""
    projects, named = db.table("project"), bindparam(f"named_{field}", type_=BigInteger)
    mine: Any = bindparam("organization_id")
    if field in {"completed_by", "updated_by", "last_created_by"}:
        members = db.table("organizations_organizationmember")
        found = select(members.c.id).where(members.c.user_id == named, members.c.organization_id == mine)
    elif field == "project":
        found = select(projects.c.id).where(projects.c.id == named, projects.c.organization_id == mine)
    else:
        tasks, table = db.table("task"), db.table(_TABLES.get(field, "task"))
        of = table if field == "task" else table.join(tasks, tasks.c.id == table.c.task_id)
        found = select(table.c.id).where(table.c.id == named, projects.c.organization_id == mine)
        found = found.select_from(of.join(projects, projects.c.id == tasks.c.project_id))
    return found.exists()


def _reach(db: Db, annotation_id: int, *columns: Any, lock: bool = False) -> Row[Any]:
    """Columns of an annotation of the caller's organization; `lock` holds its task. Raises NotFound, Forbidden."""
    table, tasks, projects = db.table("task_completion"), db.table("task"), db.table("project")
    statement = (
        select(table.c.id, is_former_member(db, projects.c.organization_id).label("former"), *columns)
        .select_from(table.join(tasks, tasks.c.id == table.c.task_id).join(projects, projects.c.id == tasks.c.project_id))
        .where(table.c.id == annotation_id, projects.c.organization_id == db.caller.organization_id)
    )  # fmt: skip
    if lock and db.postgresql:
        statement = statement.with_for_update(of=(tasks, table), key_share=True)
    return reached(db.first(statement), NO_ANNOTATION)


def _defaults() -> dict[str, Any]:
    nothing = ("draft_created_at", "lead_time", "import_id", "last_action", "parent_prediction_id", "parent_annotation_id",
               "last_created_by_id", "result")  # fmt: skip
    return dict.fromkeys(nothing) | {"was_cancelled": False, "ground_truth": False, "bulk_created": False}


def _task(db: Db, task_id: int, author_id: int, given: Mapping[str, Any], draft_id: int | None) -> Row[Any]:
    """All that `create` has to know, in one statement; the task is held. Raises NotFound, Forbidden."""
    asked = _asked(given)

    def build() -> Any:
        columns = [*_context(db), *_existing(db, asked), *(_draft_columns(db) if draft_id is not None else [])]
        return own_statement(db, *columns, lock=True)

    statement = db.once(f"annotations.create {list(asked)} {draft_id is not None}", build)
    values = {"task_id": task_id, "author_id": author_id, "draft_id": draft_id}
    return reached(db.first(statement, db.who | _values(asked) | values), NO_TASK)


def _context(db: Db) -> list[Any]:
    """Columns beside the task: rules of the project, the author's name, what the annotator saw, the label stream."""
    tasks, projects, users = db.table("task"), db.table("project"), db.table("htx_user")
    predictions, history = db.table("prediction"), db.table("projects_labelstreamhistory")
    same_version = predictions.c.model_version.is_not_distinct_from(projects.c.model_version)
    first = select(func.min(predictions.c.id)).where(predictions.c.task_id == tasks.c.id, same_version)
    mine = (history.c.user_id == bindparam("caller_id"), history.c.project_id == projects.c.id)
    people = [
        select(users.c[name]).where(users.c.id == bindparam("author_id")).scalar_subquery().label(name)
        for name in ("first_name", "last_name", "email")
    ]
    return [
        projects.c.skip_queue,
        after.has_target(db, projects.c.id),
        first.correlate(tasks, projects).scalar_subquery().label("prediction_id"),
        select(db.raw(history.c.data)).where(*mine).order_by(history.c.id).limit(1).scalar_subquery().label("history"),
        *people,
    ]


def _draft_columns(db: Db) -> list[Any]:
    """Columns of the draft that an annotation is made from; its id is the parameter `draft_id`."""
    drafts = db.table("tasks_annotationdraft")
    named = drafts.c.id == bindparam("draft_id", type_=BigInteger)
    wanted = (drafts.c.task_id, drafts.c.user_id, drafts.c.created_at, db.raw(drafts.c.result))
    return [select(column).where(named).scalar_subquery().label(f"draft_{column.name}") for column in wanted]


def _insert(db: Db, values: Mapping[str, Any], prediction: str) -> int:
    """Store a new annotation; its id. Raises Conflict for a used `unique_id`."""
    table = db.table("task_completion")
    texts = {"prediction": prediction, "result": annotations_result.stored(db, values["result"])}
    row = db.fitted("task_completion", dict(values) | texts)

    def build() -> Any:
        given = {name: bindparam(f"new_{name}", type_=Text() if name in texts else table.c[name].type) for name in row}
        as_json = {name: cast(given[name], JSONB) for name in texts} if db.postgresql else {}
        return insert(table).values(given | as_json).returning(table.c.id)

    statement = db.once(f"annotations.insert {sorted(row)}", build)
    try:
        return db.connection.execute(statement, {f"new_{name}": value for name, value in row.items()}).scalar_one()
    except exc.IntegrityError as error:
        raise _explained(error) from error


def _note_activity(db: Db) -> None:
    """Note that the caller was here, as Label Studio does for annotators."""
    users = db.table("htx_user")
    if "activity_at" not in users.c:
        return

    def build() -> Any:
        now = bindparam("now", type_=users.c.activity_at.type)
        return update(users).where(users.c.id == bindparam("caller_id")).values(activity_at=now)

    db.connection.execute(db.once("annotations.activity", build), {"caller_id": db.caller.id, "now": db.now})


def _draft_of(task: Row[Any], draft_id: int | None, user_id: int) -> Draft | None:
    """The draft, if there is one. Raises Forbidden when it is somebody else's or another task's."""
    if draft_id is None or task.draft_created_at is None:
        return None
    if task.draft_task_id != task.id or task.draft_user_id != user_id:
        raise Forbidden(f"You have no permission to draft id:{draft_id}")
    return Draft(draft_id, task.draft_created_at, task.draft_result)


def _prediction(db: Db, prediction_id: int | None) -> str:
    """The prediction the annotator may have seen, as JSON text."""
    if prediction_id is None:
        return "{}"
    [found] = tasks_json.read_predictions(db, db.table("prediction").c.id == prediction_id)
    return orjson.dumps(found, option=orjson.OPT_UTC_Z).decode()


def _remove(db: Db, old: Row[Any], drafted: Any = None) -> None:
    drafts = _drafts_of(db, old.id)
    if drafts:
        summary.read(db, old.project_id, lock=True)
    delete_rows(db, "task_completion", [old.id])
    counters.annotations_changed(db, old.task_id, skip_queue=old.skip_queue)
    _summarize(db, old.project_id, old=[parsed(old.result)], old_drafts=drafts, new_drafts=[drafted] if drafted else [])


def _drafts_of(db: Db, annotation_id: int, task_id: int | None = None) -> list[Draft]:
    """Drafts of an annotation."""
    drafts = db.table("tasks_annotationdraft")
    statement = select(drafts.c.id, drafts.c.created_at, db.raw(drafts.c.result)).where(
        drafts.c.annotation_id == annotation_id
    )
    rows = db.rows(statement if task_id is None else statement.where(drafts.c.task_id == task_id))
    return [Draft(row.id, row.created_at, row.result) for row in rows]


def _summarize(
    db: Db, project_id: int | None, *, new: list[Any] | None = None, old: list[Any] | None = None,
    old_drafts: Sequence[Draft] = (), new_drafts: list[Any] | None = None,
) -> None:  # fmt: skip
    """Move the numbers of the project's summary if there is anything in a result to count, and delete drafts.

    Label Studio locks the summary before a draft, so the order is the same here.
    """
    removed = [parsed(draft.result) for draft in old_drafts]
    if project_id is not None and any([*(new or []), *(old or []), *removed, *(new_drafts or [])]):
        summary.change(
            db, project_id, annotations_added=new or [], annotations_removed=old or [],
            drafts_added=new_drafts or [], drafts_removed=removed,
        )  # fmt: skip
    if old_drafts:
        drafts = db.table("tasks_annotationdraft")
        db.delete("tasks_annotationdraft", drafts.c.id.in_([draft.id for draft in old_drafts]))


def _only_ground_truth(db: Db, task_id: int, annotation_id: int) -> None:
    table = db.table("task_completion")
    others = (table.c.task_id == task_id, table.c.id != annotation_id, table.c.ground_truth.is_(True))
    db.session.execute(update(table).where(*others).values(ground_truth=False))


def _remember(db: Db, task: Row[Any], annotation_id: int) -> None:
    """Note the annotation in the caller's label stream, where the task was handed out there."""
    items = parsed(task.history)
    if not isinstance(items, list) or not any(
        isinstance(item, dict) and item.get("taskId") == task.id for item in items
    ):
        return
    for item in items:
        if isinstance(item, dict) and item.get("taskId") == task.id:
            item["annotationId"] = annotation_id
    history = db.table("projects_labelstreamhistory")
    first = select(func.min(history.c.id)).where(
        history.c.user_id == db.caller.id, history.c.project_id == task.project_id
    )
    db.update("projects_labelstreamhistory", history.c.id == first.scalar_subquery(), {"data": document(db, items)})


def _stored_uuid(db: Db, value: uuid.UUID) -> str:
    """A UUID as Django stores it: 32 digits on SQLite."""
    return str(value) if db.postgresql else value.hex


def _explained(error: exc.IntegrityError) -> Exception:
    return Conflict(DUPLICATE) if "unique_id" in str(error.orig) else error
