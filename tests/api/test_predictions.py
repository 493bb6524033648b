"""Predictions over HTTP: statements, hostile values, other organizations, the oldest release."""

from __future__ import annotations

from flask import Flask

from console.service import Console
from tests.api.statements import at_most, silence_webhooks, values
from tests.api.test_annotations import OLDEST, POSITIVE
from tests.api_client import ApiClient, client_of
from tests.factories import BOTH_ENGINES

PATH = "/api/predictions/"


@BOTH_ENGINES
def test_few_statements(alice: ApiClient, console: Console):
    silence_webhooks(console)
    with at_most(console, 6):
        made = alice.post(PATH, json={"task": 60, "result": POSITIVE, "score": 0.5})
    assert made.status_code == 201
    with at_most(console, 3):
        assert [item["id"] for item in alice.get(f"{PATH}?task=60").json] == [made.json["id"]]
    assert values(console, "select total_predictions, updated_by_id from task where id = 60") == [(1, 1)]
    assert alice.delete(f"{PATH}{made.json['id']}/").status_code == 204
    assert values(console, "select total_predictions from task where id = 60") == [(0,)]


@BOTH_ENGINES
def test_every_prediction_as_a_stream(alice: ApiClient, console: Console):
    found = [item["id"] for item in alice.get(PATH).json]
    assert (len(found), found) == (114, sorted(found))
    assert alice.post(PATH, json={"task": 60, "result": []}).status_code == 201


HOSTILE: list[tuple[bytes, int]] = [
    (b'{"task": 60, "result": [[1]]}', 400), (b'{"task": 60, "result": 1e999}', 400), (b'{"task": 60, "result": 2.5}', 400),
    (b'{"task": 60, "result": [], "score": "NaN"}', 400), (b'{"task": 60, "result": [], "score": 1e308}', 201),
    (b'{"task": 60, "result": [], "model_version": "a\\u0000"}', 400), (b'{"task": 6e1, "result": []}', 400),
    (b'{"task": 60, "result": [], "neighbors": ' + b"[" * 300 + b"]" * 300 + b"}", 201), (b"[]", 400), (b"{}", 400),
    (b'{"task": 60, "result": [], "model": 9223372036854775807}', 400), (b'{"task": -1, "result": []}', 400),
]  # fmt: skip


@BOTH_ENGINES
def test_hostile_values(alice: ApiClient, console: Console):
    for body, status in HOSTILE:
        before = values(console, "select count(*) from prediction")
        response = alice.post(PATH, data=body, content_type="application/json")
        assert response.status_code == status, response.get_data(as_text=True)
        assert (values(console, "select count(*) from prediction") == before) == (status != 201)
        [counted], [stored] = (
            values(console, statement) for statement in (
                "select total_predictions from task where id = 60", "select count(*) from prediction where task_id = 60",
            )
        )  # fmt: skip
        assert counted == stored


def test_nobody_reaches_another_organization(app: Flask, alice: ApiClient, erin: ApiClient, console: Console):
    for method in ("GET", "PATCH", "DELETE"):
        assert erin.send(method, f"{PATH}1/", json={}).status_code == 404, method
    assert erin.post(PATH, json={"task": 1, "result": []}).status_code == 400
    assert erin.get(f"{PATH}?task=1").status_code == 400
    assert {item["project"] for item in erin.get(PATH).json} == {4}
    assert alice.post(PATH, json={"task": 60, "result": [], "project": 4}).status_code == 400
    grace = client_of(app, console, "grace")
    assert grace.get(f"{PATH}1/").status_code == 403
    assert grace.get(PATH).json == []


@OLDEST
@BOTH_ENGINES
def test_the_oldest_release(alice: ApiClient, console: Console):
    made = alice.post(PATH, json={"task": 60, "result": {"choices": ["Positive"]}, "score": 0.5})
    assert made.status_code == 201
    assert made.json["result"][0]["value"] == {"choices": ["Positive"]}
    assert alice.patch(f"{PATH}{made.json['id']}/", json={"task": 61}).json["task"] == 61
    assert values(console, "select total_predictions from task where id in (60, 61) order by id") == [(0,), (2,)]
    assert alice.delete(f"{PATH}{made.json['id']}/").status_code == 204
    assert len(alice.get(PATH).json) == 114
