"""Labeling configurations: is one valid, does it fit a project, and what would a task for it look like?"""

from __future__ import annotations

from typing import Any

from ..errors import Invalid
from ..labeling import label_config, projects, projects_changes
from .fields import Char, Flag, Mapped, Shape
from .projects import PROJECT, project_json
from .request import FormData, data, reading, writing
from .routes import Resource, answer, nothing

api = Resource(
    "Labeling configuration", "The XML that says what is shown to annotators and what they may say about it."
)

CONFIG = Shape("LabelConfig", label_config=Char(required=True, about="XML"))
CHANGED = Shape("LabelConfigChange", config_essential_data_has_changed=Flag(null=True, about="true or null"))
SAMPLE = Shape(
    "SampleTaskRequest", label_config=Char(required=True), include_annotation_and_prediction=Flag(about="accepted")
)
SAMPLED = Shape("SampleTask", sample_task=Mapped())
#: Characters that are checked for whoever asks, signed in or not; a large configuration takes seconds.
MOST_FOR_ANYBODY = 1_000_000
EMPTY = "Label config is not set or is empty"


@api.post("/api/projects/validate/", public=True, body=CONFIG, answers={204: None, 400: {}})
def validate() -> Any:
    """Validate label config. Of no project in particular; the error body is bare, as Label Studio's is here."""
    given = data()
    try:
        config = CONFIG.read(given, form=isinstance(given, FormData))["label_config"]
        if len(config) > MOST_FOR_ANYBODY:
            raise label_config.InvalidConfig(
                f"More than {MOST_FOR_ANYBODY:,} characters are checked for a project only."
            )
        label_config.validate(config)
    except label_config.InvalidConfig as error:
        return answer({"label_config": [error.message]}, 400)
    except Invalid as error:
        return answer(error.fields, 400)
    return nothing()


@api.get("/api/projects/<ID:project_id>/validate/", answers={200: CONFIG})
def current(project_id: int) -> Any:
    """The project's label config."""
    with reading() as db:
        row = projects.own(db, project_id, *db.columns("project", "label_config"))
        return answer({"label_config": row.label_config})


@api.post("/api/projects/<ID:project_id>/validate/", body=CONFIG, answers={200: CHANGED, 400: {}})
def validate_for_project(project_id: int) -> Any:
    """Validate project label config. Results and labels that exist must keep their place in it."""
    config = _config()
    with writing() as db:
        return answer(
            {"config_essential_data_has_changed": projects_changes.essentials_changed(db, project_id, config)}
        )


@api.get("/api/projects/<ID:project_id>/sample-task/", answers={200: PROJECT})
def project_of_sample(project_id: int) -> Any:
    """The project, without numbers."""
    with reading() as db:
        return answer(project_json(projects.one(db, project_id, counted=()), PROJECT.fields))


@api.post("/api/projects/<ID:project_id>/sample-task/", body=SAMPLE, answers={200: SAMPLED, 400: {}})
def sample(project_id: int) -> Any:
    """An example task for a label config."""
    config = _config()
    with reading() as db:
        projects.own(db, project_id)
    return answer({"sample_task": label_config.sample_task(config)})


def _config() -> str:
    given = data()
    config = given.get("label_config") if isinstance(given, dict) else None
    if not config:
        raise Invalid(EMPTY)
    if not isinstance(config, str):
        raise Invalid({"label_config": ["Not a valid string."]})
    return config
