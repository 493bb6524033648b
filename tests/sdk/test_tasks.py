"""Tasks, as scripts create, list, read, change and delete them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from label_studio_sdk import LabelStudio
from label_studio_sdk.core.api_error import ApiError
from label_studio_sdk.data_manager import Column, Filters, Operator, Type

from tests.sdk.site import Site


def test_a_task_is_created_read_changed_and_deleted(ls: LabelStudio, new_project: Callable[..., int]):
    project_id = new_project()
    made = ls.tasks.create(project=project_id, data={"text": "fine"}, meta={"source": "script"})
    assert (made.project, made.data, made.meta) == (project_id, {"text": "fine"}, {"source": "script"})
    task = ls.tasks.get(id=str(made.id))
    assert (task.data, task.is_labeled, task.overlap) == ({"text": "fine"}, False, 1)
    assert (task.annotations, task.predictions, task.drafts, task.total_annotations) == ([], [], [], 0)
    changed = ls.tasks.update(id=str(made.id), data={"text": "finer"}, meta={})
    assert changed.data == {"text": "finer"}
    assert ls.tasks.get(id=str(made.id)).meta == {}
    ls.tasks.delete(id=str(made.id))
    with pytest.raises(ApiError) as error:
        ls.tasks.get(id=str(made.id))
    assert error.value.status_code == 404


def test_the_pager_ends_on_the_page_past_the_last(ls: LabelStudio):
    """The SDK knows the end by 404 alone: a server that answers an empty page would be asked for ever."""
    listed = [task.id for task in ls.tasks.list(project=1, page_size=40)]
    assert len(listed) == len(set(listed)) == 85
    assert listed == sorted(listed)
    exactly = [task.id for task in ls.tasks.list(project=3, page_size=60)]
    assert len(exactly) == 60
    first = ls.tasks.list(project=2, page_size=25)
    assert (first.response.total, first.response.total_annotations) == (60, 90)
    assert len(first.next_page().items) == 25


def test_the_list_of_the_sdk_is_full(ls: LabelStudio):
    """It asks with `fields=all`: annotations, predictions and drafts come along."""
    task = ls.tasks.list(project=1, page_size=1).items[0]
    assert len(task.annotations) == task.total_annotations == 2
    assert len(task.predictions) == task.total_predictions == 1
    assert task.annotations[0]["result"][0]["from_name"] == "sentiment"
    assert {person["user_id"] for person in task.updated_by} <= {1, 2, 3}
    assert task.predictions[0].model_version == "sentiment-v1"
    lean = ls.tasks.list(project=1, page_size=1, fields="task_only").items[0]
    assert lean.id == task.id
    assert not lean.annotations


def test_one_task_with_everything(ls: LabelStudio):
    first = ls.tasks.list(project=1, page_size=1).items[0]
    task = ls.tasks.get(id=str(first.id))
    assert task.inner_id == 1
    assert {annotation["completed_by"]["email"] for annotation in task.annotations} <= {
        "alice@example.com",
        "bob@example.com",
        "carol@example.com",
    }
    assert [prediction.model_version for prediction in task.predictions] == ["sentiment-v1"]
    assert task.total_annotations == 2


def test_tasks_are_found_by_a_query(ls: LabelStudio, new_project: Callable[..., int]):
    project_id = new_project(tasks=12)

    def texts(**query: object) -> list[str]:
        return [task.data["text"] for task in ls.tasks.list(project=project_id, query=json.dumps(query))]

    ending = Filters.create(
        Filters.AND,
        [Filters.item(Column.data("text"), Operator.CONTAINS, Type.String, Filters.value("1"))],
    )
    assert texts(filters=ending) == ["text 1", "text 10", "text 11"]
    assert texts(filters=ending, ordering=["-tasks:id"]) == ["text 11", "text 10", "text 1"]
    first, second, *_ = [task.id for task in ls.tasks.list(project=project_id)]
    assert texts(selectedItems={"all": False, "included": [first, second]}) == ["text 0", "text 1"]
    between = Filters.item(Column.id, Operator.IN, Type.Number, Filters.value(first, second))
    assert texts(filters=Filters.create(Filters.OR, [between])) == ["text 0", "text 1"]
    labeled = Filters.item(Column.completed_at, Operator.EMPTY, Type.Boolean, Filters.value(False))
    assert texts(filters=Filters.create(Filters.AND, [labeled])) == []


def test_filters_see_annotations_predictions_and_counters(ls: LabelStudio):
    def count(column: str, operator: str, kind: str, value: object) -> int:
        filters = Filters.create(Filters.AND, [Filters.item(column, operator, kind, value)])
        return ls.tasks.list(project=1, page_size=1, query=json.dumps({"filters": filters})).response.total

    assert count(Column.total_annotations, Operator.EQUAL, Type.Number, 2) == 42
    assert count(Column.total_predictions, Operator.GREATER, Type.Number, 0) == 38
    assert count(Column.cancelled_annotations, Operator.EQUAL, Type.Number, 1) == 4
    assert count(Column.completed_at, Operator.EMPTY, Type.Boolean, False) == 42
    assert count(Column.annotations_results, Operator.CONTAINS, Type.String, "Positive") > 0
    assert count(Column.annotators, Operator.CONTAINS, Type.List, 1) > 0
    assert count(Column.created_at, Operator.GREATER, Type.Datetime, "2020-01-01T00:00:00.000Z") == 85


def test_only_the_asked_columns(site: Site):
    answer = site.send("GET", "/api/tasks/", params={"project": 1, "include": "id,total_annotations", "page_size": 2})
    assert {tuple(sorted(task)) for task in answer.json()["tasks"]} == {("id", "total_annotations")}


def test_all_tasks_of_a_project_at_once(ls: LabelStudio, site: Site, new_project: Callable[..., int]):
    project_id = new_project(tasks=4)
    assert len(site.send("GET", f"/api/projects/{project_id}/tasks", params={"page_size": -1}).json()) == 4
    ls.tasks.delete_all_tasks(id=project_id)
    assert ls.projects.get(id=project_id).task_number == 0
    assert site.send("GET", f"/api/projects/{project_id}/summary/").json()["all_data_columns"] == {}
