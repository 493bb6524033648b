"""Predictions: a list of them, and one by its id."""

from __future__ import annotations

from typing import Any

from flask import request

from ..errors import Invalid
from ..labeling import predictions as stored
from ..labeling.db import LARGEST_ID
from ..labeling.tasks_json import PREDICTION as COLUMNS
from .fields import Char, Document, Id, Integer, Many, Moment, Number, Shape
from .request import read as body_of
from .request import reading, writing
from .routes import Resource, answer, nothing
from .tasks_stream import listed

api = Resource("Predictions", "What models have made of tasks.")

FILTERS = Shape(
    "PredictionFilters",
    task=Id(about="Only of this task."),
    project=Id(about="Only of this project."),
    task__project=Id(about="Only of tasks of this project."),
)
BODY = Shape(
    "PredictionBody",
    "What a model made of one task.",
    result=Document(required=True, about="A list of regions, the value of one region, or one plain value."),
    model_version=Char(blank=True, about="Tells predictions of different models apart."),
    score=Number(null=True, about="How sure the model is."),
    cluster=Integer(null=True),
    neighbors=Document(null=True),
    mislabeling=Number(),
    model=Id(least=0, null=True, about="An ML backend."),
    model_run=Id(least=0, null=True, about="A run of a model."),
    task=Id(least=0, required=True),
    project=Id(least=0, null=True, about="The task's, unless given."),
)
SHOWN: dict[str, Any] = {"id": Integer(), "created_ago": Char(), "created_at": Moment(), "updated_at": Moment()}
PREDICTION = Shape("Prediction", "What a model made of one task.", **SHOWN | BODY.fields)


@api.get("/api/predictions/", query=FILTERS, answers={200: Many(PREDICTION)})
def every() -> Any:
    """Predictions by id, all of them."""
    filters = {name: _choice(name) for name in FILTERS.fields if request.args.get(name)}
    with reading() as db:
        stored.check_filters(db, filters)
        return listed(stored.every(db, filters))


@api.post("/api/predictions/", body=BODY, answers={201: PREDICTION})
def create() -> Any:
    """Store what a model made of a task."""
    given = _given(partial=False)
    with writing() as db:
        made = stored.create(db, given)
    return answer(made, 201)


@api.get("/api/predictions/<ID:prediction_id>/", answers={200: PREDICTION})
def retrieve(prediction_id: int) -> Any:
    """One prediction."""
    with reading() as db:
        return answer(stored.get(db, prediction_id))


@api.patch("/api/predictions/<ID:prediction_id>/", body=BODY, answers={200: PREDICTION})
def update(prediction_id: int) -> Any:
    """Change a prediction."""
    return _change(prediction_id, partial=True)


@api.put("/api/predictions/<ID:prediction_id>/", body=BODY, answers={200: PREDICTION})
def replace(prediction_id: int) -> Any:
    """Change a prediction; task and result are required."""
    return _change(prediction_id, partial=False)


@api.delete("/api/predictions/<ID:prediction_id>/", answers={204: None})
def destroy(prediction_id: int) -> Any:
    """Delete a prediction."""
    with writing() as db:
        stored.remove(db, prediction_id)
    return nothing()


def _change(prediction_id: int, *, partial: bool) -> Any:
    given = _given(partial=partial)
    with writing() as db:
        changed = stored.change(db, prediction_id, given)
    return answer(changed)


def _given(*, partial: bool) -> dict[str, Any]:
    return {COLUMNS[field]: value for field, value in body_of(BODY, partial=partial).items()}


def _choice(name: str) -> int:
    text = request.args[name].strip()
    if not (text.isascii() and text.isdigit()) or int(text[:20]) > LARGEST_ID:
        raise Invalid({name: [stored.NO_CHOICE]})
    return int(text)
