"""Annotations of a task, and one annotation by its id."""

from __future__ import annotations

from typing import Any

from flask import request

from ..errors import Invalid
from ..labeling import annotations as stored
from ..labeling.tasks_json import ANNOTATION as COLUMNS
from .annotations_fields import ANNOTATION, ANNOTATION_BODY, DRAFT
from .fields import Flag, Integer, Many, Shape, Wrong
from .request import FormData, data, flag, reading, writing
from .routes import Resource, answer, nothing

api = Resource("Annotations", "What people have labeled: one row per task and annotator.")

SKIP = Shape("AnnotationQuery", was_cancelled=Flag(about="The task is skipped; stronger than the body."))
CREATED = Shape(
    "NewAnnotation",
    "What one person makes of one task.",
    draft_id=Integer(null=True, about="Your draft that this annotation was made from; it is removed."),
    **ANNOTATION_BODY.fields,
)
#: What a whole form means by a missing check box.
UNCHECKED = {"was_cancelled": False, "ground_truth": False, "bulk_created": None}


@api.get("/api/tasks/<ID:task_id>/annotations/", answers={200: Many(ANNOTATION)})
def of_task(task_id: int) -> Any:
    """Annotations of a task. Skipped ones are left out, as Label Studio leaves them out."""
    with reading() as db:
        return answer(stored.of_task(db, task_id))


@api.post(
    "/api/tasks/<ID:task_id>/annotations/", query=SKIP, body=CREATED,
    answers={201: ANNOTATION},
)  # fmt: skip
def create(task_id: int) -> Any:
    """Annotate a task."""
    given, body = _given(partial=False)
    if "was_cancelled" in request.args:
        given["was_cancelled"] = flag("was_cancelled", False)
    with writing() as db:
        made = stored.create(
            db, task_id, given, draft_id=_draft_id(body), unique_ground_truth=bool(given.get("ground_truth"))
        )
    return answer(made, 201)


@api.get("/api/annotations/<ID:annotation_id>/", answers={200: ANNOTATION})
def retrieve(annotation_id: int) -> Any:
    """One annotation."""
    with reading() as db:
        return answer(stored.get(db, annotation_id))


@api.patch(
    "/api/annotations/<ID:annotation_id>/", body=ANNOTATION_BODY,
    answers={200: ANNOTATION},
)  # fmt: skip
def update(annotation_id: int) -> Any:
    """Change an annotation. Drafts of it are removed."""
    return _change(annotation_id, partial=True)


@api.put(
    "/api/annotations/<ID:annotation_id>/", body=ANNOTATION_BODY,
    answers={200: ANNOTATION},
)  # fmt: skip
def replace(annotation_id: int) -> Any:
    """Change an annotation. No field is required, so this does what PATCH does."""
    return _change(annotation_id, partial=False)


@api.delete("/api/annotations/<ID:annotation_id>/", answers={204: None})
def destroy(annotation_id: int) -> Any:
    """Delete an annotation with its drafts."""
    with writing() as db:
        stored.remove(db, annotation_id)
    return nothing()


@api.post("/api/annotations/<ID:annotation_id>/convert-to-draft", answers={201: DRAFT})
def convert_to_draft(annotation_id: int) -> Any:
    """Turn an annotation into a draft of yours."""
    with writing() as db:
        made = stored.to_draft(db, annotation_id)
    return answer(made, 201)


def _change(annotation_id: int, *, partial: bool) -> Any:
    given, _ = _given(partial=partial)
    for name, column in (("task", "task_id"), ("project", "project_id")):
        if column in given and given[column] is None:
            raise Invalid({name: ["This field may not be null."]})
    with writing() as db:
        changed = stored.change(db, annotation_id, given, unique_ground_truth=bool(given.get("ground_truth")))
    return answer(changed)


def _given(*, partial: bool) -> tuple[dict[str, Any], Any]:
    """The body's values by column, and the body itself."""
    body = data()
    form = isinstance(body, FormData)
    values = ANNOTATION_BODY.read(body, partial=partial, form=form)
    if form and not partial:
        values = UNCHECKED | values
    return {COLUMNS.get(field) or field: value for field, value in values.items()}, body


def _draft_id(body: Any) -> int | None:
    value = body.get("draft_id")
    if value is None or value == "":
        return None
    try:
        return Integer(least=-(2**63), most=2**63 - 1).parse(value)
    except Wrong as error:
        raise Invalid({"draft_id": error.messages}) from None
