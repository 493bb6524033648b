"""One task by its id, new tasks, and the old list of a project's tasks."""

from __future__ import annotations

import itertools
import re
from typing import Any

from flask import request

from ..errors import Invalid, NotFound
from ..labeling import tasks as stored
from ..labeling import tasks_changes
from ..labeling.db import LARGEST_ID
from ..labeling.tasks_json import TASK as COLUMNS
from .fields import REQUIRED, Flag, Id, Integer, Many, Shape
from .request import FormData, data, flag, query, reading, writing
from .routes import Resource, answer, nothing
from .tasks_fields import TASK, TASK_BODY, TASK_DETAIL
from .tasks_stream import listed

api = Resource("Tasks", "What is to be labeled: one row of data each, with what people and models made of it.")

ONE_TASK = Shape(
    "TaskQuery",
    project=Id(about="Only if the task belongs to this project."),
    resolve_uri=Flag(default=True, about="Replace links into buckets by paths of this server."),
    review=Flag(default=False, about="Leave out what is reckoned from annotations and predictions."),
)
PAGE = Shape(
    "OldTaskPage",
    page=Integer(about="From 1; also as `start`, counted in tasks."),
    page_size=Integer(about="50 unless given, -1 for all; also as `length`."),
)
PROJECT = Shape("TaskProject", project=ONE_TASK.fields["project"])
OLD_LIST = "/api/projects/<ID:project_id>/tasks/"


@api.post("/api/tasks/", body=TASK_BODY, answers={201: TASK})
def create() -> Any:
    """Make a task."""
    body = data()
    project_id = body.get("project") if isinstance(body, dict) else None
    if project_id and not _is_id(project_id):
        raise NotFound("Not found.")
    return _create(body, int(project_id) if project_id else None)


@api.get("/api/tasks/<ID:task_id>/", query=ONE_TASK, answers={200: TASK_DETAIL})
def retrieve(task_id: int) -> Any:
    """A task with its annotations, predictions and your drafts."""
    resolve, review = flag("resolve_uri", True), flag("review", False)
    with reading() as db:
        return answer(stored.one(db, task_id, project_id=query(PROJECT).get("project"), resolve=resolve, review=review))


@api.patch("/api/tasks/<ID:task_id>/", body=TASK_BODY, answers={200: TASK})
def update(task_id: int) -> Any:
    """Change a task."""
    return _change(task_id, partial=True)


@api.put("/api/tasks/<ID:task_id>/", body=TASK_BODY, answers={200: TASK})
def replace(task_id: int) -> Any:
    """Change a task; data is required."""
    return _change(task_id, partial=False)


@api.delete("/api/tasks/<ID:task_id>/", answers={204: None})
def destroy(task_id: int) -> Any:
    """Delete a task with its annotations, predictions and drafts."""
    with writing() as db:
        tasks_changes.remove(db, task_id)
    return nothing()


@api.get(OLD_LIST, query=PAGE, answers={200: Many(TASK)}, deprecated=True)
def of_project(project_id: int) -> Any:
    """Tasks of a project, the latest changed first. `GET /api/tasks/?project=` is the newer list."""
    size, number = _page()
    with reading() as db:
        portions = tasks_changes.page(db, project_id, size=size, number=number)
        first = next(portions, None)
        if first is None:
            raise NotFound("Not found.")
        return listed(itertools.chain([first], portions))


@api.post(OLD_LIST, body=TASK_BODY, answers={201: TASK}, deprecated=True)
def create_in_project(project_id: int) -> Any:
    """Make a task in a project."""
    return _create(data(), project_id)


@api.delete(OLD_LIST, answers={204: None})
def destroy_all(project_id: int) -> Any:
    """Delete every task of a project."""
    with writing() as db:
        tasks_changes.remove_all(db, project_id)
    return nothing()


def _create(body: Any, project_id: int | None) -> Any:
    given, authors = _given(body, partial=False)
    if project_id is None:
        raise Invalid({"project": [REQUIRED]})
    given.pop("project_id", None)
    with writing() as db:
        made = tasks_changes.create(db, project_id, given, authors or ())
    return answer(made, 201)


def _change(task_id: int, *, partial: bool) -> Any:
    given, authors = _given(data(), partial=partial)
    with writing() as db:
        changed = tasks_changes.change(db, task_id, given, authors)
    return answer(changed)


def _given(body: Any, *, partial: bool) -> tuple[dict[str, Any], list[int] | None]:
    """The body's values by column, and the authors of comments it names."""
    form = isinstance(body, FormData)
    values = TASK_BODY.read(body, partial=partial, form=form)
    if form and not partial:
        values = {"is_labeled": False, "comment_authors": []} | values
    authors = values.pop("comment_authors", None)
    return {COLUMNS[field]: value for field, value in values.items()}, authors


def _is_id(value: Any) -> bool:
    text = str(value).strip()
    return isinstance(value, int | str) and text.isascii() and text.isdigit() and int(text[:20]) <= LARGEST_ID


def _page() -> tuple[int | None, int]:
    """Size (None is all) and number of the page asked for. Raises Invalid, or NotFound for a page that cannot be."""
    size = _whole("page_size" if "page_size" in request.args else "length", 50)
    number = _whole("page", 1)
    if "start" in request.args:
        start = _whole("start", 1)
        number = start // size + 1 if start > size > 0 else start + 1
    if size == -1:
        return None, 1
    if size < 1 or number < 1 or size * number > LARGEST_ID:
        raise NotFound("Not found.")
    return size, number


def _whole(name: str, default: int) -> int:
    text = request.args.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"-?[0-9]{1,18}", text.strip()):
        raise Invalid({name: f'Incorrect value in key "{name}" = "{text}". It should be digit string.'})
    return int(text)
