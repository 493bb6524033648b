"""The columns that the Data Manager offers for a project's tasks.

Source: Label Studio's `get_all_columns` in `data_manager/functions.py`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from ..summary import SUMMARY
from .actions.registry import model_versions
from .columns import UNDEFINED, Scope

_MEDIA = ("Image", "Audio", "AudioPlus", "Video", "Unknown")
#: id, title, type, what it is, shown in the list, shown while labeling
_FIXED = (
    ("id", "ID", "Number", "Task ID", True, False),
    ("inner_id", "Inner ID", "Number", "Internal task ID starting from 1 for the current project", False, False),
    ("completed_at", "Completed", "Datetime", "Last annotation date", True, False),
    ("total_annotations", "Annotations", "Number", "Total annotations per task", True, True),
    ("cancelled_annotations", "Cancelled", "Number", "Total cancelled (skipped) annotations", True, False),
    ("total_predictions", "Predictions", "Number", "Total predictions per task", True, False),
    ("annotators", "Annotated by", "List", "All users who completed the task", True, False),
    ("annotations_results", "Annotation results", "String", "Annotation results stacked over all annotations",
     False, False),
    ("annotations_ids", "Annotation IDs", "String", "Annotation IDs stacked over all annotations", False, False),
    ("predictions_score", "Prediction score", "Number", "Average prediction score over all task predictions",
     False, False),
    ("predictions_model_versions", "Prediction model versions", "List",
     "Model versions aggregated over all predictions", False, False),
    ("predictions_results", "Prediction results", "String", "Prediction results stacked over all predictions",
     False, False),
    ("file_upload", "Upload filename", "String", "Filename of uploaded file", False, False),
    ("storage_filename", "Storage filename", "String", "Filename from import storage", False, False),
    ("created_at", "Created at", "Datetime", "Task creation time", False, False),
    ("updated_at", "Updated at", "Datetime", "Task update time", False, False),
    ("updated_by", "Updated by", "List", "User who did the last task update", False, False),
    ("avg_lead_time", "Lead Time", "Time", "Average lead time over all annotations", False, False),
    ("draft_exists", "Drafts", "Boolean", "True if at least one draft exists for the task", False, False),
)  # fmt: skip


def columns(scope: Scope) -> list[dict[str, Any]]:
    """Every column, data columns first; the last one is their parent."""
    data = _data_columns(scope)
    people = {"items": _members(scope)}
    schemas = {
        "annotators": people,
        "updated_by": people,
        "predictions_model_versions": {"items": model_versions(scope), "multiple": True},
    }
    fixed = []
    for name, title, kind, about, explore, labeling in _FIXED:
        column: dict[str, Any] = {"id": name, "title": title, "type": kind, "help": about, "target": "tasks"}
        if name in schemas:
            column["schema"] = schemas[name]
        column |= {"visibility_defaults": {"explore": explore, "labeling": labeling}, "project_defined": False}
        fixed.append(column)
    parent = {
        "id": "data", "title": "data", "type": "List", "target": "tasks",
        "children": [column["id"] for column in data], "project_defined": False,
    }  # fmt: skip
    return [*data, *fixed, parent]


def counts(scope: Scope) -> dict[str, int]:
    """How many tasks and annotations the project has."""
    tasks, annotations = scope.tasks, scope.db.table("task_completion")
    own = tasks.c.project_id == scope.project_id
    of_project = select(tasks.c.id).where(own)
    counted = select(func.count()).select_from(annotations).where(annotations.c.task_id.in_(of_project))
    return {
        "task_count": scope.db.value(select(func.count()).select_from(tasks).where(own)),
        "annotation_count": scope.db.value(counted),
    }


def _data_columns(scope: Scope) -> list[dict[str, Any]]:
    configured = {key: kind for key, kind in scope.data_types.items() if "[" not in key}
    summaries = scope.db.table(SUMMARY)
    known = scope.db.value(
        select(summaries.c.all_data_columns).where(summaries.c.project_id == scope.project_id)
    )  # fmt: skip
    types = configured | {key: "Unknown" for key in known or {} if key not in configured}
    if configured:
        types.pop(UNDEFINED, None)
    return [
        {
            "id": key,
            "title": "data" if key == UNDEFINED else key,
            "type": kind if kind in _MEDIA else "String",
            "target": "tasks",
            "parent": "data",
            "visibility_defaults": {"explore": True, "labeling": key in configured or key == UNDEFINED},
            "project_defined": True,
        }
        for key, kind in types.items()
    ]


def _members(scope: Scope) -> list[int]:
    """Ids of the organization's members who were not taken out."""
    members, projects = scope.db.table("organizations_organizationmember"), scope.db.table("project")
    live = [members.c.deleted_at.is_(None)] if "deleted_at" in members.c else []
    organization = select(projects.c.organization_id).where(projects.c.id == scope.project_id).scalar_subquery()
    return scope.db.values(
        select(members.c.user_id).where(members.c.organization_id == organization, *live).order_by(members.c.user_id)
    )
