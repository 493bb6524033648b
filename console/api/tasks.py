"""One task by its id, and the old list of a project's tasks."""

from __future__ import annotations

from typing import Any

from ..labeling import tasks as stored
from .fields import Flag, Id, Shape
from .request import flag, query, reading
from .routes import Resource, answer

api = Resource("Tasks", "What is to be labeled: one row of data each, with what people and models made of it.")

ONE_TASK = Shape(
    "TaskQuery",
    project=Id(about="Only if the task belongs to this project."),
    resolve_uri=Flag(default=True, about="Replace links into buckets by paths of this server."),
    review=Flag(default=False, about="Leave out what is reckoned from annotations and predictions."),
)


@api.get("/api/tasks/<ID:task_id>/", query=ONE_TASK, answers={200: {"type": "object"}, 404: None})
def retrieve(task_id: int) -> Any:
    """A task with its annotations, predictions and your drafts."""
    resolve, review = flag("resolve_uri", True), flag("review", False)
    project_id = query(Shape("TaskProject", project=ONE_TASK.fields["project"])).get("project")
    with reading() as db:
        return answer(stored.one(db, task_id, project_id=project_id, resolve=resolve, review=review))
