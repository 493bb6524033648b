"""Annotations: the same requests to Label Studio and to the console leave the same answers and rows behind."""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.twin import Each, Twin

POSITIVE = [
    {"id": "r1", "from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": ["Positive"]}}
]
NEGATIVE = [
    {"id": "r2", "from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": ["Negative"]}}
]
TWO = [
    *NEGATIVE,
    {
        "id": "r3",
        "from_name": "comment",
        "to_name": "text",
        "type": "textarea",
        "value": {"text": ["by hand", "twice"]},
    },
    {"from_id": "r2", "to_id": "r3", "type": "relation", "direction": "right"},
]
#: Label Studio counts the data of a task once more with every annotation that is saved.
DRIFT = {"projects_projectsummary.all_data_columns": "summary-drift"}


def test_made_by_two_people_until_the_task_is_labeled(twin: Twin):
    path = "/api/tasks/60/annotations/"
    twin.post(path, json={"result": POSITIVE, "lead_time": 3.5}, expect=201)
    twin.rows(differs=DRIFT)
    twin.post(path, json={"result": TWO, "lead_time": "7"}, expect=201)
    twin.get("/api/tasks/60/", ignore=["annotations.*"])
    twin.post(path, json={"result": []}, as_user="bob", expect=201)
    twin.rows(differs=DRIFT)
    twin.get("/api/tasks/60/", ignore=["annotations.*"], as_user="bob")
    twin.get(path)


def test_every_field_a_client_may_send(twin: Twin):
    twin.post("/api/tasks/1/annotations/", expect=201, json={
        "result": TWO, "completed_by": 3, "was_cancelled": True, "ground_truth": True, "lead_time": 12.25,
        "unique_id": "11111111-2222-3333-4444-555555555555", "draft_created_at": "2024-02-03T04:05:06Z",
        "import_id": 99, "last_action": "submitted", "bulk_created": True, "parent_prediction": 1,
        "parent_annotation": 3, "last_created_by": 2, "updated_by": 2, "task": 2, "project": 2, "created_at": "x",
    })  # fmt: skip
    twin.rows(differs=DRIFT)
    twin.get("/api/annotations/361/", expect=200)
    twin.post("/api/tasks/1/annotations/", json={"unique_id": "11111111-2222-3333-4444-555555555555"}, expect=409)
    twin.rows(differs=DRIFT)


def test_without_a_result_and_as_a_form(twin: Twin):
    path = "/api/tasks/60/annotations/"
    twin.post(path, json={}, expect=201)
    twin.post(path, data={"result": "[]", "was_cancelled": "true", "lead_time": "1.5"}, expect=201)
    twin.post(path, files={"result": (None, '[{"id": "a"}]')}, expect=201)
    twin.post(f"{path}?was_cancelled=1", json={"result": POSITIVE}, expect=201)
    twin.post(f"{path}?was_cancelled=no", json={"result": [], "was_cancelled": True}, expect=201)
    twin.post(path, json={"result": '[{"id": "text"}]'}, expect=201)
    twin.rows(differs=DRIFT)


@pytest.mark.parametrize(
    "body",
    [
        {"result": None}, {"result": {}}, {"result": "{}"}, {"result": 5},
        {"lead_time": "long"}, {"lead_time": [1]}, {"was_cancelled": "maybe"}, {"was_cancelled": None},
        {"was_cancelled": [1]}, {"ground_truth": 2}, {"completed_by": 999}, {"completed_by": "x"},
        {"completed_by": None}, {"completed_by": True}, {"completed_by": 10**30}, {"completed_by": {"id": 1}},
        {"unique_id": ""}, {"unique_id": None}, {"import_id": 2**63}, {"import_id": "x"}, {"last_action": "danced"},
        {"last_action": ""}, {"parent_prediction": 9999, "parent_annotation": 0}, {"draft_created_at": "yesterday"},
        {"draft_created_at": 5}, {"lead_time": "x", "was_cancelled": "x", "result": 1},
    ],
    ids=repr,
)  # fmt: skip
def test_refused_in_the_same_words(twin: Twin, body: Any):
    twin.post("/api/tasks/60/annotations/", json=body, expect=400)
    twin.patch("/api/annotations/3/", json=body, expect=400)
    twin.rows(ignore={
        "task.updated_at": "Label Studio touches annotation and task before it looks at the body of a PATCH",
        "task_completion.updated_by_id": "the same",
    }, differs=DRIFT)  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        {"result": "no JSON"}, {"result": [1]}, {"result": [None]}, {"result": [{"id": [1], "value": {}}]},
        {"result": [POSITIVE[0] | {"value": 1}]}, {"result": [POSITIVE[0] | {"from_name": 5}]},
        {"unique_id": "no UUID"}, {"draft_id": "x"}, {"draft_id": [1]}, {"lead_time": "NaN"},
    ],
    ids=repr,
)  # fmt: skip
def test_what_label_studio_stumbles_over_is_refused_and_nothing_is_written(twin: Twin, body: Any):
    before = _annotations(twin)
    pair = twin.post("/api/tasks/60/annotations/", json=body, differs="server-error")
    assert (pair.theirs.status_code, pair.ours.status_code) == (500, 400)
    assert _annotations(twin) == before
    twin.unseen_changes.clear()


@pytest.mark.parametrize("body", [[], [POSITIVE], "text", 5], ids=repr)
def test_a_body_that_is_no_object(twin: Twin, body: Any):
    twin.post("/api/tasks/60/annotations/", json=body, expect=400)
    pair = twin.patch("/api/annotations/3/", json=body, differs="server-error")
    assert (pair.theirs.status_code, pair.ours.status_code) == (500, 400)
    twin.unseen_changes.clear()


def test_who_may_not(twin: Twin):
    twin.post("/api/tasks/60/annotations/", json={"result": []}, as_user="grace", expect=403)
    twin.post("/api/tasks/60/annotations/", json={"result": []}, as_user=None, expect=401)
    twin.post("/api/tasks/99999/annotations/", json={"result": []}, expect=404)
    twin.get("/api/annotations/1/", as_user="grace", expect=403)
    twin.get("/api/annotations/99999/", expect=404)
    twin.delete("/api/annotations/99999/", expect=404)
    other = twin.get("/api/annotations/279/", differs="other-organization")
    assert (other.theirs.status_code, other.ours.status_code) == (200, 404)
    twin.rows()


def test_made_from_a_draft(twin: Twin):
    draft = twin.post("/api/tasks/53/drafts", json={"result": POSITIVE, "lead_time": 2}, expect=201)
    twin.post("/api/tasks/53/annotations/", json={"result": POSITIVE, "draft_id": draft["id"]}, expect=201)
    twin.get("/api/tasks/53/drafts")
    twin.post("/api/tasks/54/annotations/", json={"result": [], "draft_id": 4}, expect=403)
    twin.post("/api/tasks/54/annotations/", json={"result": [], "draft_id": 99999}, expect=201)
    twin.post("/api/tasks/54/annotations/", json={"result": [], "draft_id": None}, expect=201)
    twin.rows(differs=DRIFT)


def test_one_ground_truth_per_task(twin: Twin):
    twin.patch("/api/annotations/3/", json={"ground_truth": True}, expect=200)
    twin.patch("/api/annotations/4/", json={"ground_truth": True, "result": NEGATIVE}, expect=200)
    twin.post("/api/tasks/1/annotations/", json={"result": [], "ground_truth": True}, as_user="carol", expect=201)
    twin.patch("/api/annotations/3/", json={"ground_truth": False}, expect=200)
    twin.rows(differs=DRIFT)


def test_changed_skipped_and_taken_up_again(twin: Twin):
    twin.patch("/api/annotations/3/", json={"was_cancelled": True}, expect=200)
    twin.get("/api/tasks/1/annotations/", sort="id")
    twin.rows(differs=DRIFT)
    twin.patch("/api/annotations/3/", json={"was_cancelled": False, "result": TWO, "lead_time": None}, as_user="bob")
    twin.put("/api/annotations/3/", json={}, expect=200)
    twin.put("/api/annotations/4/", data={"result": "[]"}, expect=200)
    twin.patch("/api/annotations/4/", json={"completed_by": 3, "parent_annotation": 3, "last_action": None}, expect=200)
    twin.rows(differs=DRIFT)


def test_a_change_removes_the_drafts_of_the_annotation(twin: Twin):
    twin.post("/api/tasks/1/annotations/3/drafts", json={"result": NEGATIVE}, expect=201)
    twin.post("/api/tasks/1/annotations/3/drafts", json={"result": POSITIVE}, as_user="bob", expect=201)
    twin.get("/api/tasks/1/drafts", sort="id")
    twin.patch("/api/annotations/3/", json={"result": POSITIVE}, expect=200)
    twin.get("/api/tasks/1/drafts", sort="id")
    twin.rows(differs=DRIFT)


def test_deleted(twin: Twin):
    twin.delete("/api/annotations/3/", expect=204)
    twin.delete("/api/annotations/3/", expect=404)
    twin.delete("/api/annotations/4/", as_user="bob", expect=204)
    twin.get("/api/tasks/1/")
    twin.rows(differs=DRIFT)
    twin.execute("UPDATE task_completion SET was_cancelled = true WHERE id = 5")
    twin.execute("UPDATE task SET total_annotations = 1, cancelled_annotations = 1 WHERE id = 2")
    twin.delete("/api/annotations/5/", expect=204)
    twin.rows(differs=DRIFT)


def test_turned_into_a_draft(twin: Twin):
    twin.post("/api/annotations/3/convert-to-draft", expect=201)
    twin.post("/api/annotations/5/convert-to-draft", as_user="carol", expect=201)
    gone = twin.post("/api/annotations/5/convert-to-draft", differs="html-404")
    assert (gone.theirs.status_code, gone.ours.status_code) == (404, 404)
    twin.get("/api/tasks/1/drafts", sort="id")
    twin.rows(differs=DRIFT)


@pytest.mark.parametrize("skip_queue", ["REQUEUE_FOR_ME", "REQUEUE_FOR_OTHERS", "IGNORE_SKIPPED"])
def test_skipping_counts_as_the_project_says(twin: Twin, skip_queue: str):
    twin.execute("UPDATE project SET skip_queue = :skip_queue WHERE id = 1", skip_queue=skip_queue)
    for person in ("alice", "bob"):
        twin.post("/api/tasks/60/annotations/?was_cancelled=true", json={"result": []}, as_user=person, expect=201)
    twin.get("/api/tasks/60/")
    twin.post("/api/tasks/60/annotations/", json={}, as_user="carol", expect=201)
    twin.rows(differs=DRIFT)


def test_the_label_stream_and_its_locks(twin: Twin):
    for side in twin.sides:
        with side.database.begin() as connection:
            connection.exec_driver_sql("DELETE FROM projects_labelstreamhistory")
            connection.exec_driver_sql(
                "INSERT INTO projects_labelstreamhistory (user_id, project_id, data) VALUES (1, 1,"
                """ '[{"taskId": 60, "annotationId": null}, {"taskId": 59, "annotationId": 7}]')"""
            )
            connection.exec_driver_sql(
                "INSERT INTO tasks_tasklock (task_id, user_id, expire_at) VALUES"
                " (60, 1, '2099-01-01 00:00:00'), (60, 2, '2099-01-01 00:00:00'), (60, 3, '2020-01-01 00:00:00')"
            )
    twin.post("/api/tasks/60/annotations/", json={"result": POSITIVE}, expect=201)
    twin.rows(differs=DRIFT)


def _annotations(twin: Twin) -> Any:
    with twin.sides[1].database.connect() as connection:
        return connection.exec_driver_sql("SELECT count(*), max(id) FROM task_completion").one()


def test_a_unique_id_of_ones_own(twin: Twin):
    ids = Each("aaaaaaaa-2222-3333-4444-555555555555", "bbbbbbbb-2222-3333-4444-555555555555")
    twin.post("/api/tasks/60/annotations/", json={"result": [], "unique_id": ids}, expect=201)
    twin.rows(differs=DRIFT)


def test_a_former_member_sees_nothing_any_more(twin: Twin):
    for method, path, body in (
        ("GET", "/api/tasks/1/annotations/", None),
        ("POST", "/api/tasks/", {"project": 1, "data": {"text": "x"}}),
        ("GET", "/api/predictions/?task=1", None),
    ):
        pair = twin.request(method, path, json=body, as_user="grace", differs="former-member")
        assert pair.theirs.status_code in {200, 201}, path
        assert pair.ours.status_code == 403 or pair.ours.json() == [], path
    twin.unseen_changes.clear()


def test_into_another_project(twin: Twin):
    pair = twin.patch("/api/annotations/3/", json={"task": 100}, differs="annotation-moved")
    assert (pair.theirs.status_code, pair.ours.status_code) == (200, 400)
    twin.unseen_changes.clear()
