"""Single tasks: the same requests to Label Studio and to the console leave the same answers and rows behind."""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.test_annotations import DRIFT, POSITIVE
from tests.twin.twin import Twin

TEXT = {"text": "hello"}
#: Python's sets of texts have no order; and Label Studio sums each lead time once per prediction.
UNORDERED = ("annotations_ids", "predictions_model_versions", "avg_lead_time")


@pytest.mark.parametrize("task", [1, 6, 44, 50, 53, 58, 61, 66, 70, 67, 99, 111, 120, 131, 140])
def test_read(twin: Twin, task: int):
    twin.get(f"/api/tasks/{task}/", as_user="alice", expect=200)
    twin.get(f"/api/tasks/{task}/?resolve_uri=false&project=", as_user="carol", expect=200)
    twin.get(f"/api/tasks/{task}/?review=1", as_user="bob", expect=200)


def test_not_found(twin: Twin):
    twin.get("/api/tasks/99999/", expect=404)
    twin.get("/api/tasks/200/", expect=404)
    twin.get("/api/tasks/1/?project=2", expect=404)
    twin.get("/api/tasks/1/?project=1", expect=200)
    twin.get("/api/tasks/1/", as_user="grace", expect=403)
    twin.get("/api/tasks/1/?resolve_uri=x", expect=400)
    twin.delete("/api/tasks/200/", expect=404)
    twin.patch("/api/tasks/200/", json={}, expect=404)
    twin.rows()


def test_several_model_versions_and_people(twin: Twin):
    twin.post(
        "/api/predictions/", json={"task": 1, "result": [], "score": 0.25, "model_version": "other/v1"}, expect=201
    )
    twin.post(
        "/api/predictions/", json={"task": 1, "result": [], "score": 0.75, "model_version": "sentiment-v1"}, expect=201
    )
    twin.post("/api/tasks/1/annotations/", json={"result": POSITIVE, "lead_time": 5}, as_user="carol", expect=201)
    twin.get("/api/tasks/1/", ignore=UNORDERED, expect=200)
    twin.execute("UPDATE project SET model_version = NULL WHERE id = 1")
    twin.get("/api/tasks/1/", ignore=UNORDERED, expect=200)
    twin.execute("UPDATE organizations_organizationmember SET deleted_at = created_at WHERE user_id = 2")
    twin.get("/api/tasks/1/", ignore=UNORDERED, expect=200)
    twin.rows(differs=DRIFT)


def test_links_into_buckets(twin: Twin):
    for data in (
        '{"text": "s3://ls-demo-tasks/a/b.jpg"}',
        '{"text": "see \'s3://ls-demo-tasks/a b.png\' there", "list": ["s3://ls-demo-tasks/1", "s3://other/1", 5]}',
        '{"text": "s3://elsewhere/a.jpg", "deep": {"a": {"b": "s3://ls-demo-tasks/x=1"}}, "n": null, "plain": "s3 it is"}',
    ):
        twin.execute("UPDATE task SET data = :data WHERE id = 60", data=data)
        twin.get("/api/tasks/60/", expect=200)
        twin.get("/api/tasks/60/?resolve_uri=0", expect=200)


def test_made(twin: Twin):
    twin.post("/api/tasks/", json={"project": 1, "data": TEXT}, expect=201)
    twin.post("/api/tasks/", json={"project": "1", "data": {"$undefined$": "zz"}, "meta": {"a": [1]}}, expect=201)
    twin.post("/api/tasks/", json={"project": 5, "data": TEXT}, expect=201)
    twin.post("/api/tasks/", json={"project": 5, "data": {}}, as_user="bob", expect=201)
    twin.rows()
    twin.post("/api/tasks/", expect=201, json={
        "project": 1, "data": TEXT | {"é": [{"a": {"b": 1.0}}]}, "overlap": 3, "inner_id": 77, "is_labeled": True,
        "total_annotations": 5, "updated_by": 2, "file_upload": 1, "comment_authors": [1, 2], "comment_count": 3,
        "annotations": [], "last_comment_updated_at": "2020-01-01T00:00:00Z", "allow_skip": False,
    })  # fmt: skip
    twin.post("/api/tasks/", json={"project": 1, "data": {"text": 1}, "inner_id": 0}, expect=201)
    twin.post("/api/tasks/", data={"project": "1", "data": '{"text": "form"}', "meta": "{}"}, expect=201)
    twin.post("/api/projects/1/tasks/", json={"data": TEXT, "project": 2}, expect=201)
    twin.rows()


@pytest.mark.parametrize(
    "body",
    [
        {"data": TEXT}, {"project": None, "data": TEXT}, {"project": 1}, {"project": 1, "data": None},
        {"project": 1, "data": {"a": 1}}, {"project": 1, "data": [1]}, {"project": 1, "data": "{}"},
        {"project": 1, "data": 5}, {"project": 1, "data": {"text": {"a": 1}}}, {"project": 1, "data": {"text": None}},
        {"project": 3, "data": {"image": 5}}, {"project": 1, "data": TEXT, "meta": "x"},
        {"project": 1, "data": TEXT, "meta": None}, {"project": 1, "data": TEXT, "comment_authors": 5},
        {"project": 1, "data": TEXT, "overlap": "x", "inner_id": "x"}, {"project": 1, "data": TEXT, "updated_by": 99},
        {"project": 1, "data": TEXT, "file_upload": 99}, {"project": 1, "data": TEXT, "comment_authors": [99]},
        {"project": 1, "data": TEXT, "last_comment_updated_at": "x", "is_labeled": "x"},
    ],
    ids=repr,
)  # fmt: skip
def test_refused_in_the_same_words(twin: Twin, body: Any):
    twin.post("/api/tasks/", json=body, expect=400)
    twin.rows()


def test_in_a_project_that_is_not_there(twin: Twin):
    for project in (99, "x", [1]):
        twin.post("/api/tasks/", json={"project": project, "data": TEXT}, expect=404)
    pair = twin.post("/api/tasks/", json=[1], differs="server-error")
    assert (pair.theirs.status_code, pair.ours.status_code) == (500, 400)
    twin.rows()


def test_changed(twin: Twin):
    twin.patch("/api/tasks/1/", json={"meta": {"z": 1}}, expect=200)
    twin.patch("/api/tasks/1/", json={"data": {"text": "new", "more": 1}}, as_user="bob", expect=200)
    twin.patch("/api/tasks/1/", json={"data": {"nope": 1}}, expect=200)
    twin.patch(
        "/api/tasks/2/", json={"is_labeled": False, "overlap": 7, "inner_id": 5, "total_annotations": 9}, expect=200
    )
    twin.patch("/api/tasks/2/", json={"comment_authors": [2, 1], "updated_by": None, "meta": None}, expect=200)
    twin.patch("/api/tasks/2/", json={"comment_authors": [3], "project": 1, "inner_id": 0}, expect=200)
    twin.put("/api/tasks/2/", json={"data": TEXT}, expect=200)
    twin.put("/api/tasks/3/", data={"data": '{"text": "form"}'}, expect=200)
    twin.rows()


def test_changes_that_are_refused(twin: Twin):
    twin.put("/api/tasks/2/", json={}, expect=400)
    twin.patch("/api/tasks/2/", json={"data": None}, expect=400)
    twin.patch("/api/tasks/2/", json={"project": 2}, expect=404)
    twin.patch("/api/tasks/2/", json={"overlap": "x", "inner_id": 2**64}, expect=400)
    twin.patch("/api/tasks/2/", json={"comment_authors": [99]}, expect=400)
    twin.patch("/api/tasks/2/", json={}, as_user="grace", expect=403)
    twin.rows()
    pair = twin.patch("/api/tasks/2/", json={"data": "text"}, differs="server-error")
    assert (pair.theirs.status_code, pair.ours.status_code) == (500, 400)
    twin.unseen_changes.clear()


def test_deleted(twin: Twin):
    for task in (1, 6, 60, 61, 70, 99):
        twin.delete(f"/api/tasks/{task}/", expect=204)
    twin.delete("/api/tasks/1/", expect=404)
    twin.rows()


def test_deleted_where_only_a_part_has_overlap(twin: Twin):
    twin.execute("UPDATE project SET overlap_cohort_percentage = 50 WHERE id = 2")
    twin.delete("/api/tasks/99/", expect=204)
    twin.rows()


def test_the_old_list(twin: Twin):
    for query in ("?page_size=3", "?page_size=3&page=2", "?length=4&start=9", "", "?page_size=-1", "?page=2"):
        twin.get(f"/api/projects/1/tasks/{query}", sort="id" if query == "?page_size=-1" else None, expect=200,
                 ignore=["annotations", "predictions"])  # fmt: skip
    twin.get("/api/projects/1/tasks/?page_size=2", expect=200)
    for query in ("?page=99", "?page_size=0", "?page=0"):
        twin.get(f"/api/projects/1/tasks/{query}", expect=404)
    twin.get("/api/projects/1/tasks/?page=x", expect=400)
    twin.get("/api/projects/5/tasks/", expect=404)
    twin.get("/api/projects/4/tasks/", expect=404)


def test_all_tasks_of_a_project_deleted(twin: Twin):
    twin.delete("/api/projects/2/tasks/", expect=204)
    twin.get("/api/projects/2/tasks/", expect=404)
    twin.delete("/api/projects/4/tasks/", expect=404)
    twin.rows()
