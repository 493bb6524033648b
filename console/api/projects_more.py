"""What hangs on a project: its summary, model versions, annotators, and the caller's way through its tasks."""

from __future__ import annotations

from typing import Any

from ..errors import Invalid, NotFound
from ..labeling import projects, projects_models, summary
from .fields import Char, Flag, Integer, Many, Mapped, Moment, Several, Shape, Wrong
from .request import data, query, reading, writing
from .routes import Resource, answer, nothing
from .users import user_json

api = Resource("Projects", "A project has one labeling configuration, tasks, and the settings of their annotation.")

SUMMARY = Shape(
    "ProjectSummary", project=Integer(), created_at=Moment(), all_data_columns=Mapped(null=True, about="key: tasks"),
    common_data_columns=Several(null=True), created_annotations=Mapped(null=True, about="from_name|to_name|type: results"),
    created_labels=Mapped(null=True, about="control: {label: results}"), created_labels_drafts=Mapped(null=True),
)  # fmt: skip
VERSIONS = Shape(
    "ModelVersionQuery",
    extended=Flag(default=False),
    include_live_models=Flag(default=False),
    limit=Integer(default=None),
)
VERSION = Shape("ModelVersionToDelete", model_version=Char(required=True))
DELETED = Shape("DeletedPredictions", deleted_predictions=Integer())
PERSON = Shape(
    "UserInShort", id=Integer(), first_name=Char(), last_name=Char(), email=Char(), avatar=Char(null=True)
)  # fmt: skip
VISIT = Shape("LabelStreamVisit", taskId=Integer(), annotationId=Integer(null=True))


@api.get("/api/projects/<ID:project_id>/summary/", answers={200: SUMMARY})
def of_project(project_id: int) -> Any:
    """Get project summary. Which data keys tasks have, and which controls and labels annotations use."""
    missing = "No ProjectSummary matches the given query."
    with reading() as db:
        projects.own(db, project_id, missing=missing)
        found = summary.read(db, project_id)
    if not found:
        raise NotFound(missing)
    return answer({"project": found.pop("project_id"), **found})


@api.post("/api/projects/<ID:project_id>/summary/reset/", answers={200: None})
def recount(project_id: int) -> Any:
    """Count the summary anew from tasks, annotations and drafts."""
    with writing() as db:
        projects.own(db, project_id)
        summary.recount(db, project_id)
        db.record("counted the summary anew", f"project:{project_id}")
    return nothing(200)


@api.get("/api/projects/<ID:project_id>/model-versions/", query=VERSIONS, answers={200: {"type": "object"}})
def versions(project_id: int) -> Any:
    """List model versions. The number of predictions of each; `extended` tells their latest time too."""
    with reading() as db:
        projects.own(db, project_id)
        asked = query(VERSIONS)
        if not asked["extended"]:
            return answer(projects_models.versions(db, project_id, _limit(asked["limit"])))
        live = projects_models.backends(db, project_id) if asked["include_live_models"] else None
        return answer({"static": projects_models.versions_in_full(db, project_id), "live": live})


@api.delete("/api/projects/<ID:project_id>/model-versions/", body=VERSION, answers={200: DELETED})
def delete_version(project_id: int) -> Any:
    """Delete the predictions of a model version."""
    given = data()
    version = given.get("model_version") if isinstance(given, dict) else None
    with writing() as db:
        projects.own(db, project_id)
        if not version:
            raise Invalid("model_version param is required")
        return answer({"deleted_predictions": projects_models.delete_version(db, project_id, _text(version))})


@api.get("/api/projects/<ID:project_id>/annotators/", answers={200: Many(PERSON)})
def annotators(project_id: int) -> Any:
    """List unique annotators for project."""
    with reading() as db:
        return answer([user_json(person) for person in projects_models.annotators(db, project_id)])


@api.get("/api/projects/<ID:project_id>/label-stream-history/", answers={200: Many(VISIT)})
def history(project_id: int) -> Any:
    """Tasks that the caller's label stream has shown, oldest first; at most a hundred."""
    with reading() as db:
        return answer(projects_models.stream_history(db, project_id))


def _text(value: Any) -> str:
    try:
        return Char().parse(value)
    except Wrong as error:
        raise Invalid({"model_version": error.messages}) from None


def _limit(limit: int | None) -> int | None:
    if limit is not None and limit < 0:
        raise Invalid({"limit": ["Ensure this value is greater than or equal to 0."]})
    return limit
