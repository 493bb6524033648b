"""Annotations over HTTP: what is refused, what is counted, what many people do at once.

That answers and rows are Label Studio's own is proved in tests/twin/test_annotations.py.
"""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from console import storage_writes
from console.service import Console
from tests.api.statements import at_most, silence_webhooks, values
from tests.api_client import ApiClient, client_of
from tests.factories import BOTH_ENGINES

PATH = "/api/tasks/60/annotations/"
POSITIVE = [
    {"id": "r1", "from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": ["Positive"]}}
]
OLDEST = pytest.mark.parametrize("version", ["1.8.2.post1"])


@BOTH_ENGINES
def test_few_statements(alice: ApiClient, console: Console, monkeypatch: pytest.MonkeyPatch):
    """Target storages are written beside the request, where jobs do not run inline."""
    silence_webhooks(console)
    monkeypatch.setattr(storage_writes, "bring", lambda *_: None)
    alice.post(PATH, json={"result": POSITIVE})
    draft = alice.post("/api/tasks/60/drafts", json={"result": POSITIVE}).json["id"]
    with at_most(console, 9):
        assert alice.post(PATH, json={"result": POSITIVE}).status_code == 201
    with at_most(console, 12):
        body = {"result": POSITIVE, "draft_id": draft, "completed_by": 2, "parent_annotation": 3}
        assert alice.post(PATH, json=body).status_code == 201
    with at_most(console, 3):
        assert len(alice.get(PATH).json) == 3
    with at_most(console, 3):
        assert alice.get("/api/annotations/3/").json["id"] == 3
    with at_most(console, 10):
        assert alice.patch("/api/annotations/3/", json={"result": POSITIVE}).status_code == 200


@BOTH_ENGINES
def test_many_at_once_leave_the_right_counters(app: Flask, console: Console, engine: str):
    silence_webhooks(console)
    people = [client_of(app, console, person) for person in ("alice", "bob", "carol")]
    start = threading.Barrier(8)

    def annotate(number: int) -> int:
        start.wait()
        client = ApiClient(app, people[number % 3].headers)
        body = {"result": POSITIVE, "was_cancelled": number % 4 == 3}
        return max(client.post(PATH, json=body).status_code for _ in range(3))

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(annotate, range(8))) == {201}
    [counters] = values(console, "select total_annotations, cancelled_annotations, is_labeled from task where id = 60")
    assert counters == (18, 6, True)
    [(created,)] = values(console, "select created_annotations from projects_projectsummary where project_id = 1")
    assert (json.loads(created) if isinstance(created, str) else created)["sentiment|text|choices"] == 90 + 24


HOSTILE: list[tuple[bytes, int | None]] = [
    (b'{"result": [' + b"[" * 5000 + b"]" * 5000 + b"]}", 400),
    (b'{"result": [{"id": "a", "value": ' + b'{"a":' * 400 + b"1" + b"}" * 400 + b"}]}", 201),
    (b'{"result": [{"id": 123456789012345678901234567890}]}', 201),
    (b'{"lead_time": 1e999}', 400), (b'{"lead_time": NaN}', 400), (b'{"lead_time": "Infinity"}', 400),
    (b'{"result": [{"id": "\\ud800"}]}', None), (b"\xff\xfe", 400), (b'{"result": ', 400), (b"null", 400),
    (b'{"completed_by": 99999999999999999999999}', 400), (b'{"parent_annotation": 9223372036854775807}', 400),
    (b'{"import_id": 9223372036854775807}', 201), (b'{"draft_id": 9223372036854775807}', 201),
    (b'{"draft_id": 1e400}', 400), (b'{"draft_id": true}', 400), (b'{"draft_created_at": "9999-12-31T23:59:59-23:00"}', 400),
    (b'{"unique_id": "11111111-1111-1111-1111-11111111111\\u0000"}', 400), (b'{"last_action": ["x"]}', 400),
]  # fmt: skip


@BOTH_ENGINES
def test_hostile_values(alice: ApiClient, console: Console):
    for body, status in HOSTILE:
        before = values(console, "select count(*) from task_completion")
        response = alice.post(PATH, data=body, content_type="application/json")
        assert response.status_code in ({status} if status else {201, 400}), response.get_data(as_text=True)
        assert (values(console, "select count(*) from task_completion") == before) == (response.status_code != 201)
        if response.status_code == 400:
            assert response.json["status_code"] == 400


@BOTH_ENGINES
def test_null_characters_are_no_json_for_postgresql(alice: ApiClient, console: Console, engine: str):
    response = alice.post(PATH, json={"result": [{"id": "a", "value": {"text": "x\0y"}}]})
    if engine == "sqlite":
        assert response.status_code == 201
        return
    assert response.status_code == 400
    assert response.json["validation_errors"] == {"non_field_errors": ["Null characters are not allowed."]}
    assert values(console, "select count(*) from task_completion where task_id = 60") == [(0,)]


UNCOUNTABLE: list[tuple[Any, str]] = [
    (5, "Region 0 must be an object."),
    ({"id": []}, "Region 0: its id must be a text."),
    (POSITIVE[0] | {"from_name": 1}, "Region 0: from_name must be a text."),
    (POSITIVE[0] | {"type": 1}, "Region 0: type must be a text."),
    (POSITIVE[0] | {"to_name": [1]}, "Region 0: to_name must be a text or a list of texts."),
    (POSITIVE[0] | {"value": "x"}, "Region 0: value must be an object."),
]


def test_a_region_that_could_not_be_counted_is_refused(alice: ApiClient):
    for region, said in UNCOUNTABLE:
        response = alice.post(PATH, json={"result": [region]})
        assert (response.status_code, response.json["validation_errors"]) == (400, {"result": [said]})
        assert alice.patch("/api/annotations/3/", json={"result": [region]}).status_code == 400


def test_an_annotation_stays_in_its_project(alice: ApiClient, console: Console):
    refused = alice.patch("/api/annotations/3/", json={"task": 100})
    assert refused.json["validation_errors"] == {"task": ["An annotation stays in its project."]}
    assert alice.patch("/api/annotations/3/", json={"project": 2}).status_code == 400
    assert alice.patch("/api/annotations/3/", json={"task": None}).status_code == 400
    moved = alice.patch("/api/annotations/3/", json={"task": 60, "project": 1})
    assert (moved.status_code, moved.json["task"]) == (200, 60)
    counters = values(console, "select total_annotations from task where id in (1, 60) order by id")
    assert counters == [(1,), (1,)]


def test_nobody_reaches_another_organization(alice: ApiClient, erin: ApiClient, console: Console):
    for method, path in (("GET", PATH), ("POST", PATH), ("GET", "/api/annotations/3/"), ("PATCH", "/api/annotations/3/"),
                         ("PUT", "/api/annotations/3/"), ("DELETE", "/api/annotations/3/"),
                         ("POST", "/api/annotations/3/convert-to-draft")):  # fmt: skip
        assert erin.send(method, path, json={}).status_code == 404, (method, path)
    for field, value in (("completed_by", 5), ("parent_annotation", 279), ("parent_prediction", 140), ("task", 200)):
        response = alice.post(PATH, json={"result": [], field: value})
        assert response.json["validation_errors"] == {field: [f'Invalid pk "{value}" - object does not exist.']}
    assert alice.post(PATH, json={"result": [], "draft_id": 11}).status_code == 403
    assert values(console, "select count(*) from task_completion") == [(360,)]


def test_a_former_member_is_refused(app: Flask, console: Console):
    grace = client_of(app, console, "grace")
    for method, path in (
        ("GET", PATH),
        ("POST", PATH),
        ("GET", "/api/annotations/3/"),
        ("DELETE", "/api/annotations/3/"),
    ):
        assert grace.send(method, path, json={}).status_code == 403, (method, path)


@OLDEST
@BOTH_ENGINES
def test_the_oldest_release(alice: ApiClient, console: Console):
    made = alice.post(PATH, json={"result": POSITIVE, "lead_time": 2, "bulk_created": True, "ground_truth": True})
    assert made.status_code == 201
    assert "bulk_created" not in made.json
    path = f"/api/annotations/{made.json['id']}/"
    assert alice.patch(path, json={"was_cancelled": True}).json["was_cancelled"] is True
    assert values(console, "select total_annotations, cancelled_annotations from task where id = 60") == [(0, 1)]
    assert alice.post(f"{path}convert-to-draft").status_code == 201
    assert alice.delete("/api/annotations/3/").status_code == 204
    assert alice.get("/api/annotations/3/").status_code == 404
