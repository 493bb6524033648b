"""Tabs, columns and bulk actions of the Data Manager."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from console.service import Console
from tests.api.statements import at_most, silence_webhooks, values
from tests.api.test_task_list import line
from tests.api_client import ApiClient
from tests.factories import BOTH_ENGINES

VIEWS = "/api/dm/views/"
SOME = {"selectedItems": {"all": False, "included": [1, 2, 20, 36, 44, 50, 53, 58]}}
OLDEST = pytest.mark.parametrize("version", ["1.8.2.post1", "1.23.2"])
#: Rows of a table whose task is gone.
ORPHANS = "select count(*) from {table} where task_id is not null and task_id not in (select id from task)"


def act(client: ApiClient, action: str, body: Any, project: int = 1, status: int = 200) -> Any:
    answer = client.post(f"/api/dm/actions/?project={project}&id={action}", json=body)
    assert answer.status_code == status, answer.get_data(as_text=True)[:500]
    return answer.get_json()


@OLDEST
@BOTH_ENGINES
def test_a_view_from_its_making_to_its_end(alice: ApiClient, console: Console):
    filters = {"conjunction": "and", "items": [line("id", "less", "Number", 4)]}
    made = alice.post(
        VIEWS, json={"project": 1, "data": {"title": "few", "filters": filters, "ordering": ["-tasks:id"]}}
    )
    assert made.status_code == 201, made.get_data(as_text=True)
    view = made.get_json()
    assert view["data"] == {"title": "few", "filters": filters, "ordering": ["-tasks:id"]}
    tasks = alice.get(f"/api/tasks/?view={view['id']}").get_json()["tasks"]
    assert [task["id"] for task in tasks] == [3, 2, 1]
    changed = alice.patch(f"{VIEWS}{view['id']}/", json={"data": {"title": "all"}}).get_json()
    assert changed["data"]["title"] == "all"
    assert changed["data"]["filters"] == filters
    with at_most(console, 4):
        assert len(alice.get(f"{VIEWS}?project=1").get_json()) == 3
    assert alice.delete(f"{VIEWS}{view['id']}/").status_code == 204
    assert alice.get(f"{VIEWS}{view['id']}/").status_code == 404
    assert alice.delete(f"{VIEWS}reset/?project=1").status_code == 204
    assert alice.get(f"{VIEWS}?project=1").get_json() == []


def test_views_of_another_organization_are_out_of_reach(erin: ApiClient, console: Console):
    before = values(console, "select * from data_manager_view order by id")
    assert erin.get(f"{VIEWS}1/").status_code == 404
    assert erin.patch(f"{VIEWS}1/", json={"data": {}}).status_code == 404
    assert erin.delete(f"{VIEWS}1/").status_code == 404
    assert erin.post(VIEWS, json={"project": 1, "data": {}}).status_code == 400
    assert erin.delete(f"{VIEWS}reset/?project=1").status_code == 404
    assert erin.post(f"{VIEWS}order/", json={"project": 1, "ids": [4, 1]}).status_code == 404
    assert [view["project"] for view in erin.get(VIEWS).get_json()] == [4]
    assert values(console, "select * from data_manager_view order by id") == before


@BOTH_ENGINES
@pytest.mark.parametrize("action", ["delete_tasks", "delete_tasks_annotations", "delete_tasks_predictions"])
def test_deleting_takes_no_more_statements_for_more_tasks(alice: ApiClient, console: Console, action: str):
    silence_webhooks(console)
    with at_most(console, 1000) as few:
        act(alice, action, {"selectedItems": {"all": False, "included": [1, 20]}}, project=1)
    with at_most(console, len(few) + 3):
        act(alice, action, {"selectedItems": {"all": True, "excluded": [2]}}, project=1)


@OLDEST
@BOTH_ENGINES
def test_deleted_tasks_leave_nothing_behind(alice: ApiClient, console: Console):
    done = act(alice, "delete_tasks", SOME)
    assert done == {"processed_items": 8, "reload": False, "detail": "Deleted 8 tasks"}
    for table in ("task_completion", "prediction", "tasks_annotationdraft", "tasks_tasklock"):
        assert values(console, ORPHANS.format(table=table)) == [(0,)]
    [(columns,)] = values(console, "select all_data_columns from projects_projectsummary where project_id = 1")
    assert columns
    done = act(alice, "delete_tasks", {})
    assert done == {"processed_items": 77, "reload": True, "detail": "Deleted 77 tasks"}
    assert values(console, "select count(*) from data_manager_view where project_id = 1") == [(0,)]
    assert values(console, "select count(*) from task where project_id = 2") == [(60,)]


def test_nothing_ticked_is_nothing_done(alice: ApiClient, console: Console):
    nothing = {"selectedItems": {"all": False, "included": []}}
    assert act(alice, "delete_tasks", nothing)["processed_items"] == 0
    assert act(alice, "delete_tasks_annotations", nothing)["processed_items"] == 0
    assert values(console, "select count(*) from task where project_id = 1") == [(85,)]


def test_the_action_sees_only_what_the_filters_find(alice: ApiClient, console: Console):
    filters = {"conjunction": "and", "items": [line("total_annotations", "equal", "Number", 0)]}
    selected = {"all": True, "excluded": [60]}
    assert act(alice, "delete_tasks", {"filters": filters, "selectedItems": selected})["processed_items"] == 34
    assert values(console, "select count(*) from task where project_id = 1") == [(51,)]


@BOTH_ENGINES
def test_counters_follow_annotations(alice: ApiClient, console: Console):
    done = act(alice, "delete_tasks_annotations", SOME | {"annotator": 1})
    counted = values(
        console, "select count(*) from task_completion where task_id in (1, 2, 20) and completed_by_id = 1"
    )
    assert counted == [(0,)]
    assert done["processed_items"] > 0
    wrong = "select count(*) from task t where total_annotations != (select count(*) from task_completion a where a.task_id = t.id and not a.was_cancelled)"  # noqa: E501
    assert values(console, wrong) == [(0,)]
    assert act(alice, "predictions_to_annotations", SOME) == {"detail": "Created 3 annotations"}
    assert act(alice, "predictions_to_annotations", SOME) == {"detail": "Created 0 annotations"}
    assert values(console, wrong) == [(0,)]
    assert values(console, "select count(distinct unique_id) - count(*) from task_completion") == [(0,)]


@BOTH_ENGINES
def test_duplicates(alice: ApiClient, console: Console):
    with console.deployment.write() as session:
        session.execute(
            text("update task set data = (select data from task one where one.id = 1) where id in (2, 60, 57)")
        )
        session.execute(
            text("update task set data = (select data from task one where one.id = 210) where id in (56, 55)")
        )
    act(alice, "remove_duplicates", {})
    assert values(console, "select id from task where id in (1, 2, 57, 60)") == [(1,)]
    [(kept,)] = values(console, "select id from task where id in (55, 56, 210)")
    assert values(console, f"select count(*) from io_storages_s3importstoragelink where task_id = {kept}") == [(1,)]
    assert values(console, "select total_annotations from task where id = 1") == [(4,)]


@BOTH_ENGINES
def test_labels_and_fields(alice: ApiClient, console: Console):
    act(alice, "cache_labels", SOME)
    task = alice.get("/api/tasks/1/").get_json()
    assert task["data"]["cache_all"] == "Negative: 2"
    renamed = {"control_tag": "sentiment", "old_label_name": "Negative", "new_label_name": "Bad"}
    assert act(alice, "rename_labels", renamed)["detail"].startswith("Updated 34 labels")
    assert "Bad" in alice.get("/api/tasks/1/").get_data(as_text=True)
    act(alice, "add_data_field", SOME | {"value_name": "n", "value_type": "Expression", "value": "range(5)"})
    assert alice.get("/api/tasks/2/").get_json()["data"]["n"] == 6
    act(alice, "propagate_annotations", SOME | {"source_annotation_id": 3})
    assert values(console, "select count(*) from task_completion where parent_annotation_id = 3") == [(7,)]


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("nosuch", {}), ("delete_tasks", [1]), ("delete_tasks", {"selectedItems": "x"}), ("delete_tasks", {"selectedItems": None}),
        ("delete_tasks", {"filters": {"conjunction": "and", "items": [line("nosuch", "equal", "String", "x")]}}),
        ("delete_tasks_annotations", {"annotator": "x"}), ("delete_tasks_annotations", {"annotator": {"a": 1}}),
        ("predictions_to_annotations", {"model_version": {"a": 1}}), ("cache_labels", {"source": "x"}),
        ("cache_labels", {"control_tag": 5}), ("propagate_annotations", {"source_annotation_id": "x"}),
        ("propagate_annotations", {"source_annotation_id": 120}), ("rename_labels", {"control_tag": ["x"]}),
        ("add_data_field", {"value_name": "x", "value_type": "Number", "value": "nan"}),
        ("add_data_field", {"value_name": "x", "value_type": "Expression", "value": "__import__('os')"}),
        ("add_data_field", {"value_name": "x", "value_type": "Expression", "value": "random(5, 1)"}),
    ],
    ids=str,
)  # fmt: skip
def test_refused_and_nothing_done(alice: ApiClient, console: Console, action: str, body: Any):
    before = values(console, "select * from task order by id"), values(console, "select id from task_completion")
    act(alice, action, body, status=400)
    assert (
        values(console, "select * from task order by id"),
        values(console, "select id from task_completion"),
    ) == before


def test_no_action_on_another_organizations_tasks(erin: ApiClient, console: Console):
    assert erin.post("/api/dm/actions/?project=1&id=delete_tasks", json={}).status_code == 404
    assert (
        act(erin, "delete_tasks", {"selectedItems": {"all": False, "included": [1, 2]}}, project=4)["processed_items"]
        == 0
    )
    assert values(console, "select count(*) from task") == [(267,)]


def test_an_ml_backend_is_not_called(alice: ApiClient, console: Console):
    [(project,)] = values(console, "select project_id from ml_mlbackend")
    answer = act(alice, "retrieve_tasks_predictions", {}, project=project, status=400)
    assert "does not call ML backends" in answer["detail"]


def test_what_is_offered(alice: ApiClient):
    actions = alice.get("/api/dm/actions/?project=1").get_json()
    assert [action["id"] for action in actions][-3:] == [
        "delete_tasks",
        "delete_tasks_annotations",
        "delete_tasks_predictions",
    ]
    assert not any(action.get("experimental") for action in actions)
    columns = alice.get("/api/dm/columns/?project=1").get_json()["columns"]
    assert columns[0]["id"] == "text"
    assert columns[-1]["children"] == ["text", "order_id", "source"]
    project = alice.get("/api/dm/project/?project=1").get_json()
    assert (project["task_count"], project["config_has_control_tags"]) == (85, True)
    assert alice.get("/api/dm/actions/delete_tasks/form/?project=1").get_json() == []
