"""Drafts of tasks and of annotations, and one draft by its id."""

from __future__ import annotations

from typing import Any

from ..labeling import drafts as stored
from ..labeling.tasks_json import DRAFT as COLUMNS
from .annotations_fields import DRAFT, DRAFT_BODY
from .fields import Many
from .request import FormData, data, reading, writing
from .routes import Resource, answer, nothing

api = Resource("Drafts", "Work that is not submitted.")

OF_TASK = "/api/tasks/<ID:task_id>/drafts"
OF_ANNOTATION = "/api/tasks/<ID:task_id>/annotations/<ID:annotation_id>/drafts"


@api.get(OF_TASK, f"{OF_TASK}/", answers={200: Many(DRAFT)})
def of_task(task_id: int) -> Any:
    """Drafts of a task, everybody's."""
    with reading() as db:
        return answer(stored.of_task(db, task_id))


@api.get(OF_ANNOTATION, f"{OF_ANNOTATION}/", answers={200: Many(DRAFT)})
def of_annotation(task_id: int, annotation_id: int) -> Any:
    """Drafts of the annotation's task. Label Studio shows all of the task here, and so do we."""
    return of_task(task_id)


@api.post(OF_TASK, f"{OF_TASK}/", body=DRAFT_BODY, answers={201: DRAFT})
def create(task_id: int) -> Any:
    """Keep work on a task for later."""
    return _create(task_id, None)


@api.post(OF_ANNOTATION, f"{OF_ANNOTATION}/", body=DRAFT_BODY, answers={201: DRAFT})
def create_for_annotation(task_id: int, annotation_id: int) -> Any:
    """Keep changes of an annotation for later."""
    return _create(task_id, annotation_id)


@api.get("/api/drafts/<ID:draft_id>/", answers={200: DRAFT})
def retrieve(draft_id: int) -> Any:
    """One draft."""
    with reading() as db:
        return answer(stored.get(db, draft_id))


@api.patch("/api/drafts/<ID:draft_id>/", body=DRAFT_BODY, answers={200: DRAFT})
def update(draft_id: int) -> Any:
    """Change a draft."""
    given, owner = _given(partial=True)
    with writing() as db:
        return answer(stored.change(db, draft_id, given, owner=owner))


@api.put("/api/drafts/<ID:draft_id>/", body=DRAFT_BODY, answers={200: DRAFT})
def replace(draft_id: int) -> Any:
    """Change a draft and make it yours."""
    given, owner = _given(partial=False)
    with writing() as db:
        return answer(stored.change(db, draft_id, given, claim=owner is None, owner=owner))


@api.delete("/api/drafts/<ID:draft_id>/", answers={204: None})
def destroy(draft_id: int) -> Any:
    """Delete a draft."""
    with writing() as db:
        stored.remove(db, draft_id)
    return nothing()


def _create(task_id: int, annotation_id: int | None) -> Any:
    given, _ = _given(partial=False)
    with writing() as db:
        made = stored.create(db, task_id, given, annotation_id=annotation_id)
    return answer(made, 201)


def _given(*, partial: bool) -> tuple[dict[str, Any], str | None]:
    """The body's values by column, and the owner it names."""
    body = data()
    form = isinstance(body, FormData)
    values = DRAFT_BODY.read(body, partial=partial, form=form)
    if form and not partial:
        values = {"was_postponed": False} | values
    owner = values.pop("user", None)
    return {COLUMNS[field]: value for field, value in values.items()}, owner
