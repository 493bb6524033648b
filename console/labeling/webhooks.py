"""Webhooks: who wants to hear of a change, and what they are told.

A change only notes what happened (`announce`); the bodies are built and sent once the change is committed. They hold
every column of the object, references under the name without `_id`, as Label Studio's webhook serializers do.
Source: Label Studio's `webhooks/utils.py` and `webhooks/models.py WebhookAction.ACTIONS`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, bindparam, exists, func, or_, select

from ..deployment.models import Json
from .db import Db

#: Objects of one body at most; Label Studio's WEBHOOK_BATCH_SIZE.
BATCH = 5000


@dataclass(frozen=True)
class Kind:
    """What one action tells: under which key, from which table (None: ids alone), one object or a list."""

    key: str
    table: str | None
    many: bool
    with_task: bool = False
    with_project: bool = True


ACTIONS = {
    "PROJECT_CREATED": Kind("project", "project", False, with_project=False),
    "PROJECT_UPDATED": Kind("project", "project", False),
    "PROJECT_DELETED": Kind("project", None, False, with_project=False),
    "TASKS_CREATED": Kind("tasks", "task", True),
    "TASKS_DELETED": Kind("tasks", None, True),
    "ANNOTATION_CREATED": Kind("annotation", "task_completion", False, with_task=True),
    "ANNOTATIONS_CREATED": Kind("annotation", "task_completion", True, with_task=True),
    "ANNOTATION_UPDATED": Kind("annotation", "task_completion", False, with_task=True),
    "ANNOTATIONS_DELETED": Kind("annotations", None, True),
}
#: Actions that only webhooks of the whole organization hear of.
ORGANIZATION_ONLY = {"PROJECT_CREATED", "PROJECT_DELETED"}


@dataclass(frozen=True)
class Hook:
    """One receiver."""

    id: int
    url: str
    headers: dict[str, str]
    send_payload: bool


@dataclass(frozen=True)
class Announcement:
    """Something that happened, and who wants to hear of it."""

    action: str
    project_id: int
    ids: tuple[int, ...]
    hooks: tuple[Hook, ...]


def announce(db: Db, action: str, project_id: int, ids: Iterable[int]) -> None:
    """Note that something happened to these objects of a project. One statement; nothing is sent before the commit."""
    hooks = _wanted(db, action, project_id)
    if hooks:
        db.announcements.append(Announcement(action, project_id, tuple(ids), hooks))


def bodies(db: Db, told: Announcement) -> Iterator[dict[str, Any]]:
    """What is sent, ready for `orjson.dumps`: one body, or one per batch of objects. `db` is a fresh transaction."""
    kind = ACTIONS[told.action]
    if not any(hook.send_payload for hook in told.hooks):
        yield {"action": told.action}
        return
    project = _project(db, told.project_id) if kind.with_project else None
    for first in range(0, max(len(told.ids), 1), BATCH):
        batch = told.ids[first : first + BATCH]
        body: dict[str, Any] = {"action": told.action}
        rows = [{"id": one} for one in batch] if kind.table is None else _objects(db, kind.table, batch)
        if kind.table == "project":
            rows = [found for one in batch if (found := _project(db, one)) is not None]
        if not kind.many and not rows:
            return  # gone again before anybody could be told
        body[kind.key] = rows if kind.many else rows[0]
        if kind.with_task:
            tasks = {task["id"]: task for task in _objects(db, "task", [row["task"] for row in rows])}
            body["task"] = [tasks.get(row["task"]) for row in rows] if kind.many else tasks.get(rows[0]["task"])
        if project is not None:
            body["project"] = project
        yield body


def _wanted(db: Db, action: str, project_id: int) -> tuple[Hook, ...]:
    if not db.has("webhook"):
        return ()
    statement = db.once(f"webhooks.wanted {action in ORGANIZATION_ONLY}", lambda: _listening(db, action))
    rows = db.rows(statement, db.who | {"action": action, "project_id": project_id})
    return tuple(Hook(row.id, row.url, _headers(row.headers), bool(row.send_payload)) for row in rows)


def _listening(db: Db, action: str) -> Any:
    """Receivers of an action; parameters are `action`, `project_id` and `Db.who`."""
    hooks, actions = db.table("webhook"), db.table("webhook_action")
    listed = exists().where(actions.c.webhook_id == hooks.c.id, actions.c.action == bindparam("action"))
    where: Any = hooks.c.project_id.is_(None)
    if action not in ORGANIZATION_ONLY:
        where = or_(where, hooks.c.project_id == bindparam("project_id"))
    return (
        select(hooks.c.id, hooks.c.url, hooks.c.headers, hooks.c.send_payload)
        .where(and_(hooks.c.organization_id == bindparam("organization_id"), hooks.c.is_active, where))
        .where(or_(hooks.c.send_for_all_actions, listed)).order_by(hooks.c.id)
    )  # fmt: skip


def _headers(stored: Any) -> dict[str, str]:
    if isinstance(stored, str):
        try:
            stored = json.loads(stored)
        except ValueError:
            return {}
    return {str(name): str(value) for name, value in stored.items()} if isinstance(stored, dict) else {}


def _objects(db: Db, table: str, ids: Sequence[int]) -> list[dict[str, Any]]:
    """Rows by id, in the order of the ids; those that are gone are left out."""
    columns = db.table(table).c
    documents = {column.name for column in columns if isinstance(column.type, Json)}
    chosen = [db.raw(column) if column.name in documents else column for column in columns]
    found = {}
    for row in db.rows(select(*chosen).where(columns.id.in_(ids))):
        values = row._mapping.items()
        found[row.id] = {_told_as(name): db.fragment(value) if name in documents else value for name, value in values}
    if table == "task" and db.has("task_comment_authors"):
        _add_comment_authors(db, found)
    return [found[one] for one in ids if one in found]


def _told_as(column: str) -> str:
    """References lose their `_id`."""
    return str(column) if column in {"unique_id", "import_id"} else column.removesuffix("_id")


def _add_comment_authors(db: Db, tasks: dict[int, dict[str, Any]]) -> None:
    authors = db.table("task_comment_authors").c
    for task in tasks.values():
        task["comment_authors"] = []
    for row in db.rows(select(authors.task_id, authors.user_id).where(authors.task_id.in_(tasks)).order_by(authors.id)):
        tasks[row.task_id]["comment_authors"].append(row.user_id)


def _project(db: Db, project_id: int) -> dict[str, Any] | None:
    """A project with its counters, or None when it is gone."""
    rows = _objects(db, "project", [project_id])
    if not rows:
        return None
    tasks, annotations, predictions = (db.table(name).c for name in ("task", "task_completion", "prediction"))
    kept = annotations.was_cancelled.is_(False)
    counted = db.first(
        select(
            func.count(annotations.id.distinct()).filter(kept).label("total_annotations_number"),
            func.count(annotations.task_id.distinct())
            .filter(kept, annotations.ground_truth.is_(False), annotations.result.is_not(None))
            .label("num_tasks_with_annotations"),
            func.count(annotations.id).filter(kept, annotations.ground_truth.is_(False), annotations.result.is_not(None))
            .label("useful_annotation_number"),
            func.count(annotations.id).filter(annotations.ground_truth).label("ground_truth_number"),
            func.count(annotations.id).filter(annotations.was_cancelled).label("skipped_annotations_number"),
        ).select_from(db.table("task_completion").join(db.table("task"), tasks.id == annotations.task_id))
        .where(tasks.project_id == project_id)
    )  # fmt: skip
    finished = func.count(tasks.id).filter(tasks.is_labeled)
    totals = db.first(
        select(func.count(tasks.id).label("task_number"), finished.label("finished_task_number"))
        .where(tasks.project_id == project_id)
    )  # fmt: skip
    predicted = db.value(
        select(func.count(predictions.id))
        .select_from(db.table("prediction").join(db.table("task"), tasks.id == predictions.task_id))
        .where(tasks.project_id == project_id)
    )
    for row in (counted, totals):
        rows[0] |= dict(row._mapping) if row is not None else {}
    return rows[0] | {"total_predictions_number": predicted}
