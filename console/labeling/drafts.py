"""Drafts: work on a task, or on an annotation of it, that is not submitted.

Source: Label Studio's `tasks/api.py AnnotationDraftListAPI, AnnotationDraftAPI` and `tasks/models.py AnnotationDraft`.
The summary is kept right where Label Studio adds the labels of a draft anew with every change of it. As there, its row
is locked before the draft's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Row

from ..errors import Invalid, NotFound
from . import summary, tasks_json
from .annotations import must_exist
from .annotations_result import document, parsed
from .db import Db
from .tasks import is_former_member, own, reached
from .tasks_cascade import delete_rows

TABLE = "tasks_annotationdraft"
NO_DRAFT = "No AnnotationDraft matches the given query."


def of_task(db: Db, task_id: int) -> list[dict[str, Any]]:
    """Everybody's drafts of a task; none when there is no such task, as Label Studio has it. Raises Forbidden."""
    try:
        own(db, task_id)
    except NotFound:
        return []
    return tasks_json.read_drafts(db, db.table(TABLE).c.task_id == task_id)


def get(db: Db, draft_id: int) -> dict[str, Any]:
    """One draft. Raises NotFound, Forbidden."""
    _reach(db, draft_id)
    return tasks_json.read_drafts(db, db.table(TABLE).c.id == draft_id)[0]


def create(db: Db, task_id: int, given: Mapping[str, Any], *, annotation_id: int | None = None) -> dict[str, Any]:
    """A new draft of the caller. Raises NotFound, Forbidden, Invalid when the annotation is none of the organization's."""
    task = own(db, task_id)
    must_exist(db, given)
    must_exist(db, {"annotation_id": annotation_id})
    values = {"lead_time": None, "was_postponed": False, "import_id": None} | dict(given) | {
        "task_id": task_id, "annotation_id": annotation_id, "user_id": db.caller.id, "created_at": db.now,
        "updated_at": db.now,
    }  # fmt: skip
    draft_id = db.insert(TABLE, values | {"result": document(db, values["result"])})
    _summarize(db, task.project_id, new=values["result"])
    db.record("created a draft", f"draft:{draft_id}", task=task_id)
    return tasks_json.read_drafts(db, db.table(TABLE).c.id == draft_id)[0]


def change(
    db: Db, draft_id: int, given: Mapping[str, Any], *, claim: bool = False, owner: str | None = None
) -> dict[str, Any]:
    """Change columns of a draft. `claim` makes it the caller's, as PUT does; `owner` has to be the e-mail of whose it is.

    Raises NotFound, Forbidden, Invalid.
    """
    drafts, users = db.table(TABLE), db.table("htx_user")
    email = select(users.c.email).where(users.c.id == drafts.c.user_id).scalar_subquery().label("email")
    old = _reach(db, draft_id, db.raw(drafts.c.result), email)
    if owner is not None and owner != old.email:
        raise Invalid({"user": ["The owner of a draft cannot be changed to somebody else."]})
    if "task_id" in given and given["task_id"] is None:
        raise Invalid({"task": ["This field may not be null."]})
    must_exist(db, given)
    project_id = own(db, given["task_id"]).project_id if "task_id" in given else old.project_id
    values = dict(given) | {"updated_at": db.now} | ({"user_id": db.caller.id} if claim else {})
    if "result" in given:
        values["result"] = document(db, given["result"])
    before = parsed(old.result)
    after = given.get("result", before)
    if project_id == old.project_id:
        _summarize(db, project_id, new=after, old=before)
    else:
        _summarize(db, old.project_id, old=before)
        _summarize(db, project_id, new=after)
    db.update(TABLE, drafts.c.id == draft_id, values)
    db.record("changed a draft", f"draft:{draft_id}")
    return tasks_json.read_drafts(db, drafts.c.id == draft_id)[0]


def remove(db: Db, draft_id: int) -> None:
    """Delete a draft. Raises NotFound, Forbidden."""
    old = _reach(db, draft_id, db.raw(db.table(TABLE).c.result))
    summary.read(db, old.project_id, lock=True)
    delete_rows(db, TABLE, [draft_id])
    _summarize(db, old.project_id, old=parsed(old.result))
    db.record("deleted a draft", f"draft:{draft_id}")


def _reach(db: Db, draft_id: int, *columns: Any) -> Row[Any]:
    drafts, tasks, projects = db.table(TABLE), db.table("task"), db.table("project")
    statement = (
        select(
            drafts.c.id, tasks.c.project_id, is_former_member(db, projects.c.organization_id).label("former"), *columns
        )
        .select_from(drafts.join(tasks, tasks.c.id == drafts.c.task_id).join(projects, projects.c.id == tasks.c.project_id))
        .where(drafts.c.id == draft_id, projects.c.organization_id == db.caller.organization_id)
    )  # fmt: skip
    return reached(db.first(statement), NO_DRAFT)


def _summarize(db: Db, project_id: int, *, new: Any = None, old: Any = None) -> None:
    if new or old:
        summary.change(db, project_id, drafts_added=[new] if new else [], drafts_removed=[old] if old else [])
