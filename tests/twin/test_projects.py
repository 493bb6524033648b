"""Projects: the same requests to Label Studio and to the console."""

from __future__ import annotations

import json
from typing import Any

from tests.twin.twin import Twin

CONFIG = (
    '<View><Text name="text" value="$text"/>'
    '<Choices name="sentiment" toName="text"><Choice value="Positive"/><Choice value="Negative"/></Choices></View>'
)


def test_list_and_filters(twin: Twin):
    for params in (
        {}, {"page_size": 2}, {"page_size": 2, "page": 2}, {"page": "last", "page_size": 1}, {"page_size": "x"},
        {"page_size": 0}, {"include": "task_number"}, {"include": "id,title,nope,task_number"}, {"omit": "label_config"},
        {"ids": "1,2"}, {"ids": "99"}, {"title": "sent"}, {"title": "%"}, {"filter": "pinned_only"},
        {"filter": "exclude_pinned"}, {"filter": "odd"}, {"include": ""}, {"filter": ""}, {"ordering": "title"}, {"ordering": "-id"},
        {"ordering": "-task_number,id"}, {"ordering": "nope,-title"}, {"ordering": "nope"}, {"ordering": "created_by,id"},
    ):  # fmt: skip
        twin.get("/api/projects/", params=params, expect=200)
    for params, status in (
        ({"page": 9}, 404), ({"page": 0}, 404), ({"page": "x"}, 404), ({"include": " "}, 400), ({"filter": " "}, 400),
        ({"title": "a\x00b"}, 400),
    ):  # fmt: skip
        twin.get("/api/projects/", params=params, expect=status)
    twin.get("/api/projects/", as_user="erin", expect=401)
    twin.get("/api/projects/", as_user=None, expect=401)
    twin.rows()


def test_counts(twin: Twin):
    """One at a time: Label Studio promises no order here, and PostgreSQL keeps none."""
    for number in (1, 2, 3, 5):
        twin.get("/api/projects/counts/", params={"ids": number}, expect=200)
        twin.get("/api/projects/counts/", params={"ids": number, "include": "task_number"}, as_user="bob", expect=200)
    twin.get("/api/projects/counts/", params={"include": "nothing", "page_size": 1, "page": 2}, expect=200)


def test_retrieve(twin: Twin):
    for number in (1, 2):
        twin.get(f"/api/projects/{number}/", expect=200)
        twin.get(f"/api/projects/{number}/", as_user="bob", expect=200)
    twin.get("/api/projects/1/", params={"include": "id,queue_total"}, expect=200)
    twin.get("/api/projects/99/", expect=404)
    twin.get("/api/projects/4/", expect=404)
    twin.rows()


UNLIKE = {"project.label_config_hash": "salted anew in every process of Label Studio"}


CREATED: list[dict[str, Any]] = [
    {},
    {"title": "A project", "description": " spaced ", "color": "#ff0000", "is_draft": True},
    {"title": "", "label_config": CONFIG, "expert_instruction": " <script>x</script><b onclick='y'>bold</b>"},
    {"title": None, "description": None, "sampling": None, "skip_queue": None, "model_version": "any"},
    {"label_config": "  <View></View> ", "control_weights": {"sentiment": {"overall": 0.5}}, "maximum_annotations": "3"},
    {"is_draft": True, "is_published": True, "start_training_on_annotation_update": True, "unknown": 1},
    {"task_data_login": "me", "task_data_password": "secret", "overlap_cohort_percentage": 50,
     "pinned_at": "2024-05-06T07:08:09Z"},
    {"label_config": CONFIG, "control_weights": {"sentiment": {"overall": 0.5, "labels": {"Positive": 0.25}}}},
]  # fmt: skip
REFUSED: list[Any] = [
    {"title": "ab"}, {"title": "x" * 51}, {"title": ["x"]}, {"title": True}, {"title": "a\x00bc"}, {"color": "red"},
    {"color": "#12345g"}, {"maximum_annotations": "many"}, {"is_draft": "perhaps"},
    {"is_draft": None}, {"sampling": "Odd"}, {"skip_queue": "NEVER"}, {"skip_queue": ""}, {"pinned_at": "yesterday"},
    {"pinned_at": 5}, {"organization": 99}, {"organization": "x"}, {"task_data_login": "x" * 257},
    {"maximum_annotations": None}, {"overlap_cohort_percentage": 1.5}, {"title": "ab", "color": "red"},
]  # fmt: skip
BAD_CONFIGS: list[Any] = [
    "<View", "", None, "<View><Text/></View>", CONFIG.replace('toName="text"', 'toName="nope"'), 5, True, ["x"],
]  # fmt: skip


def test_create(twin: Twin):
    for body in CREATED:
        made = twin.post("/api/projects/", json=body, expect=201)
        twin.get("/api/projects/{id}/", fill={"id": made["id"]}, expect=200)
    twin.post("/api/projects/", params={"include": "id,task_number"}, json={}, expect=201)
    twin.rows(ignore=UNLIKE)


def test_refused_values(twin: Twin):
    for body in REFUSED:
        twin.post("/api/projects/", json=body, expect=400)
        twin.patch("/api/projects/1/", json=body, expect=400)
    for config in BAD_CONFIGS:
        twin.post("/api/projects/", json={"label_config": config}, expect=400)
    for body in ([], [{"title": "abc"}], "text", 5):
        twin.post("/api/projects/", json=body, expect=400)
    twin.post("/api/projects/", data="{", headers={"Content-Type": "application/json"}, expect=400)
    twin.rows()


def test_create_by_form(twin: Twin):
    made = twin.post("/api/projects", data={"title": "By form", "label_config": CONFIG}, expect=201)
    twin.patch("/api/projects/{id}/", fill={"id": made["id"]}, data={"show_skip_button": "true"}, expect=200)
    twin.rows(ignore=UNLIKE)


def test_change_texts_and_switches(twin: Twin):
    twin.patch("/api/projects/1/", json={}, expect=200)
    twin.patch("/api/projects/1/", json={"title": "Renamed", "show_instruction": True, "id": 7}, expect=200)
    twin.patch("/api/projects/1/", params={"include": "id,title,task_number"}, json={"title": "Again"}, expect=200)
    twin.patch("/api/projects/1/", json={"is_draft": True}, expect=200)
    twin.patch("/api/projects/1/", json={"is_published": True}, expect=200)
    twin.patch("/api/projects/1/", json={"start_training_on_annotation_update": False}, expect=200)
    twin.patch("/api/projects/1/", json={"control_weights": {}}, expect=200)
    twin.patch("/api/projects/1/", json={"pinned_at": "2024-05-06T07:08:09.5+02:00"}, expect=200)
    twin.patch("/api/projects/1/", json={"pinned_at": None}, expect=200)
    twin.patch("/api/projects/2/", json={"organization": 1}, as_user="bob", expect=200)
    twin.patch("/api/projects/99/", json={"title": "Nobody's"}, expect=404)
    twin.patch("/api/projects/4/", json={"title": "Nobody's"}, expect=404)
    twin.rows()


def test_model_version(twin: Twin):
    twin.patch("/api/projects/1/", json={"model_version": "never"}, expect=400)
    for version in ("", "v1", None):
        twin.patch("/api/projects/1/", json={"model_version": version})
    twin.patch("/api/projects/1/", json={"show_collab_predictions": False}, expect=200)
    twin.rows()


def test_overlap_follows_settings(twin: Twin):
    for body in (
        {"maximum_annotations": 3}, {"maximum_annotations": 1}, {"skip_queue": "IGNORE_SKIPPED"},
        {"maximum_annotations": 2, "skip_queue": "REQUEUE_FOR_ME"}, {"overlap_cohort_percentage": 0},
        {"overlap_cohort_percentage": 100}, {"maximum_annotations": 0}, {"skip_queue": None},
    ):  # fmt: skip
        twin.patch("/api/projects/1/", json=body, expect=200)
        twin.get("/api/projects/1/", expect=200)
        twin.rows()


def test_a_new_configuration(twin: Twin):
    for config in (
        CONFIG, CONFIG.replace("Positive", "Other"), CONFIG.replace("Choices", "Labels").replace("Choice", "Label"),
        CONFIG.replace("sentiment", "mood"), "<View></View>", '<View><Text name="t" value="$text"/></View>',
    ):  # fmt: skip
        twin.patch("/api/projects/1/", json={"label_config": config})
        # Label Studio lists labels in the order of a set: only the messages with one label are compared.
        several = ["validation_errors"] if "Other" in config else []
        twin.post("/api/projects/1/validate/", json={"label_config": config}, ignore=several)
        twin.post("/api/projects/2/validate/", json={"label_config": config})
    twin.rows(ignore=UNLIKE)


def test_delete(twin: Twin):
    twin.delete("/api/projects/99/", expect=404)
    twin.delete("/api/projects/4/", expect=404)
    for number in (2, 1, 3):
        twin.delete(f"/api/projects/{number}/")
    twin.get("/api/projects/", expect=200)
    twin.rows()


def test_summary_and_history(twin: Twin):
    for number in (1, 2, 3):
        twin.get(f"/api/projects/{number}/summary/")
        twin.get(f"/api/projects/{number}/label-stream-history/")
        twin.get(f"/api/projects/{number}/annotators/")
    twin.get("/api/projects/99/summary/", expect=404)
    twin.get("/api/projects/99/annotators/", expect=404)
    twin.get("/api/projects/99/label-stream-history/", expect=404)


def test_model_versions(twin: Twin):
    for params in (
        {}, {"limit": 1}, {"limit": 0}, {"extended": "true"}, {"extended": "1", "include_live_models": "true"},
        {"extended": "maybe"}, {"limit": "x"}, {"include_live_models": 1},
    ):  # fmt: skip
        for number in (1, 2):
            twin.get(f"/api/projects/{number}/model-versions/", params=params)
    twin.delete("/api/projects/1/model-versions/", json={}, expect=400)
    twin.delete("/api/projects/1/model-versions/", json={"model_version": "never"}, expect=200)
    twin.delete("/api/projects/99/model-versions/", json={"model_version": "v1"}, expect=404)
    for version in twin.get("/api/projects/1/model-versions/").json:
        twin.delete("/api/projects/1/model-versions/", json={"model_version": version}, expect=200)
    twin.rows(differs={"task.total_predictions": "predictions-of-a-version"})
    [ours] = [side for side in twin.sides if side.name != "Label Studio"]
    with ours.database.connect() as connection:
        left = connection.exec_driver_sql("SELECT sum(total_predictions) FROM task WHERE project_id = 1").scalar()
    assert left == 0


def test_who_made_a_project_is_not_for_the_body_to_say(twin: Twin):
    person = {"id": 1, "first_name": "", "last_name": "", "email": "heartex@heartex.net"}
    body = {"title": "By the guide", "created_by": person}
    pair = twin.post("/api/projects/", json=body, as_user="bob", differs="created-by")
    assert (pair.theirs.status_code, pair.ours.status_code) == (500, 201)
    assert pair.ours.json()["created_by"]["email"] == "bob@example.com"
    twin.unseen_changes.clear()


def test_what_differs_on_purpose(twin: Twin):
    for method, path in (("PATCH", "/api/projects/1/"), ("POST", "/api/projects/1/validate/")):
        pair = twin.request(method, path, json={"label_config": "<View"}, differs="config-broken-xml")
        assert (pair.theirs.status_code, pair.ours.status_code) == (400, 400)
        assert "unclosed token" in str(pair.ours.json()["validation_errors"])
    pair = twin.post("/api/projects/1/sample-task/", json={"label_config": CONFIG}, differs="sample-values")
    assert pair.theirs.json()["sample_task"].keys() == pair.ours.json()["sample_task"].keys()
    for organization_id in (None, 2):
        pair = twin.patch("/api/projects/3/", json={"organization": organization_id}, differs="project-organization")
        assert (pair.theirs.status_code, pair.ours.status_code) == (200, 400)
        twin.execute("UPDATE project SET organization_id = 1 WHERE id = 3")
    pair = twin.put("/api/projects/2/", json={"title": "Put"}, differs="project-put")
    assert pair.theirs.json()["created_by"] is None and pair.ours.json()["created_by"]["id"] == 1
    twin.rows(differs={"project.created_by_id": "project-put", "project.updated_at": "project-organization"})


def test_an_integer_that_only_sqlite_could_hold(twin: Twin):
    body = {"min_annotations_to_start_training": 2**40}
    if twin.sides[0].database.dialect.name == "sqlite":
        pair = twin.post("/api/projects/", json=body, differs="integer-range")
        assert (pair.theirs.status_code, pair.ours.status_code) == (201, 400)
        twin.rows(differs={"project": "integer-range", "projects_projectsummary": "integer-range"})
    else:
        twin.post("/api/projects/", json=body, expect=400)
        twin.rows()


def test_every_label_of_a_first_annotation_counts(twin: Twin):
    config = '<View><Text name="text" value="$text"/><Labels name="l" toName="text"><Label value="A"/><Label value="B"/></Labels></View>'
    project = twin.post("/api/projects/", json={"label_config": config}, expect=201)["id"]
    task = twin.post("/api/tasks/", json={"project": project, "data": {"text": "x"}}, expect=201)["id"]
    result = [
        {
            "id": label,
            "from_name": "l",
            "to_name": "text",
            "type": "labels",
            "value": {"labels": [label], "start": 0, "end": 1},
        }
        for label in ("A", "B")
    ]
    twin.post(f"/api/tasks/{task}/annotations/", json={"result": result}, expect=201)
    for changed in ("", "reset/"):
        if changed:
            twin.post(f"/api/projects/{project}/summary/reset/", expect=200)
        pair = twin.get(f"/api/projects/{project}/summary/", differs="summary-labels")
        assert pair.theirs.json()["created_labels"] == {"l": {"B": 1}}
        assert pair.ours.json()["created_labels"] == {"l": {"A": 1, "B": 1}}
    twin.rows(ignore=UNLIKE, differs={"projects_projectsummary.created_labels": "summary-labels",
                                      "projects_projectsummary.all_data_columns": "summary-drift"})  # fmt: skip


def test_looking_at_the_history_changes_nothing(twin: Twin):
    history = [
        {"taskId": 1, "annotationId": None},
        {"taskId": 99_999, "annotationId": 5},
        {"taskId": 2, "annotationId": 77_777},
    ]
    twin.execute(
        "INSERT INTO projects_labelstreamhistory (user_id, project_id, data) VALUES (2, 5, :data)",
        data=json.dumps(history),
    )
    shown = twin.get("/api/projects/5/label-stream-history/", as_user="bob", expect=200)
    assert shown.json == [{"taskId": 1, "annotationId": None}, {"taskId": 2, "annotationId": None}]
    twin.rows(differs={"projects_labelstreamhistory.data": "history-by-looking"})
