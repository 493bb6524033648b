"""Tasks created, changed and deleted one at a time, and all of a project's tasks deleted at once.

Source: Label Studio's `tasks/api.py TaskListAPI.perform_create, TaskAPI`, `projects/api.py ProjectTaskListAPI`,
`tasks/validation.py TaskValidator` and the signals of `Task` in `tasks/models.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Row

from ..errors import Invalid, NotFound
from . import annotations_result, label_config, overlap, summary, tasks, tasks_json, webhooks
from .annotations import NO_SUCH, must_exist
from .annotations_result import document, parsed
from .db import Db
from .tasks_cascade import delete_rows

NO_PROJECT = "No Project matches the given query."
#: What `Task.save` takes for "not numbered yet".
UNNUMBERED = 0
_ROWS_AT_ONCE = 200


def project_of(db: Db, project_id: int, *, lock: bool = False) -> Row[Any]:
    """The project a task is made in. Raises NotFound, Forbidden. `lock` keeps others from numbering tasks meanwhile."""
    projects = db.table("project")
    former = tasks.is_former_member(db, projects.c.organization_id).label("former")
    statement = select(projects.c.id, projects.c.label_config, former).where(
        projects.c.id == project_id, projects.c.organization_id == db.caller.organization_id
    )
    if lock and db.postgresql:
        statement = statement.with_for_update(of=projects, key_share=True)
    return tasks.reached(db.first(statement), NO_PROJECT)


def create(db: Db, project_id: int, given: Mapping[str, Any], comment_authors: Sequence[int] = ()) -> dict[str, Any]:
    """A new task, checked against the labeling configuration. Raises NotFound, Forbidden, Invalid."""
    project = project_of(db, project_id, lock=True)
    _must_exist(db, given, comment_authors)
    data = _checked(project, given)
    values = _defaults() | dict(given) | {"project_id": project_id, "created_at": db.now, "updated_at": db.now}
    values["inner_id"] = _number(db, project_id) if values["inner_id"] == UNNUMBERED else values["inner_id"]
    stored = {"data": document(db, data), "meta": document(db, values["meta"])}
    task_id = db.insert("task", values | stored)
    _set_comment_authors(db, task_id, comment_authors)
    summary.tasks_added(db, project_id, {tuple(data): 1})
    webhooks.announce(db, "TASKS_CREATED", project_id, [task_id])
    db.record("created a task", f"task:{task_id}", project=project_id)
    fields = tasks_json.fields_of(db, "task", tasks_json.TASK)
    shown = {field: values[column] if column != "id" else task_id for field, column in fields.items()}
    documents = {"data": annotations_result.shown(data), "meta": annotations_result.shown(values["meta"])}
    return shown | documents | {"comment_authors": sorted(set(comment_authors))}


def change(
    db: Db, task_id: int, given: Mapping[str, Any], comment_authors: Sequence[int] | None = None
) -> dict[str, Any]:
    """Change columns of a task; the plain form of the task as it is then. Its project stays what it is.

    Raises NotFound (also for another project), Forbidden, Invalid.
    """
    table = db.table("task")
    old = tasks.own(db, task_id, db.raw(table.c.data), lock=True)
    if "project_id" in given and given["project_id"] is None:
        raise Invalid({"project": ["This field may not be null."]})
    if given.get("project_id", old.project_id) != old.project_id:
        raise NotFound(tasks.NO_TASK)
    _must_exist(db, given, comment_authors or ())
    if "data" in given and not isinstance(given["data"], dict):
        raise Invalid({"data": [f'Expected a dictionary of items but got type "{type(given["data"]).__name__}".']})
    values = dict(given) | {"updated_at": db.now}
    for name in ("data", "meta"):
        if name in given:
            values[name] = document(db, given[name])
    if given.get("inner_id") == UNNUMBERED:
        values["inner_id"] = _number(db, old.project_id)
    db.update("task", table.c.id == task_id, values)
    if comment_authors is not None:
        _set_comment_authors(db, task_id, comment_authors)
    if "data" in given and (before := _keys(parsed(old.data))) != _keys(given["data"]):
        summary.change(db, old.project_id, tasks_removed=before, tasks_added={tuple(given["data"]): 1})
    db.record("changed a task", f"task:{task_id}", fields=sorted(given))
    return tasks.plain(db, _plain_rows(db, table.c.id == task_id))[0]


def remove(db: Db, task_id: int) -> None:
    """Delete a task with everything that hangs on it. Raises NotFound, Forbidden."""
    table = db.table("task")
    old = tasks.own(db, task_id, db.raw(table.c.data), lock=True)
    delete_rows(db, "task", [task_id])
    summary.tasks_removed(db, old.project_id, _keys(parsed(old.data)))
    overlap.tasks_changed(db, overlap.rules(db, old.project_id))
    webhooks.announce(db, "TASKS_DELETED", old.project_id, [task_id])
    db.record("deleted a task", f"task:{task_id}", project=old.project_id)


def remove_all(db: Db, project_id: int) -> None:
    """Delete every task of a project; its summary is empty then. Raises NotFound, Forbidden."""
    project_of(db, project_id, lock=True)
    table = db.table("task")
    mine = table.c.project_id == project_id
    webhooks.announce(db, "TASKS_DELETED", project_id, _ids(db, mine))
    removed = delete_rows(db, "task", select(table.c.id).where(mine))
    summary.reset(db, project_id)
    db.record("deleted tasks", f"project:{project_id}", rows=removed)


def page(db: Db, project_id: int, *, size: int | None, number: int) -> Iterator[list[dict[str, Any]]]:
    """Tasks of a project in their plain form, the latest changed first, some at a time; `size` None is all of them.

    Raises NotFound, Forbidden before anything is yielded.
    """
    project_of(db, project_id)
    table = db.table("task")
    statement = (
        _plain(db).where(table.c.project_id == project_id).order_by(table.c.updated_at.desc(), table.c.id.desc())
    )
    if size is not None:
        statement = statement.limit(size).offset((number - 1) * size)
    rows = db.session.execute(statement.execution_options(yield_per=_ROWS_AT_ONCE))
    return (tasks.plain(db, some) for some in rows.partitions(_ROWS_AT_ONCE))


def _ids(db: Db, where: Any) -> Iterator[int]:
    """Ids of tasks, asked for when the first is wanted: nobody may listen."""
    table = db.table("task")
    yield from db.values(select(table.c.id).where(where).order_by(table.c.id))


def _plain(db: Db) -> Any:
    table, projects = db.table("task"), db.table("project")
    joined = table.join(projects, projects.c.id == table.c.project_id)
    return select(*tasks.plain_columns(db)).select_from(joined)


def _plain_rows(db: Db, *where: Any) -> Sequence[Row[Any]]:
    return db.rows(_plain(db).where(*where))


def _defaults() -> dict[str, Any]:
    numbers = ("total_annotations", "cancelled_annotations", "total_predictions", "comment_count",
               "unresolved_comment_count", "inner_id")  # fmt: skip
    nothing = ("last_comment_updated_at", "updated_by_id", "file_upload_id", "precomputed_agreement")
    return dict.fromkeys(numbers, 0) | dict.fromkeys(nothing) | {
        "meta": {}, "is_labeled": False, "overlap": 1, "allow_skip": True,
    }  # fmt: skip


def _checked(project: Row[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a new task as it is stored. Raises Invalid with Label Studio's words."""
    data = given["data"]
    if not isinstance(data, dict | list):
        raise Invalid("Task[data] must be dict or list")
    if wrong := label_config.problem_with_root(label_config.parse_stored(project.label_config), data, is_root=False):
        raise Invalid(wrong)
    if "meta" in given and not isinstance(given["meta"], dict | list):
        raise Invalid("Task[meta] must be dict or list")
    if not isinstance(data, dict):
        raise Invalid("Task[data] must be dict")
    return data


def _number(db: Db, project_id: int) -> int | None:
    """The next `inner_id`. Label Studio begins with 2, and gives none in a project that has a task without."""
    table = db.table("task")
    if "inner_id" not in table.c:
        return None
    mine = select(table.c.inner_id).where(table.c.project_id == project_id)
    last = db.first(mine.order_by(table.c.inner_id.desc()).limit(1))
    return 2 if last is None else None if last.inner_id is None else last.inner_id + 1


def _must_exist(db: Db, given: Mapping[str, Any], comment_authors: Sequence[int]) -> None:
    must_exist(db, {"updated_by_id": given.get("updated_by_id")})
    missing: dict[str, list[str]] = {}
    upload_id = given.get("file_upload_id")
    if upload_id is not None:
        uploads, projects = db.table("data_import_fileupload"), db.table("project")
        own = projects.c.organization_id == db.caller.organization_id
        found = (
            select(uploads.c.id)
            .join(projects, projects.c.id == uploads.c.project_id)
            .where(uploads.c.id == upload_id, own)
        )
        if db.value(found) is None:
            missing["file_upload"] = [NO_SUCH.format(upload_id)]
    if comment_authors:
        members = db.table("organizations_organizationmember")
        mine = members.c.organization_id == db.caller.organization_id
        known = set(db.values(select(members.c.user_id).where(members.c.user_id.in_(comment_authors), mine)))
        if strangers := [author for author in comment_authors if author not in known]:
            missing["comment_authors"] = [NO_SUCH.format(strangers[0])]
    if missing:
        raise Invalid(missing)


def _set_comment_authors(db: Db, task_id: int, authors: Sequence[int]) -> None:
    if not db.has("task_comment_authors"):
        return
    table = db.table("task_comment_authors")
    wanted = set(authors)
    known = set(db.values(select(table.c.user_id).where(table.c.task_id == task_id)))
    if known - wanted:
        db.delete("task_comment_authors", (table.c.task_id == task_id) & table.c.user_id.in_(known - wanted))
    db.insert_many(
        "task_comment_authors", [{"task_id": task_id, "user_id": author} for author in sorted(wanted - known)]
    )


def _keys(data: Any) -> dict[str, int]:
    return dict.fromkeys(data, 1) if isinstance(data, dict) else {}
