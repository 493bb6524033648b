"""The actions there are, with what a client shows of each: title, place, permission, question and form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from ....errors import Refused
from ... import label_config
from ..columns import Scope
from . import Action, Chosen
from .annotate import predictions_to_annotations, propagate_annotations
from .data_fields import add_data_field
from .delete import delete_tasks, delete_tasks_annotations, delete_tasks_predictions
from .duplicates import remove_duplicates
from .labels import cache_labels, rename_labels

_EXPERIMENTAL = {"experimental": True}


def retrieve_tasks_predictions(chosen: Chosen, body: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing to ask without an ML backend, as in Label Studio; with one, a refusal. Raises Refused."""
    db = chosen.db
    if db.has("ml_mlbackend"):
        backends = db.table("ml_mlbackend")
        if db.value(select(backends.c.id).where(backends.c.project_id == chosen.project_id).limit(1)) is not None:
            raise Refused(
                "LS Console does not call ML backends. Retrieve predictions in Label Studio, or import them with "
                "POST /api/predictions/ or /api/projects/<id>/import/predictions."
            )
    count = len(chosen.ids)
    return {"processed_items": count, "detail": f"Retrieved {count} predictions"}


def _form(*fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"columnCount": 1, "fields": list(fields)}]


def _select(name: str, label: str, options: list[Any], **more: Any) -> dict[str, Any]:
    return {"type": "select", "name": name, "label": label, "options": options, **more}


def _annotators(scope: Scope) -> list[dict[str, Any]]:
    db = scope.db
    users, annotations, drafts, tasks = (
        db.table(name) for name in ("htx_user", "task_completion", "tasks_annotationdraft", "task")
    )
    of_project = select(tasks.c.id).where(tasks.c.project_id == scope.project_id)
    authors = select(annotations.c.completed_by_id).where(annotations.c.task_id.in_(of_project))
    drafters = select(drafts.c.user_id).where(drafts.c.task_id.in_(of_project))
    rows = db.rows(
        select(users.c.id, users.c.first_name, users.c.last_name, users.c.username, users.c.email)
        .where(users.c.id.in_(authors) | users.c.id.in_(drafters)).order_by(users.c.id)
    )  # fmt: skip
    people = [
        {"value": str(row.id), "label": f"{row.first_name} {row.last_name}".strip() or row.username or row.email}
        for row in rows
    ]
    return _form(_select("annotator", "Annotator", people, placeholder="All", searchable=True))


def _model_versions(scope: Scope) -> list[dict[str, Any]]:
    versions, first = model_versions(scope), scope.model_version
    if first:
        versions = [first, *(version for version in versions if version != first)]
    return _form(_select("model_version", "Choose predictions", versions, value=first))


def model_versions(scope: Scope) -> list[str]:
    """Model versions of the project's predictions."""
    predictions, tasks = scope.db.table("prediction"), scope.db.table("task")
    found = scope.db.values(
        select(predictions.c.model_version).distinct()
        .join(tasks, tasks.c.id == predictions.c.task_id).where(tasks.c.project_id == scope.project_id)
    )  # fmt: skip
    return sorted(version for version in found if version is not None)


def _controls(scope: Scope) -> Mapping[str, Any]:
    return label_config.parse_stored(scope.label_config).controls


def _cached(scope: Scope) -> list[dict[str, Any]]:
    return _form(
        _select("control_tag", "Choose a control tag", ["ALL", *_controls(scope)]),
        {"type": "input", "name": "custom_control_tag", "label": "Custom control tag if it's not in label config"},
        _select("with_counters", "With counters", ["Yes", "No"]),
        _select("source", "Source", ["Annotations", "Predictions"]),
    )


def _renamed(scope: Scope) -> list[dict[str, Any]]:
    controls = _controls(scope)
    labels = sorted({label for control in controls.values() for label in control.get("labels", [])})
    return _form(
        _select("control_tag", "Choose a label control tag", list(controls)),
        _select("old_label_name", "Old label name", labels),
        {"type": "input", "name": "new_label_name", "label": "New label name"},
    )


def _propagated(scope: Scope) -> list[dict[str, Any]]:
    annotations, tasks = scope.db.table("task_completion"), scope.db.table("task")
    first = scope.db.value(
        select(annotations.c.id).join(tasks, tasks.c.id == annotations.c.task_id)
        .where(tasks.c.project_id == scope.project_id).order_by(annotations.c.id).limit(1)
    )  # fmt: skip
    hint = f" [first ID: {first}]" if first is not None else ""
    return _form({"type": "number", "name": "source_annotation_id", "label": f"Enter source annotation ID{hint}"})


def _added(scope: Scope) -> list[dict[str, Any]]:
    return _form(
        {"type": "input", "name": "value_name", "label": "Name"},
        _select("value_type", "Type", ["String", "Number", "Expression"]),
        {"type": "input", "name": "value", "label": "Value"},
    )


ACTIONS = {
    action.id: action
    for action in (
        Action("add_data_field", "Add Or Modify Data Field", 1, "projects.change", add_data_field,
               "Every selected task gets this data field, or a new value in it.", _added, extra=_EXPERIMENTAL),
        Action("propagate_annotations", "Propagate Annotations", 1, "tasks.change", propagate_annotations,
               "The annotation is copied to every selected task. That makes sense for objects of one size or length.",
               _propagated, extra=_EXPERIMENTAL),
        Action("rename_labels", "Rename Labels", 1, "tasks.change", rename_labels,
               "The label is renamed in all annotations of the project. Rename it in the labeling configuration too.",
               _renamed, extra=_EXPERIMENTAL),
        Action("cache_labels", "Cache Labels", 1, "projects.change", cache_labels,
               "The labels of each selected task are written into a data field, to filter and order by them.",
               _cached, extra=_EXPERIMENTAL),
        Action("retrieve_tasks_predictions", "Retrieve Predictions", 90, "predictions.any", retrieve_tasks_predictions,
               "LS Console calls no ML backends; import predictions over the API.",
               dialog_title="Retrieve Predictions"),
        Action("predictions_to_annotations", "Create Annotations From Predictions", 91, "tasks.change",
               predictions_to_annotations, "The chosen predictions of the selected tasks become annotations of yours.",
               _model_versions, dialog_title="Create Annotations From Predictions"),
        Action("remove_duplicates", "Remove Duplicated Tasks", 95, ["projects.change", "tasks.delete"],
               remove_duplicates, "Of tasks with the same data one is kept; the others' annotations move to it.",
               extra={"experimental": False}),
        Action("delete_tasks", "Delete Tasks", 100, "tasks.delete", delete_tasks,
               "The selected tasks are deleted with everything that belongs to them.", extra={"reload": True}),
        Action("delete_tasks_annotations", "Delete Annotations", 101, ["tasks.change", "annotations.delete"],
               delete_tasks_annotations, "Annotations and drafts of the selected tasks are deleted, of one person or of all.",
               _annotators),
        Action("delete_tasks_predictions", "Delete Predictions", 102, "predictions.any", delete_tasks_predictions,
               "All predictions of the selected tasks are deleted."),
    )
}  # fmt: skip


def shown(*, experimental: bool) -> list[dict[str, Any]]:
    """Actions as clients see them, in their order."""
    return [
        action.shown()
        for action in sorted(ACTIONS.values(), key=lambda action: action.order)
        if not action.hidden and (experimental or not action.extra.get("experimental"))
    ]
