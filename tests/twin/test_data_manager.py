"""Tabs of the Data Manager and the columns it offers: same answers, same rows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.test_task_list import filters, line
from tests.twin.twin import Twin

VIEWS = "/api/dm/views/"
LESS = line("id", "less", "Number", 3)
#: How a dialog asks is each product's own.
WORDS = ("dialog.text", "*.dialog.text")


def test_views_are_read(twin: Twin):
    for path in (
        "",
        "?project=1",
        "?project=2",
        "?project=4",
        "?project=",
        "?project=x",
        "?project=999",
        "1/",
        "4/",
        "999/",
    ):
        twin.get(f"{VIEWS}{path}")
    twin.get(VIEWS, as_user="erin", headers=None)
    twin.get(f"{VIEWS}1/", as_user=None, expect=401)


def test_views_are_made_changed_and_deleted(twin: Twin):
    child = LESS | {"child_filter": line("inner_id", "equal", "Number", 3)}
    for body in (
        {"project": 1},
        {"project": 1, "data": {"title": "x"} | filters(child) | {"ordering": ["-tasks:id"]}, "order": 7,
         "selected_items": {"all": True}},
        {"project": 1, "data": {"title": "y"}, "order": 7, "ordering": ["tasks:id"], "user": 3,
         "filter_group": {"conjunction": "or", "filters": [
             {"column": "filter:tasks:id", "operator": "equal", "type": "Number", "value": 3}]}},
        {"project": 2, "data": {"filters": {"conjunction": "and"}}},
        {"project": "2", "data": {"ordering": "x"}, "order": "3"},
    ):  # fmt: skip
        twin.post(VIEWS, json=body, expect=201)
    twin.patch(f"{VIEWS}1/", json={"data": {"title": "z"}}, expect=200)
    new = {"title": "z2"} | filters(LESS, conjunction="or") | {"ordering": ["tasks:id"]}
    twin.patch(f"{VIEWS}1/", json={"data": new, "project": 2, "order": 9}, expect=200)
    twin.patch(f"{VIEWS}5/", json={"data": {"title": "first filters"} | filters(LESS)}, expect=200)
    twin.put(f"{VIEWS}4/", json={"data": {"title": "put"}, "project": 3}, expect=200)
    twin.get("/api/tasks/?view=1&page_size=5", expect=200)
    twin.post(f"{VIEWS}order/", json={"project": 1, "ids": [6, 1, 999, 2]}, expect=200)
    twin.get(VIEWS, expect=200)
    twin.rows()
    twin.delete(f"{VIEWS}2/", expect=204)
    twin.delete(f"{VIEWS}reset/", json={"project": 1}, expect=204)
    twin.delete(f"{VIEWS}reset/?project=2", expect=204)
    twin.get(VIEWS, expect=200)
    twin.rows()


@pytest.mark.parametrize(
    "body",
    [
        {}, {"project": 999}, {"project": "x"}, {"project": None}, {"project": 1, "order": "x"},
        {"project": 1, "data": {"filters": {"conjunction": "and", "items": [{"filter": "id"}]}}},
        {"project": 1, "data": filters(line("nosuch__x", "equal", "Number", 3), LESS)},
        {"project": 1, "filter_group": {"filters": []}}, {"project": 1, "filter_group": {"conjunction": "and"}},
        {"project": 1, "filter_group": None}, {"project": 1, "filter_group": {"conjunction": "", "filters": {}}},
        {"data": filters(line("x" * 2000, "equal", "Number", 3))},
    ],
    ids=repr,
)  # fmt: skip
def test_views_are_refused_in_the_same_words(twin: Twin, body: dict[str, Any]):
    twin.post(VIEWS, json=body, expect=400)
    twin.put(f"{VIEWS}1/", json=body, expect=400)
    twin.rows()


def test_other_refusals(twin: Twin):
    twin.delete(f"{VIEWS}999/", expect=404)
    twin.delete(f"{VIEWS}reset/", expect=400)
    for body in ({}, {"project": 1, "ids": []}, {"project": 1}, {"project": "x", "ids": ["y"]}):
        twin.post(f"{VIEWS}order/", json=body, expect=400)
    for project in (999, 4):
        twin.post(f"{VIEWS}order/", json={"project": project, "ids": [1]}, expect=404)
    twin.delete(f"{VIEWS}reset/", json={"project": 999}, expect=400)
    twin.delete(f"{VIEWS}reset/", json={"project": 4}, expect=404)
    twin.post(f"{VIEWS}1/", json={}, expect=405)
    twin.patch(f"{VIEWS}999/", json={"data": {}}, expect=404)
    twin.rows()


@pytest.mark.parametrize(
    "body",
    [
        {"project": 1, "data": []}, {"project": 1, "data": None}, [1], "x",
        {"project": 1, "data": {"filters": []}}, {"project": 1, "data": {"filters": {"conjunction": "and", "items": 5}}},
        {"project": 1, "data": {"filters": {"conjunction": "and", "items": [5]}}},
    ],
    ids=repr,
)  # fmt: skip
def test_what_breaks_label_studio_is_refused(twin: Twin, body: Any):
    twin.probe("POST", VIEWS, json=body)


def test_views_of_another_organization(twin: Twin):
    twin.probe("POST", VIEWS, json={"project": 4}, refused="other-organization")


def test_columns_and_actions(twin: Twin):
    for project in (1, 2, 3, 5):
        twin.get(f"/api/dm/columns/?project={project}", ignore=("items",), expect=200)
        twin.get(f"/api/dm/actions/?project={project}", ignore=WORDS, expect=200)
        twin.get(f"/api/dm/project/?project={project}", expect=200)
    for path in ("project/?project=999", "project/", "columns/", "columns/?project=999", "columns/?project=x", "actions/",
                 "actions/?project=999"):  # fmt: skip
        twin.get(f"/api/dm/{path}", ignore=("items",))
    for action in ("delete_tasks", "predictions_to_annotations", "next_task",
                   "propagate_annotations", "add_data_field", "remove_duplicates", "retrieve_tasks_predictions"):  # fmt: skip
        twin.get(f"/api/dm/actions/{action}/form/?project=1", expect=200)
    for action in ("rename_labels", "cache_labels", "delete_tasks_annotations"):  # options come in any order
        twin.get(f"/api/dm/actions/{action}/form/?project=1", ignore=("options",), expect=200)
    twin.probe("GET", "/api/dm/actions/nosuch/form/?project=1")
