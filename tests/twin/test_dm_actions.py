"""Bulk actions of the Data Manager: same answers, and the same rows in every table afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.test_task_list import filters, line
from tests.twin.twin import Twin

PATH = "/api/dm/actions/?project={project}&id={action}"
ALL = {"selectedItems": {"all": True, "excluded": []}}
SOME = {"selectedItems": {"all": False, "included": [1, 2, 20, 36, 44, 50, 53, 58]}}
REST = {"selectedItems": {"all": True, "excluded": [1, 2, 3, 36]}}
FILTERED = filters(line("total_annotations", "less", "Number", 2))
SELECTIONS = pytest.mark.parametrize("chosen", [ALL, SOME, REST, FILTERED], ids=["all", "some", "rest", "filtered"])


def act(twin: Twin, action: str, body: Any, project: int = 1, **options: Any) -> Any:
    return twin.post(PATH.format(project=project, action=action), json=body, **options)


@SELECTIONS
def test_tasks_are_deleted(twin: Twin, chosen: dict[str, Any]):
    act(twin, "delete_tasks", chosen, expect=200)
    twin.get("/api/tasks/?project=1&page_size=3", expect=200)
    twin.rows()


def test_tasks_of_a_view_are_deleted(twin: Twin):
    twin.post("/api/dm/actions/?project=1&id=delete_tasks&view=4", json=SOME, expect=200)
    twin.rows()


def test_cohorts_are_kept_when_tasks_go(twin: Twin):
    twin.execute("UPDATE project SET overlap_cohort_percentage = 0 WHERE id = 1")
    act(twin, "delete_tasks", {"selectedItems": {"all": False, "included": [5, 6]}}, expect=200)
    twin.rows()


@SELECTIONS
def test_annotations_are_deleted(twin: Twin, chosen: dict[str, Any]):
    act(twin, "delete_tasks_annotations", chosen, expect=200)
    twin.rows()


def test_annotations_of_one_person_are_deleted(twin: Twin):
    act(twin, "delete_tasks_annotations", ALL | {"annotator": "2"}, as_user="bob", expect=200)
    act(twin, "delete_tasks_annotations", SOME | {"annotator": 99}, expect=200)
    twin.rows()
    twin.probe("POST", PATH.format(project=1, action="delete_tasks_annotations"), json=ALL | {"annotator": "x"})


@SELECTIONS
def test_predictions_are_deleted(twin: Twin, chosen: dict[str, Any]):
    act(twin, "delete_tasks_predictions", chosen, expect=200)
    twin.rows()


@pytest.mark.parametrize(
    "more", [{}, {"model_version": "sentiment-v1"}, {"model_version": ["sentiment-v1-b", "x"]}, {"model_version": "none"}],
    ids=str,
)  # fmt: skip
def test_predictions_become_annotations(twin: Twin, engine: str, more: dict[str, Any]):
    """One task at a time, because PostgreSQL hands Label Studio the predictions in any order."""
    for task_id in (2, 20, 36, 50, 53):
        one = {"selectedItems": {"all": False, "included": [task_id]}}
        act(twin, "predictions_to_annotations", one | more, as_user="carol", expect=200)
    if engine == "sqlite":
        act(twin, "predictions_to_annotations", ALL | more, expect=200)
    twin.rows()


def test_duplicates_are_removed(twin: Twin):
    twin.execute("UPDATE task SET data = (SELECT data FROM task one WHERE one.id = 1) WHERE id IN (2, 50, 57, 60, 220)")
    twin.execute("UPDATE task SET data = (SELECT data FROM task one WHERE one.id = 58) WHERE id IN (54, 55)")
    twin.execute("UPDATE task SET data = (SELECT data FROM task one WHERE one.id = 210) WHERE id IN (211, 56)")
    act(twin, "remove_duplicates", ALL, expect=200)
    twin.rows()


def test_nothing_to_remove(twin: Twin):
    act(twin, "remove_duplicates", SOME, project=2, expect=200)
    twin.rows()


def test_predictions_are_asked_of_no_backend(twin: Twin):
    act(twin, "retrieve_tasks_predictions", SOME, expect=200)
    twin.rows()


@pytest.mark.parametrize(
    "more",
    [{}, {"control_tag": "sentiment", "with_counters": "No"}, {"control_tag": "ALL", "source": "Predictions"},
     {"custom_control_tag": "other", "control_tag": "sentiment"}],
    ids=str,
)  # fmt: skip
def test_labels_are_cached(twin: Twin, more: dict[str, Any]):
    """Not in project 2: without ALL, Label Studio fails at relations, which name no control."""
    act(twin, "cache_labels", SOME | more, expect=200)
    act(twin, "cache_labels", ALL | more, project=3, expect=200)
    twin.rows()


def test_an_annotation_is_propagated(twin: Twin):
    """Label Studio goes through the tasks in the order of a set, which for these is that of their ids."""
    few = {"selectedItems": {"all": False, "included": [1, 2, 3, 4, 5, 6, 7]}}
    act(twin, "propagate_annotations", few | {"source_annotation_id": 3}, as_user="carol", expect=200)
    twin.rows()
    twin.probe(
        "POST", PATH.format(project=1, action="propagate_annotations"), json=SOME | {"source_annotation_id": 99999}
    )


def test_a_label_is_renamed(twin: Twin):
    more = {"control_tag": "sentiment", "old_label_name": "Negative", "new_label_name": "Bad"}
    act(twin, "rename_labels", SOME | more, as_user="bob", expect=200)
    counted = ("created_labels", "created_labels_drafts")
    twin.rows(differs={f"projects_projectsummary.{name}": "renamed-labels" for name in counted})


@pytest.mark.parametrize("body", [SOME, FILTERED, {"ordering": ["-tasks:id"]}], ids=str)
def test_the_next_task_of_a_tab(twin: Twin, body: dict[str, Any]):
    act(twin, "next_task", body, as_user="carol", expect=200)
    twin.rows()


@pytest.mark.parametrize(
    "more",
    [{"value_name": "new", "value_type": "String", "value": 5}, {"value_name": "order_id", "value_type": "Number", "value": "7.5"},
     {"value_name": "n", "value_type": "Expression", "value": "range(3)",
      "selectedItems": {"all": False, "included": [7]}},
     {"value_name": "text", "value_type": "Expression", "value": "replace('the', 'THE')"},
     {"value_name": "c", "value_type": "Expression", "value": "choices(['a'])"}],
    ids=str,
)  # fmt: skip
def test_a_data_field_is_added(twin: Twin, more: dict[str, Any]):
    act(twin, "add_data_field", SOME | more, expect=200)
    twin.rows()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("?project=1", {}), ("?project=1&id=nosuch", {}), ("?project=999&id=delete_tasks", {}), ("?id=delete_tasks", {}),
        ("?project=1&id=delete_tasks", {"selectedItems": "x"}), ("?project=1&id=delete_tasks", {"selectedItems": {}}),
        ("?project=1&id=delete_tasks", [1]), ("?project=1&id=delete_tasks", {"filters": {"conjunction": "x", "items": []}}),
        ("?project=1&id=delete_tasks", filters(line("id", "equal", "Number", "x"))),
        ("?project=1&id=delete_tasks&view=999", {}), ("?project=3&id=delete_tasks&view=1", {}),
        ("?project=1&id=cache_labels", SOME | {"source": "x"}), ("?project=1&id=add_data_field", SOME | {"value_type": "x"}),
        ("?project=1&id=add_data_field", SOME | {"value_type": "Expression", "value_name": "a", "value": "exit()"}),
        ("?project=1&id=rename_labels", SOME | {"control_tag": "x", "old_label_name": "y"}),
    ],
    ids=str,
)  # fmt: skip
def test_refused(twin: Twin, path: str, body: Any):
    twin.probe("POST", f"/api/dm/actions/{path}", json=body)


def test_another_organizations_tasks(twin: Twin):
    twin.probe("POST", "/api/dm/actions/?project=4&id=delete_tasks", json=ALL, refused="other-organization")
