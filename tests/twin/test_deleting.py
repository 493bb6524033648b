"""What goes when something is deleted: everything that hangs on it, and every number that counted it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.test_annotators_day import mood, new_project, task_ids
from tests.twin.twin import Twin


def act(twin: Twin, action: str, project: int, selected: dict[str, Any], **more: Any) -> Any:
    """Run an action of the Data Manager on the selected tasks."""
    return twin.post(
        f"/api/dm/actions?id={action}&project={project}", json={"selectedItems": selected, **more}, expect=200
    )


def filled(twin: Twin) -> tuple[int, list[int]]:
    """A project of five tasks: two annotations, one, a skip, a draft, a prediction."""
    project = new_project(twin, maximum_annotations=2)
    ids = task_ids(twin, project)
    for user in ("alice", "bob"):
        twin.post(f"/api/tasks/{ids[0]}/annotations/", json={"result": mood("Good")}, as_user=user, expect=201)
    made = twin.post(f"/api/tasks/{ids[1]}/annotations/", json={"result": mood("Bad")}, expect=201)["id"]
    twin.post(f"/api/tasks/{ids[1]}/annotations/{made}/drafts", json={"result": mood("Good")}, expect=201)
    twin.post(f"/api/tasks/{ids[2]}/annotations/", json={"result": [], "was_cancelled": True}, expect=201)
    twin.post(f"/api/tasks/{ids[3]}/drafts", json={"result": mood("Bad")}, expect=201)
    for task in ids[2:]:
        twin.post(
            "/api/predictions/",
            json={"task": task, "result": mood("Bad"), "model_version": "m", "score": 0.5},
            expect=201,
        )
    twin.rows()
    return project, ids


@pytest.mark.parametrize("number", range(5))
def test_a_task(twin: Twin, number: int):
    project, ids = filled(twin)
    twin.delete(f"/api/tasks/{ids[number]}/", expect=204)
    twin.get(f"/api/projects/{project}/", expect=200)
    twin.rows()


def test_the_last_task_empties_the_summary(twin: Twin):
    _, ids = filled(twin)
    for task in ids:
        twin.delete(f"/api/tasks/{task}/", expect=204)
    # counts that grew never reach zero in Label Studio, so its common columns stay
    twin.rows(differs={"projects_projectsummary.common_data_columns": "summary-drift"})


def test_all_tasks_of_a_project(twin: Twin):
    project, _ = filled(twin)
    twin.delete(f"/api/projects/{project}/tasks/", expect=204)
    twin.get(f"/api/projects/{project}/", expect=200)
    twin.get(f"/api/projects/{project}/summary/", expect=200)
    twin.get("/api/tasks/", params={"project": project}, expect=200)
    twin.rows()


@pytest.mark.parametrize(
    "action", ["delete_tasks", "delete_tasks_annotations", "delete_tasks_predictions", "predictions_to_annotations"]
)
@pytest.mark.parametrize("which", ["some", "all", "all_but_some"])
def test_an_action_on_tasks(twin: Twin, action: str, which: str):
    project, ids = filled(twin)
    selected = {
        "some": {"all": False, "included": ids[1:3]},
        "all": {"all": True, "excluded": []},
        "all_but_some": {"all": True, "excluded": ids[:2]},
    }
    act(twin, action, project, selected[which])
    twin.get(f"/api/projects/{project}/", expect=200)
    twin.get("/api/tasks/", params={"project": project, "fields": "all"}, expect=200)
    twin.rows()


def test_an_action_on_the_tasks_of_a_filter(twin: Twin):
    project, ids = filled(twin)
    items = [{"filter": "filter:tasks:id", "operator": "greater_or_equal", "type": "Number", "value": ids[3]}]
    filters = {"conjunction": "and", "items": items}
    act(twin, "delete_tasks", project, {"all": True, "excluded": []}, filters=filters)
    assert task_ids(twin, project) == ids[:3]
    twin.rows()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"selectedItems": {}},
        {"selectedItems": {"all": "yes"}},
        {"selectedItems": [1]},
        {"selectedItems": {"all": False, "included": ["x"]}},
        {"selectedItems": {"all": False, "included": [99999]}},
        {"selectedItems": {"all": True, "excluded": "x"}},
    ],
    ids=str,
)
def test_an_action_on_nothing_that_can_be_selected(twin: Twin, body: dict[str, Any]):
    twin.probe("POST", "/api/dm/actions?id=delete_tasks&project=2", json=body)


@pytest.mark.parametrize("selected", [{"all": False, "included": []}, {"all": False}], ids=str)
def test_an_action_on_no_task_at_all(twin: Twin, selected: dict[str, Any]):
    before = twin.snapshot()
    path, body = "/api/dm/actions?id=delete_tasks&project=2", {"selectedItems": selected}
    answers = twin.post(path, json=body, differs="nothing-ticked")
    assert answers.theirs.json()["processed_items"] == 60
    assert answers.ours.status_code == 200 and answers.ours.json()["processed_items"] == 0
    twin.unchanged_since(before)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?id=delete_tasks",
        "?project=2",
        "?id=fly&project=2",
        "?id=delete_tasks&project=999",
        "?id=delete_tasks&project=x",
    ],
)
def test_an_action_that_does_not_exist(twin: Twin, query: str):
    twin.probe("POST", f"/api/dm/actions{query}", json={"selectedItems": {"all": False, "included": [90]}})


@pytest.mark.parametrize("project", [1, 2, 3, 5])
def test_a_project_of_the_database(twin: Twin, project: int):
    twin.delete(f"/api/projects/{project}/", expect=204)
    twin.get("/api/projects/", expect=200)
    twin.rows()


def test_tasks_that_came_from_storages_and_files(twin: Twin):
    act(twin, "delete_tasks", 1, {"all": False, "included": [1, 2, 61, 62, 66, 70]})
    twin.get("/api/projects/1/", expect=200)
    twin.rows()


def test_annotations_and_predictions_one_by_one(twin: Twin):
    for annotation in (1, 2, 50, 100):
        twin.delete(f"/api/annotations/{annotation}/", expect=204)
        twin.rows()
    for prediction in (1, 40):
        twin.delete(f"/api/predictions/{prediction}/", expect=204)
        twin.rows()


def test_a_tab(twin: Twin):
    twin.delete("/api/dm/views/1/", expect=204)
    twin.get("/api/dm/views/", params={"project": 1}, expect=200)
    twin.rows()
