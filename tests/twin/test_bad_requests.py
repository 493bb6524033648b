"""Requests that no client should send: the same status, the same words, and no row touched."""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.twin import Twin

COLLECTIONS = ["/api/projects/", "/api/tasks/", "/api/predictions/", "/api/users/", "/api/dm/views/"]
OBJECTS = ["/api/projects/1/", "/api/tasks/1/", "/api/drafts/1/", "/api/predictions/1/"]
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "body",
    [b"{", b'{"title": }', b"[1,", b"nope", b"\xff\xfe", b'{"title": "\xff"}', b"", b"null", b"[]", b"1", b'"x"'],
)
@pytest.mark.parametrize("path", ["/api/projects/", "/api/tasks/1/annotations/", "/api/predictions/", "/api/tasks/"])
def test_a_body_that_is_not_what_json_was_promised(twin: Twin, path: str, body: bytes):
    twin.probe("POST", path, data=body, headers=JSON)


@pytest.mark.parametrize("path", OBJECTS)
def test_a_change_that_is_not_json(twin: Twin, path: str):
    twin.patch(path, data=b"{", headers=JSON, expect=400)
    twin.patch(path, data=b"x=1", headers={"Content-Type": "text/plain"}, expect=415)
    twin.rows()
    twin.probe("PATCH", path, data=b"[]", headers=JSON)


@pytest.mark.parametrize("body", [b"{", b"[]", b""])
def test_a_change_of_an_annotation_that_is_not_json(twin: Twin, body: bytes):
    twin.probe("PATCH", "/api/annotations/1/", data=body, headers=JSON, traces="refused-update")


@pytest.mark.parametrize("path", [*COLLECTIONS[:4], "/api/tasks/1/annotations/", "/api/projects/1/import"])
@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "image/png"])
def test_a_kind_of_body_that_nobody_reads(twin: Twin, path: str, kind: str):
    twin.probe("POST", path, data=b"<x/>", headers={"Content-Type": kind})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/api/projects/"),
        ("DELETE", "/api/projects/"),
        ("POST", "/api/projects/1/"),
        ("PATCH", "/api/tasks/"),
        ("POST", "/api/tasks/1/"),
        ("PUT", "/api/tasks/1/annotations/"),
        ("POST", "/api/annotations/1/"),
        ("POST", "/api/drafts/1/"),
        ("POST", "/api/projects/1/next/"),
        ("POST", "/api/current-user/whoami"),
        ("PUT", "/api/projects/1/import"),
        ("GET", "/api/projects/1/reimport"),
        ("GET", "/api/token/refresh/"),
        ("TRACE", "/api/projects/"),
    ],
)
def test_a_method_that_is_not_served(twin: Twin, method: str, path: str):
    twin.request(method, path, expect=405)
    twin.rows()


@pytest.mark.parametrize("path", ["/api/projects/", "/api/projects/1/", "/api/tasks/1/", "/api/tasks/1/annotations/"])
def test_head(twin: Twin, path: str):
    twin.request("HEAD", path, expect=200)


@pytest.mark.parametrize(
    "path",
    [
        "/api/projects/999/",
        "/api/tasks/99999/",
        "/api/annotations/99999/",
        "/api/drafts/99999/",
        "/api/predictions/99999/",
        "/api/dm/views/999/",
        "/api/users/999/",
        "/api/projects/999/next/",
        "/api/projects/999/summary/",
        "/api/projects/999/tasks/",
        "/api/tasks/99999/annotations/",
        "/api/tasks/?project=999",
        "/api/tasks/",
        "/api/tasks/?project=1&page=99",
        "/api/tasks/?project=1&page=0",
        "/api/tasks/?project=1&page=x",
        "/api/tasks/?project=x",
        "/api/tasks/?view=999",
        "/api/tasks/?view=x",
        "/api/projects/?page=99",
        "/api/projects/?page=0",
        "/api/projects/?page=x",
        "/api/projects/1/tasks/?page=99",
        "/api/predictions/?task=99999",
        "/api/dm/views/?project=999",
        "/api/dm/project?project=999",
    ],
)
def test_what_is_not_there(twin: Twin, path: str):
    twin.probe("GET", path)


@pytest.mark.parametrize(
    "path", ["/api/organizations/99", "/api/projects/1/exports/999", "/api/projects/999/export", "/api/nothing"]
)
def test_what_is_not_there_on_a_path_without_a_slash(twin: Twin, path: str):
    pair = twin.get(path, differs="html-404")
    assert pair.theirs.status_code == pair.ours.status_code == 404
    assert pair.theirs.headers["Content-Type"].startswith("text/html")
    assert pair.ours.json()["detail"] and pair.ours.json()["status_code"] == 404


@pytest.mark.parametrize(
    "path",
    [
        "/api/projects",
        "/api/projects/1",
        "/api/projects/1/next",
        "/api/tasks?project=1&page_size=2",
        "/api/tasks/1",
        "/api/tasks/1/annotations",
        "/api/annotations/1",
    ],
)
def test_a_slash_more_or_less(twin: Twin, path: str):
    twin.get(path)
    twin.rows()


@pytest.mark.parametrize("path", ["/api/current-user/whoami/", "/api/organizations/1/"])
def test_a_slash_that_label_studio_does_not_know(twin: Twin, path: str):
    answers = twin.get(path, differs="slash-too-many")
    assert (answers.theirs.status_code, answers.ours.status_code) == (404, 200)


@pytest.mark.parametrize(
    ("method", "path", "body", "key"),
    [
        ("POST", "/api/projects/", {"title": "Fine", "maximum_annotations": 99999999999}, "integer-range"),
        ("PATCH", "/api/projects/5/", {"maximum_annotations": 99999999999}, "integer-range"),
        ("POST", "/api/projects/", {"title": "Fine", "organization": 2}, "project-organization"),
        ("PATCH", "/api/projects/5/", {"organization": 2}, "project-organization"),
        ("PATCH", "/api/annotations/1/", {"result": [], "project": 2}, "annotation-moved"),
        ("PATCH", "/api/tasks/1/", {"project": None, "data": {"text": "x"}}, "task-without-project"),
    ],
)
def test_what_label_studio_takes_and_the_console_refuses(
    twin: Twin, method: str, path: str, body: dict[str, Any], key: str
):
    twin.probe(method, path, json=body, refused=key)


@pytest.mark.parametrize("body", [{"result": [], "task": 2}, {"result": [], "project": 2}], ids=str)
def test_an_annotation_is_of_the_task_in_its_path(twin: Twin, body: dict[str, Any]):
    twin.probe("POST", "/api/tasks/50/annotations/", json=body)


def test_who_made_a_project_is_not_for_clients_to_say(twin: Twin):
    before = twin.get("/api/projects/5/", expect=200)["created_by"]
    answers = twin.patch("/api/projects/5/", json={"created_by": 2}, differs="project-created-by")
    assert (answers.theirs.status_code, answers.ours.status_code) == (400, 200)
    assert answers.ours.json()["created_by"] == before
    twin.rows(differs={"project.updated_at": "project-created-by"})


def test_a_configuration_that_is_no_xml(twin: Twin):
    twin.post("/api/projects/", json={"title": "Fine", "label_config": "<View"}, expect=400)
    answers = twin.patch("/api/projects/5/", json={"label_config": "<View"}, differs="config-broken-xml")
    assert answers.theirs.status_code == answers.ours.status_code == 400
    assert answers.ours.json()["validation_errors"]["label_config"]
    twin.rows()


WRONG_PROJECTS: list[dict[str, Any]] = [
    {"title": "x"},
    {"title": "x" * 51},
    {"title": ""},
    {"title": None},
    {"title": ["a list"]},
    {"title": 12345},
    {"title": "Fine", "maximum_annotations": 0},
    {"title": "Fine", "maximum_annotations": "many"},
    {"title": "Fine", "maximum_annotations": 1.5},
    {"title": "Fine", "overlap_cohort_percentage": 101},
    {"title": "Fine", "sampling": "By taste"},
    {"title": "Fine", "skip_queue": "NEVER"},
    {"title": "Fine", "color": "red"},
    {"title": "Fine", "show_skip_button": "perhaps"},
    {"title": "Fine", "is_published": None},
    {"title": "Fine", "label_config": "<View><Choices name='a' toName='nowhere'><Choice value='b'/></Choices></View>"},
    {"title": "Fine", "label_config": {"a": 1}},
    {"title": "Fine", "control_weights": "heavy"},
    {"title": "Fine", "model_version": "never-heard-of"},
    {"title": "Fine", "id": 77},
    {"title": "Fine", "pinned_at": "yesterday"},
    {"title": "Fine\u0000"},
    {"unknown": 1},
    {},
]


@pytest.mark.parametrize("asked", [("POST", "/api/projects/"), ("PATCH", "/api/projects/5/")], ids=["POST", "PATCH"])
@pytest.mark.parametrize("body", WRONG_PROJECTS, ids=lambda body: str(body)[:60].encode("ascii", "replace").decode())
def test_a_project_of_wrong_values(twin: Twin, asked: tuple[str, str], body: dict[str, Any]):
    twin.probe(*asked, json=body)


WRONG_ANNOTATIONS: list[dict[str, Any]] = [
    {},
    {"result": None},
    {"result": "text"},
    {"result": "[]"},
    {"result": {"a": 1}},
    {"result": 5},
    {"result": [1, "two", None]},
    {"result": [], "lead_time": "long"},
    {"result": [], "lead_time": None},
    {"result": [], "lead_time": -1},
    {"result": [], "was_cancelled": "perhaps"},
    {"result": [], "was_cancelled": None},
    {"result": [], "ground_truth": "yes"},
    {"result": [], "completed_by": 999},
    {"result": [], "completed_by": "alice"},
    {"result": [], "completed_by": 2},
    {"result": [], "unique_id": "not-a-uuid"},
    {"result": [], "parent_prediction": 99999},
    {"result": [], "parent_annotation": "x"},
    {"result": [], "draft_id": "x"},
    {"result": [], "import_id": "x"},
    {"result": [], "last_action": "sneezed"},
    {"result": [], "id": 5},
    {"result": [{"id": "a", "value": {"text": "nul \u0000 character"}}]},
]


@pytest.mark.parametrize(
    "asked", [("POST", "/api/tasks/50/annotations/"), ("PATCH", "/api/annotations/1/")], ids=["POST", "PATCH"]
)
@pytest.mark.parametrize("body", WRONG_ANNOTATIONS, ids=lambda body: str(body)[:60].encode("ascii", "replace").decode())
def test_an_annotation_of_wrong_values(twin: Twin, asked: tuple[str, str], body: dict[str, Any]):
    twin.probe(*asked, json=body, traces="refused-update")


WRONG_TASKS: list[dict[str, Any]] = [
    {"project": 1},
    {"data": {"text": "x"}},
    {"project": 999, "data": {"text": "x"}},
    {"project": "x", "data": {"text": "x"}},
    {"project": 1, "data": None},
    {"project": 1, "data": []},
    {"project": 1, "data": "text"},
    {"project": 1, "data": {}},
    {"project": 1, "data": {"other": "x"}},
    {"project": 1, "data": {"text": 5}},
    {"project": 1, "data": {"text": {"a": 1}}},
    {"project": 1, "data": {"text": "x"}, "overlap": "many"},
    {"project": 1, "data": {"text": "x"}, "overlap": 5, "inner_id": 7, "is_labeled": True},
    {"project": 1, "data": {"text": "x"}, "meta": "x"},
    {"project": 1, "data": {"text": "x"}, "meta": {"a": 1}},
    {"project": 1, "data": {"text": "x"}, "total_annotations": 9},
    {"project": 1, "data": {"text": "x"}, "file_upload": 999},
    {"project": 1, "data": {"text": "x"}, "annotations": [{"result": []}]},
]


@pytest.mark.parametrize("asked", [("POST", "/api/tasks/"), ("PATCH", "/api/tasks/1/")], ids=["POST", "PATCH"])
@pytest.mark.parametrize("body", WRONG_TASKS, ids=lambda body: str(body)[:60])
def test_a_task_of_wrong_values(twin: Twin, asked: tuple[str, str], body: dict[str, Any]):
    twin.probe(*asked, json=body)


WRONG_PREDICTIONS: list[dict[str, Any]] = [
    {"task": 1},
    {"result": []},
    {"task": 99999, "result": []},
    {"task": 1, "result": None},
    {"task": 1, "result": "Nothing of the kind"},
    {"task": 1, "result": {"unknown": 1}},
    {"task": 1, "result": [], "score": "high"},
    {"task": 1, "result": [], "score": None},
    {"task": 1, "result": [], "model_version": None},
    {"task": 1, "result": [], "model_version": 5},
    {"task": 1, "result": [], "project": 2},
    {"task": 1, "result": [], "mislabeling": "x"},
]


@pytest.mark.parametrize(
    "asked", [("POST", "/api/predictions/"), ("PATCH", "/api/predictions/1/")], ids=["POST", "PATCH"]
)
@pytest.mark.parametrize("body", WRONG_PREDICTIONS, ids=lambda body: str(body)[:60])
def test_a_prediction_of_wrong_values(twin: Twin, asked: tuple[str, str], body: dict[str, Any]):
    twin.probe(*asked, json=body)


@pytest.mark.parametrize(
    "path",
    [
        "/api/projects/1/import",
        "/api/projects/1/import/predictions",
        "/api/projects/1/reimport",
        "/api/projects/1/validate/",
        "/api/projects/validate/",
    ],
)
@pytest.mark.parametrize("body", [b"{", b"null", b"[]", b"{}", b"5", b'"text"', b"[[]]", b"[null]", b'[{"other": 1}]'])
def test_an_import_of_nonsense(twin: Twin, path: str, body: bytes):
    twin.probe("POST", path, data=body, headers=JSON)


def test_forms_are_read_as_json_is(twin: Twin):
    made = twin.post(
        "/api/projects/", data={"title": "By form", "maximum_annotations": "2", "show_skip_button": "false"}, expect=201
    )
    twin.post("/api/projects/", files={"title": (None, "By parts")}, expect=201)
    twin.patch(f"/api/projects/{made['id']}/", data={"description": "told by a form"}, expect=200)
    twin.post("/api/tasks/", data={"project": str(made["id"]), "data": '{"text": "x"}'})
    twin.rows()
