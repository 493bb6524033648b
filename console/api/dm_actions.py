"""What can be done to many tasks at once, and the columns by which they are found."""

from __future__ import annotations

from typing import Any

from flask import request

from ..app import the_console
from ..labeling import label_config, next_task, projects
from ..labeling.data_manager import catalogue, listing, ordering
from ..labeling.data_manager.actions import Action, choose, registry
from ..labeling.data_manager.scope import open_project
from .dm_query import QUERY, body, number, query_for
from .errors import ApiError
from .fields import Char, Id, Integer, Shape
from .request import reading, writing
from .routes import Resource, answer

api = Resource("Data Manager", "Bulk actions on tasks, and the columns that filters and orderings can use.")

PROJECT = Shape("ProjectQuery", project=Id(required=True))
PERFORM = Shape(
    "ActionQuery",
    id=Char(required=True, about="The action, as `GET /api/dm/actions/` lists them."),
    project=Id(required=True),
    view=Id(about="A view whose tasks are meant; then the body's filters and selection do not count."),
)
BODY = Shape(
    "ActionBody",
    "Which tasks, and what the action asks for beside.",
    **QUERY.fields,
    annotator=Integer(null=True, about="delete_tasks_annotations: of this person alone"),
    model_version=Char(null=True, about="predictions_to_annotations: of this model version, or of a list of them"),
)
#: Not in the list of actions: the label stream, asked for over a tab.
NEXT_TASK = "next_task"
LIST = {"type": "array", "items": {"type": "object"}}


@api.get("/api/dm/actions/", query=PROJECT, answers={200: LIST})
def action_list() -> Any:
    """Actions for the tasks of a project."""
    with reading() as db:
        open_project(db, number("project"))
    return answer(registry.shown(experimental=the_console().settings.experimental_features))


@api.post(
    "/api/dm/actions/", query=PERFORM, body=BODY,
    answers={200: {"type": "object"}, 422: {}},
)  # fmt: skip
def perform() -> Any:
    """Do something to the chosen tasks, all of it or nothing.

    Without `selectedItems` the filters decide, and without filters every task of the project is meant.
    `{"all": false}` with nothing included is no task.
    """
    project_id, given = number("project"), body()
    action_id = request.args.get("id")
    with writing() as db:
        scope = open_project(db, project_id)
        query = query_for(db, scope)
        if action_id is None:
            return answer({"detail": 'No action id "None", use ?id=<action-id>'}, 422)
        if action_id == NEXT_TASK:
            order = [key.by() for key in ordering.keys(scope, query)]
            from_tab = any(given.get(name) for name in ("filters", "ordering", "selectedItems"))
            result = next_task.take(db, project_id, listing.where(scope, query), order, from_tab=from_tab)
        else:
            result = _find(action_id).perform(choose(scope, query), given)
    return answer(result)


@api.get("/api/dm/actions/<string:action_id>/form/", query=PROJECT, answers={200: LIST})
def form(action_id: str) -> Any:
    """The fields that an action asks for."""
    with reading() as db:
        scope = open_project(db, number("project"))
        make = None if action_id == NEXT_TASK else _find(action_id).form
        return answer(make(scope) if make else [])


@api.get("/api/dm/columns/", query=PROJECT, answers={200: {"type": "object"}})
def columns() -> Any:
    """The columns of a project's tasks. Without a project it is project 1, as in Label Studio."""
    with reading() as db:
        return answer({"columns": catalogue.columns(open_project(db, number("project", 1)))})


@api.get("/api/dm/project/", query=PROJECT, answers={200: {"type": "object"}})
def project() -> Any:
    """A project with what the Data Manager asks about it. Without a project it is project 1, as in Label Studio."""
    with reading() as db:
        scope = open_project(db, number("project", 1))
        found = projects.one(db, scope.project_id, counted=())
        if found.get("created_by"):  # an avatar that is not there is null here, and empty text elsewhere
            found["created_by"] = found["created_by"] | {"avatar": found["created_by"].get("avatar") or None}
        return answer(found | {
            "can_delete_tasks": True,
            "can_manage_annotations": True,
            "can_manage_tasks": True,
            "source_syncing": False,
            "target_syncing": False,
            **catalogue.counts(scope),
            "config_has_control_tags": label_config.parse_stored(scope.label_config).has_control_tags,
        })  # fmt: skip


def _find(action_id: str) -> Action:
    action = registry.ACTIONS.get(action_id)
    if action is None:
        raise ApiError(400, f"Can't find '{action_id}' in registered actions")
    return action
