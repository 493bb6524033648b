"""Drafts over HTTP: hostile values, other organizations, the summary, the oldest release."""

from __future__ import annotations

import json
from typing import Any

from console.service import Console
from tests.api.statements import at_most, silence_webhooks, values
from tests.api.test_annotations import OLDEST, POSITIVE
from tests.api_client import ApiClient
from tests.factories import BOTH_ENGINES

PATH = "/api/tasks/60/drafts"


@BOTH_ENGINES
def test_the_summary_counts_what_drafts_hold_now(alice: ApiClient, console: Console):
    silence_webhooks(console)
    start = _labels(console)["Positive"]
    with at_most(console, 6):
        draft = alice.post(PATH, json={"result": POSITIVE}).json["id"]
    assert _labels(console)["Positive"] == start + 1
    for _ in range(3):
        with at_most(console, 7):
            assert alice.patch(f"/api/drafts/{draft}/", json={"result": POSITIVE, "lead_time": 5}).status_code == 200
    assert _labels(console)["Positive"] == start + 1
    assert alice.patch(f"/api/drafts/{draft}/", json={"result": []}).status_code == 200
    assert _labels(console)["Positive"] == start
    assert alice.delete(f"/api/drafts/{draft}/").status_code == 204


HOSTILE: list[tuple[bytes, int]] = [
    (b'{"result": [5]}', 400), (b'{"result": [{"id": {}}]}', 400), (b'{"result": "text"}', 201), (b'{"result": 1e999}', 400),
    (b'{"result": ' + b'{"a":' * 300 + b"1" + b"}" * 300 + b"}", 201), (b'{"result": null}', 400), (b"[]", 400),
    (b'{"result": [], "user": "\\u0000"}', 400), (b'{"result": [], "annotation": 99999}', 400),
]  # fmt: skip


@BOTH_ENGINES
def test_hostile_values(alice: ApiClient, console: Console):
    for body, status in HOSTILE:
        before = values(console, "select count(*) from tasks_annotationdraft")
        response = alice.post(PATH, data=body, content_type="application/json")
        assert response.status_code == status, response.get_data(as_text=True)
        assert (values(console, "select count(*) from tasks_annotationdraft") == before) == (status != 201)
    assert len(alice.get(PATH).json) == 2


def test_nobody_reaches_another_organization(alice: ApiClient, erin: ApiClient):
    assert erin.get(PATH).json == []
    for method, path in (("POST", PATH), ("POST", "/api/tasks/60/annotations/3/drafts"), ("GET", "/api/drafts/3/"),
                         ("PATCH", "/api/drafts/3/"), ("PUT", "/api/drafts/3/"), ("DELETE", "/api/drafts/3/")):  # fmt: skip
        assert erin.send(method, path, json={"result": []}).status_code == 404, (method, path)
    assert alice.post("/api/tasks/60/annotations/279/drafts", json={"result": []}).status_code == 400
    assert alice.patch("/api/drafts/3/", json={"task": 200}).status_code == 400


def test_a_draft_names_its_owner(alice: ApiClient, bob: ApiClient):
    shown = alice.get("/api/drafts/3/").json
    assert shown["user"] == "alice@example.com"
    assert alice.patch("/api/drafts/3/", json={"user": shown["user"], "lead_time": 4}).json["lead_time"] == 4.0
    assert bob.patch("/api/drafts/3/", json={"user": "bob@example.com"}).status_code == 400
    assert bob.put("/api/drafts/3/", json={"result": []}).json["user"] == "bob@example.com"


@OLDEST
@BOTH_ENGINES
def test_the_oldest_release(alice: ApiClient, console: Console):
    made = alice.post(PATH, json={"result": POSITIVE, "was_postponed": True})
    assert made.status_code == 201
    assert alice.patch(f"/api/drafts/{made.json['id']}/", json={"lead_time": 3}).json["lead_time"] == 3.0
    assert alice.delete(f"/api/drafts/{made.json['id']}/").status_code == 204
    assert alice.get(PATH).json == []


def _labels(console: Console) -> dict[str, Any]:
    [(stored,)] = values(console, "select created_labels_drafts from projects_projectsummary where project_id = 1")
    found = json.loads(stored) if isinstance(stored, str) else stored
    labels: dict[str, Any] = found["sentiment"]
    return labels
