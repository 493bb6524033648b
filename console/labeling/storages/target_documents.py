"""What a target storage gets: the JSON of an annotation with its task, or of a task with its annotations, to the byte as
Label Studio writes it.

Source: Label Studio's `io_storages/serializers.py StorageAnnotationSerializer` and `base_models.py ExportStorage`; the
file of a whole task is written under FUTURE_SAVE_TASK_TO_STORAGE by the serializer of exports.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import select

from .. import tasks_json
from ..db import Db
from ..exports.documents import Depths, Documents, within
from ..exports.project import exported
from ..label_config import parse_stored
from ..label_config.task_data import name_undefined

#: Field -> column of the task within an annotation, in Label Studio's order.
TASK = {
    "id": "id", "data": "data", "meta": "meta", "created_at": "created_at", "updated_at": "updated_at",
    "is_labeled": "is_labeled", "allow_skip": "allow_skip", "overlap": "overlap", "inner_id": "inner_id",
    "total_annotations": "total_annotations", "cancelled_annotations": "cancelled_annotations",
    "total_predictions": "total_predictions", "precomputed_agreement": "precomputed_agreement",
    "comment_count": "comment_count", "unresolved_comment_count": "unresolved_comment_count",
    "last_comment_updated_at": "last_comment_updated_at", "project": "project_id", "updated_by": "updated_by_id",
    "file_upload": "file_upload_id",
}  # fmt: skip


@dataclass(frozen=True)
class Written:
    """One object for the bucket: its name below the prefix, its text, and the annotations it holds."""

    name: str
    body: bytes
    annotations: tuple[int, ...]


Writer = Callable[[Db, Sequence[int]], Iterator[Written]]


def writer(db: Db, project_id: int, *, tasks: bool, extension: str, indented: bool) -> Writer:
    """What turns ids into objects: ids of annotations, or of tasks where targets hold `tasks`. The caller of `db` has
    to see the project. `indented` is how Label Studio writes local files."""
    project = exported(db, project_id)
    config = db.value(select(db.table("project").c.label_config).where(db.table("project").c.id == project_id))

    def text(document: Any) -> bytes:
        return json.dumps(document, indent=2 if indented else None).encode()

    def of_annotations(db: Db, ids: Sequence[int]) -> Iterator[Written]:
        for annotation in _annotations(db, ids, config):
            yield Written(str(annotation["id"]), text(annotation), (annotation["id"],))

    def of_tasks(db: Db, ids: Sequence[int]) -> Iterator[Written]:
        depths = Depths(drafts="ids", predictions="ids", people="full")
        for written in Documents(depths, undefined_key=project.undefined_key).write(db, ids):
            task = json.loads(written.json)
            held = tuple(annotation["id"] for annotation in task["annotations"])
            yield Written(f"{written.id}{extension}", text(task), held)

    return of_tasks if tasks else of_annotations


def _annotations(db: Db, ids: Sequence[int], config: str | None) -> Iterator[dict[str, Any]]:
    table = db.table("task_completion")
    found = _plain(tasks_json.read_annotations(db, within(db, table.c.id, ids)))
    tasks = _tasks(db, sorted({annotation["task"] for annotation in found if annotation["task"]}), config)
    people = _people(db, {annotation["completed_by"] for annotation in found})
    for annotation in found:
        known = {"task": tasks.get(annotation["task"]), "completed_by": people.get(annotation["completed_by"])}
        yield {name: known.get(name, value) for name, value in _task_first(annotation).items()}


def _task_first(annotation: Mapping[str, Any]) -> dict[str, Any]:
    """Label Studio puts the task behind who completed the annotation."""
    ordered: dict[str, Any] = {}
    for name, value in annotation.items():
        if name != "task":
            ordered[name] = value
        if name == "completed_by":
            ordered["task"] = annotation["task"]
    return ordered


def _tasks(db: Db, ids: Sequence[int], config: str | None) -> dict[int, dict[str, Any]]:
    tasks = db.table("task")
    fields = {name: column for name, column in TASK.items() if db.has("task", column)}
    columns = [db.raw(tasks.c[name]) if name in {"data", "meta"} else tasks.c[name] for name in fields.values()]
    rows = db.rows(select(*columns).where(within(db, tasks.c.id, ids)))
    raw = [dict(zip(fields, row, strict=True)) for row in rows]
    for task in raw:
        task |= {name: db.fragment(task[name]) for name in ("data", "meta") if name in task}
    found: dict[int, dict[str, Any]] = {task["id"]: task for task in _plain(raw)}
    authors = _comment_authors(db, ids)
    parsed = parse_stored(config)
    for number, task in found.items():
        name_undefined(parsed, task["data"])
        if authors is not None:
            task["comment_authors"] = authors.get(number, [])
    return found


def _comment_authors(db: Db, ids: Sequence[int]) -> dict[int, list[int]] | None:
    if not db.has("task_comment_authors"):
        return None
    authors = db.table("task_comment_authors").c
    found: dict[int, list[int]] = {}
    rows = db.rows(
        select(authors.task_id, authors.user_id).where(within(db, authors.task_id, ids)).order_by(authors.user_id)
    )
    for row in rows:
        found.setdefault(row.task_id, []).append(row.user_id)
    return found


def _people(db: Db, ids: set[int | None]) -> dict[int | None, dict[str, Any]]:
    users = db.table("htx_user").c
    rows = db.rows(select(users.id, users.first_name, users.last_name, users.email).where(users.id.in_(ids - {None})))
    return {row.id: dict(row._mapping) for row in rows}


def _plain(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows as Python's `json` reads them back: what is stored as text becomes values, times become text."""
    found: list[dict[str, Any]] = json.loads(orjson.dumps(rows, option=orjson.OPT_UTC_Z))
    return found
