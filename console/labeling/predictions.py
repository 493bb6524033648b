"""Predictions: what models made of tasks.

A result may be a list of regions, an object that is the value of one region, or a plain value for the first control
that takes it. Source: Label Studio's `tasks/api.py PredictionAPI` and `tasks/models.py Prediction`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.engine import Row

from ..errors import Invalid
from . import counters, tasks_json
from .annotations import NO_SUCH, must_exist
from .annotations_result import document, parsed
from .db import Db
from .label_config import parse_stored
from .tasks import is_former_member, own, reached
from .tasks_cascade import delete_rows

NO_PREDICTION = "No Prediction matches the given query."
NO_CHOICE = "Select a valid choice. That choice is not one of the available choices."
#: Controls whose value can be one plain value, and its type.
_SINGLE: dict[str, type] = {"choices": str, "rating": int, "number": float, "textarea": str}
_ROWS_AT_ONCE = 500


def check_filters(db: Db, filters: Mapping[str, int]) -> None:
    """Refuse a filter (`task`, `project`, `task__project`) that names nothing of the organization. Raises Invalid."""
    for field, value in filters.items():
        try:
            must_exist(db, {"task_id" if field == "task" else "project_id": value})
        except Invalid:
            raise Invalid({field: [NO_CHOICE]}) from None


def every(db: Db, filters: Mapping[str, int]) -> Iterator[list[dict[str, Any]]]:
    """Predictions of the organization by id, a few hundred at a time."""
    table, tasks, projects = db.table("prediction"), db.table("task"), db.table("project")
    wanted = {"task": table.c.task_id, "project": _project_id(db), "task__project": tasks.c.project_id}
    fields = tasks_json.fields_of(db, "prediction", tasks_json.PREDICTION)
    statement = (
        select(*tasks_json.selected(db, "prediction", fields)).select_from(_joined(db))
        .where(
            projects.c.organization_id == db.caller.organization_id, ~is_former_member(db, projects.c.organization_id),
            *(wanted[field] == value for field, value in filters.items()),
        ).order_by(table.c.id)
    )  # fmt: skip
    rows = db.session.execute(statement.execution_options(yield_per=_ROWS_AT_ONCE))
    for some in rows.partitions(_ROWS_AT_ONCE):
        yield [tasks_json.prediction(db, list(fields), row) for row in some]


def get(db: Db, prediction_id: int) -> dict[str, Any]:
    """One prediction. Raises NotFound, Forbidden."""
    _reach(db, prediction_id)
    return tasks_json.read_predictions(db, db.table("prediction").c.id == prediction_id)[0]


def create(db: Db, given: Mapping[str, Any]) -> dict[str, Any]:
    """A new prediction. `given` maps columns to values, `task_id` among them. Raises Invalid, Forbidden."""
    _must_exist(db, given)
    task = own(db, given["task_id"], lock=True)
    project_id = given.get("project_id") or task.project_id
    values = _nothing() | dict(given) | {"project_id": project_id, "created_at": db.now, "updated_at": db.now}
    values["result"] = prepared(db, given["result"], project_id)
    stored = {name: document(db, values[name]) for name in ("result", "neighbors")}
    prediction_id = db.insert("prediction", values | stored)
    counters.predictions_changed(db, task.id)
    db.record("created a prediction", f"prediction:{prediction_id}", task=task.id)
    return tasks_json.read_predictions(db, db.table("prediction").c.id == prediction_id)[0]


def change(db: Db, prediction_id: int, given: Mapping[str, Any]) -> dict[str, Any]:
    """Change columns of a prediction; it as it is then. Raises NotFound, Forbidden, Invalid."""
    table = db.table("prediction")
    old = _reach(db, prediction_id, table.c.task_id)
    _must_exist(db, given)
    task_ids = sorted({old.task_id, given.get("task_id", old.task_id)})
    tasks = {task_id: own(db, task_id, lock=True) for task_id in task_ids}
    values = dict(given) | {"updated_at": db.now}
    if "project_id" in given and given["project_id"] is None:
        values["project_id"] = tasks[given.get("task_id", old.task_id)].project_id
    project_id = values.get("project_id", old.project_id)
    if "result" in given:
        values["result"] = document(db, prepared(db, given["result"], project_id))
    if "neighbors" in given:
        values["neighbors"] = document(db, given["neighbors"])
    db.update("prediction", table.c.id == prediction_id, values)
    for task_id in task_ids:
        counters.predictions_changed(db, task_id)
    db.record("changed a prediction", f"prediction:{prediction_id}", task=task_ids[0])
    return tasks_json.read_predictions(db, table.c.id == prediction_id)[0]


def remove(db: Db, prediction_id: int) -> None:
    """Delete a prediction; annotations made from it lose the reference. Raises NotFound, Forbidden."""
    old = _reach(db, prediction_id, db.table("prediction").c.task_id)
    own(db, old.task_id, lock=True)
    delete_rows(db, "prediction", [prediction_id])
    counters.predictions_changed(db, old.task_id)
    db.record("deleted a prediction", f"prediction:{prediction_id}", task=old.task_id)


def prepared(db: Db, result: Any, project_id: int) -> list[Any] | None:
    """A result as a list of regions; None when no control of the project takes it. Raises Invalid."""
    return as_regions({} if isinstance(result, list) else controls(db, project_id), result)


def as_regions(known: Mapping[str, Mapping[str, Any]], result: Any) -> list[Any] | None:
    """The same for the `controls` of a project. Raises Invalid."""
    if isinstance(result, list):
        if not all(isinstance(region, dict) for region in result):
            raise Invalid("Each item in prediction result should be dict")
        return result
    if not isinstance(result, dict | str | int):
        raise Invalid(f"Incorrect format {type(result)} for prediction result {result}")
    for name, control in known.items():
        kind = str(control.get("type", "")).lower()
        region = {"from_name": name, "to_name": ",".join(control.get("to_name") or ()), "type": kind}
        if isinstance(result, dict):
            if kind in result:
                return [region | {"value": result}]
        elif kind in _SINGLE and isinstance(result, _SINGLE[kind]):
            return [region | {"value": {kind: [result]}}]
    return None


def controls(db: Db, project_id: int) -> dict[str, dict[str, Any]]:
    """Controls of the labeling configuration, in the order Label Studio stored them."""
    projects = db.table("project")
    stored = [db.raw(projects.c.parsed_label_config)] if "parsed_label_config" in projects.c else []
    row = db.first(select(projects.c.label_config, *stored).where(projects.c.id == project_id))
    kept = parsed(getattr(row, "parsed_label_config", None))
    return kept if isinstance(kept, dict) and kept else dict(parse_stored(row.label_config if row else None).controls)


def _must_exist(db: Db, given: Mapping[str, Any]) -> None:
    must_exist(db, given)
    missing = {}
    for field, name in (("model", "ml_mlbackend"), ("model_run", "ml_models_modelrun")):
        value = given.get(f"{field}_id")
        if value is not None and not (db.has(name) and _is_own(db, name, value)):
            missing[field] = [NO_SUCH.format(value)]
    if missing:
        raise Invalid(missing)


def _is_own(db: Db, name: str, value: int) -> bool:
    """Whether an ML backend, or a run of a model, belongs to a project of the organization."""
    table, projects = db.table(name), db.table("project")
    found = select(table.c.id).join(projects, projects.c.id == table.c.project_id)
    return (
        db.value(found.where(table.c.id == value, projects.c.organization_id == db.caller.organization_id)) is not None
    )


def _nothing() -> dict[str, Any]:
    nothing = dict.fromkeys(("score", "cluster", "neighbors", "model_id", "model_run_id"))
    return nothing | {"model_version": "", "mislabeling": 0.0}


def _project_id(db: Db) -> Any:
    """The project of a prediction; old rows and releases know it by the task alone."""
    table, tasks = db.table("prediction"), db.table("task")
    return func.coalesce(table.c.project_id, tasks.c.project_id) if "project_id" in table.c else tasks.c.project_id


def _joined(db: Db) -> Any:
    table, tasks, projects = db.table("prediction"), db.table("task"), db.table("project")
    return table.join(tasks, tasks.c.id == table.c.task_id).join(projects, projects.c.id == _project_id(db))


def _reach(db: Db, prediction_id: int, *columns: Any) -> Row[Any]:
    table, projects = db.table("prediction"), db.table("project")
    former = is_former_member(db, projects.c.organization_id).label("former")
    statement = select(table.c.id, _project_id(db).label("project_id"), former, *columns).select_from(_joined(db))
    mine = (table.c.id == prediction_id, projects.c.organization_id == db.caller.organization_id)
    return reached(db.first(statement.where(*mine)), NO_PREDICTION)
