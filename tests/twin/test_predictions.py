"""Predictions: the same requests to Label Studio and to the console leave the same answers and rows behind."""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.test_annotations import DRIFT, POSITIVE
from tests.twin.twin import Twin

PATH = "/api/predictions/"


def test_made(twin: Twin):
    twin.post(PATH, json={"task": 60, "result": POSITIVE, "score": 0.5, "model_version": "v9"}, expect=201)
    twin.post(PATH, json={
        "task": 60, "result": [], "model_version": "  sp ", "cluster": 5, "neighbors": [1, {"a": None}], "mislabeling": 0.3,
    }, as_user="bob", expect=201)  # fmt: skip
    twin.post(PATH, json={"task": "60", "result": [], "model_version": 5, "project": None}, expect=201)
    twin.post(PATH, json={"task": 60, "result": [], "project": 2, "score": None}, expect=201)
    twin.post(PATH, data={"task": "60", "result": "[]"}, expect=201)
    twin.get(f"{PATH}?task=60", sort="id", expect=200)
    twin.get("/api/tasks/60/", expect=200, ignore=["predictions_model_versions"])  # in no order there
    twin.rows(differs=DRIFT)


@pytest.mark.parametrize("task", [60, 100, 130])
@pytest.mark.parametrize(
    "result",
    ["Positive", 5, True, {"choices": ["Positive"]}, {"rectanglelabels": ["Car"], "x": 1}, {"nothing": 1}, {}],
    ids=repr,
)
def test_results_that_are_no_list(twin: Twin, task: int, result: Any):
    twin.post(PATH, json={"task": task, "result": result}, expect=201)
    twin.rows(differs=DRIFT | {"projects_projectsummary.common_data_columns": "summary-drift"})


@pytest.mark.parametrize(
    "body",
    [
        {"task": 60, "result": 1.5}, {"task": 60, "result": [1]}, {"task": 60, "result": None}, {"task": 60},
        {"result": []}, {"task": 99999, "result": []}, {"task": "x", "result": []}, {"task": [60], "result": []},
        {"task": True, "result": []}, {"task": 60, "result": [], "model_version": None},
        {"task": 60, "result": [], "model_version": ["a"]}, {"task": 60, "result": [], "score": "x"},
        {"task": 60, "result": [], "model": 1, "model_run": 1}, {"task": 60, "result": [], "cluster": "x"},
        {"task": 60, "result": [], "mislabeling": None}, {"task": 60, "result": [], "project": 99}, [], "x",
    ],
    ids=repr,
)  # fmt: skip
def test_refused_in_the_same_words(twin: Twin, body: Any):
    twin.post(PATH, json=body, expect=400)
    twin.put(f"{PATH}1/", json=body, expect=400)
    twin.rows()


def test_listed(twin: Twin):
    for query in ("", "?task=1", "?project=2", "?task__project=3", "?project=5", "?task=1&project=2", "?project="):
        twin.get(f"{PATH}{query}", sort="id", expect=200)
    for query in ("?task=x", "?task=99999", "?project=x", "?project=99", "?task__project=99"):
        twin.get(f"{PATH}{query}", expect=400)
    pair = twin.get(f"{PATH}?project=4", differs="other-organization")
    assert (pair.theirs.json(), pair.ours.status_code) == ([], 400)


def test_one(twin: Twin):
    twin.get(f"{PATH}1/", expect=200)
    twin.get(f"{PATH}99999/", expect=404)
    twin.get(f"{PATH}2/", as_user="grace", expect=403)
    twin.get(f"{PATH}2/", as_user=None, expect=401)
    twin.patch(f"{PATH}1/", json={"score": 0.1, "model_version": "zz"}, expect=200)
    twin.patch(f"{PATH}1/", json={"result": {"choices": ["Negative"]}}, expect=200)
    twin.put(f"{PATH}1/", json={"result": POSITIVE, "task": 1}, as_user="bob", expect=200)
    twin.patch(f"{PATH}1/", json={"project": None, "neighbors": [2]}, expect=200)
    twin.rows(differs=DRIFT)
    twin.delete(f"{PATH}1/", as_user="carol", expect=204)
    twin.delete(f"{PATH}1/", expect=404)
    twin.get("/api/tasks/1/", expect=200)
    twin.rows(differs=DRIFT)


def test_an_annotation_made_from_it_outlives_it(twin: Twin):
    twin.post("/api/tasks/1/annotations/", json={"result": [], "parent_prediction": 1}, expect=201)
    twin.delete(f"{PATH}1/", expect=204)
    twin.get("/api/annotations/361/", expect=200)
    twin.rows(differs=DRIFT)


def test_moved_to_another_task(twin: Twin):
    """Label Studio leaves it counted in the task it came from."""
    twin.patch(f"{PATH}1/", json={"task": 60}, expect=200)
    with twin.sides[1].database.connect() as connection:
        counted = connection.exec_driver_sql("SELECT id, total_predictions FROM task WHERE id IN (1, 60) ORDER BY id")
        assert [tuple(row) for row in counted] == [(1, 0), (60, 1)]
    twin.rows(differs=DRIFT | {"task.total_predictions": "prediction-moved", "task.updated_at": "prediction-moved",
                               "task.updated_by_id": "prediction-moved"})  # fmt: skip
