"""Views and actions of the Data Manager."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from label_studio_sdk import LabelStudio
from label_studio_sdk.actions.types import (
    PrepareParamsRequestRequestSelectedItemsExcluded as AllBut,
)
from label_studio_sdk.actions.types import (
    PrepareParamsRequestRequestSelectedItemsIncluded as Only,
)
from label_studio_sdk.core.api_error import ApiError

from tests.sdk.site import Site

ALL = AllBut(**{"all": True, "excluded": []})


def containing(text: str) -> dict[str, object]:
    item = {"filter": "filter:tasks:data.text", "operator": "contains", "type": "String", "value": text}
    return {"conjunction": "and", "items": [item]}


def test_a_view_is_created_used_changed_and_deleted(ls: LabelStudio, new_project: Callable[..., int]):
    project_id = new_project(tasks=12)
    made = ls.views.create(
        project=project_id, data={"title": "Ones", "filters": containing("1"), "ordering": ["-tasks:id"]}
    )
    assert made.data["title"] == "Ones"
    got = ls.views.get(id=str(made.id))
    assert got.project == project_id
    assert got.data["filters"]["items"][0]["value"] == "1"
    assert [task.data["text"] for task in ls.tasks.list(view=made.id)] == ["text 11", "text 10", "text 1"]
    ls.views.update(id=str(made.id), project=project_id, data={"title": "Twos", "filters": containing("2")})
    assert [task.data["text"] for task in ls.tasks.list(view=made.id)] == ["text 2"]
    assert [view.data["title"] for view in ls.views.list(project=project_id)] == ["Twos"]
    ls.views.delete(id=str(made.id))
    assert ls.views.list(project=project_id) == []
    with pytest.raises(ApiError) as error:
        ls.views.get(id=str(made.id))
    assert error.value.status_code == 404


def test_all_views_at_once(ls: LabelStudio, new_project: Callable[..., int]):
    project_id = new_project()
    made = [ls.views.create(project=project_id, data={"title": title}).id for title in ("A", "B")]
    ls.views.update_order(project=project_id, ids=made[::-1])
    assert [view.id for view in ls.views.list(project=project_id)] == made[::-1]
    ls.views.delete_all(project=project_id)
    assert ls.views.list(project=project_id) == []


def test_the_views_of_the_dump(ls: LabelStudio):
    views = ls.views.list(project=1)
    assert views
    for view in views:
        assert view.project == 1
        assert list(ls.tasks.list(view=view.id, page_size=5).items)


def test_the_actions_are_listed(ls: LabelStudio):
    listed = {action.id for action in ls.actions.list(project=1)}
    assert {
        "delete_tasks",
        "delete_tasks_annotations",
        "delete_tasks_predictions",
        "predictions_to_annotations",
    } <= listed


def test_chosen_tasks_are_deleted(ls: LabelStudio, new_project: Callable[..., int]):
    project_id = new_project(tasks=5)
    ids = [task.id for task in ls.tasks.list(project=project_id)]
    ls.actions.create(
        id="delete_tasks", project=project_id, selected_items=Only(**{"all": False, "included": [ids[0], ids[2]]})
    )
    assert [task.id for task in ls.tasks.list(project=project_id)] == [ids[1], ids[3], ids[4]]
    keep = {"all": True, "excluded": [ids[4]]}  # as most scripts write it
    ls.actions.create(id="delete_tasks", project=project_id, selected_items=keep)
    assert [task.id for task in ls.tasks.list(project=project_id)] == [ids[4]]
    assert ls.projects.get(id=project_id).task_number == 1


def test_filters_of_the_request_narrow_an_action(ls: LabelStudio, site: Site, new_project: Callable[..., int]):
    project_id = new_project(tasks=3)
    site.send(
        "POST",
        f"/api/dm/actions?project={project_id}&id=delete_tasks",
        json={"filters": containing("1"), "selectedItems": {"all": True, "excluded": []}, "ordering": []},
    )
    assert [task.data["text"] for task in ls.tasks.list(project=project_id)] == ["text 0", "text 2"]


def test_predictions_become_annotations_and_both_are_cleared(ls: LabelStudio, new_project: Callable[..., int]):
    project_id = new_project(tasks=2)
    for task in ls.tasks.list(project=project_id):
        ls.predictions.create(task=task.id, result="Positive", model_version="m")
    ls.projects.update(id=project_id, model_version="m")
    ls.actions.create(id="predictions_to_annotations", project=project_id, selected_items=ALL)
    for task in ls.tasks.list(project=project_id):
        [annotation] = task.annotations
        assert annotation["result"][0]["value"] == {"choices": ["Positive"]}
        assert annotation["parent_prediction"] == task.predictions[0].id
        assert (task.total_annotations, task.is_labeled) == (1, True)
    ls.actions.create(id="delete_tasks_predictions", project=project_id, selected_items=ALL)
    ls.actions.create(id="delete_tasks_annotations", project=project_id, selected_items=ALL)
    for task in ls.tasks.list(project=project_id):
        assert (task.total_annotations, task.total_predictions, task.is_labeled) == (0, 0, False)
        assert (task.annotations, task.predictions) == ([], [])


def test_columns_and_project_of_the_data_manager(site: Site):
    columns = site.send("GET", "/api/dm/columns", params={"project": 1}).json()["columns"]
    assert {"id", "total_annotations", "completed_at", "data"} <= {column["id"] for column in columns}
    project = site.send("GET", "/api/dm/project", params={"project": 1}).json()
    assert (project["task_count"], project["title"]) == (85, "Review sentiment")
