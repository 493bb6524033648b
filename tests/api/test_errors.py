"""Refusals have Label Studio's body, whatever is wrong with a request."""

from __future__ import annotations

import uuid

import pytest

from tests.api_client import ApiClient


def test_a_refusal_has_the_envelope_and_its_id_in_a_header(anonymous: ApiClient) -> None:
    response = anonymous.get("/api/tasks/1/annotations/")
    body = response.get_json()
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Token"
    assert response.headers["X-Request-ID"] == body.pop("id")
    assert body == {"status_code": 401, "version": "1.23.2", "exc_info": None,
                    "detail": "Authentication credentials were not provided."}  # fmt: skip


@pytest.mark.parametrize("path", ["/api/tasks/1/annotations", "/api/tasks/1/annotations/"])
def test_the_slash_at_the_end_may_be_missing(alice: ApiClient, path: str) -> None:
    response = alice.get(path)
    assert response.status_code == 200
    assert {row["task"] for row in response.get_json()} <= {1}


@pytest.mark.parametrize(
    "path", ["/api/tasks/99999999999999999999/annotations/", "/api/nothing/here", "/api/tasks/x/annotations"]
)
def test_what_is_not_there_is_404_in_json(alice: ApiClient, path: str) -> None:
    response = alice.get(path)
    assert response.status_code == 404
    uuid.UUID(response.get_json()["id"])


@pytest.mark.parametrize("path", ["/api/webhooks/", "/api/ml"])
def test_what_only_label_studio_serves_is_told(alice: ApiClient, path: str) -> None:
    response = alice.get(path)
    assert (response.status_code, "ask Label Studio itself" in response.get_json()["detail"]) == (404, True)


def test_a_method_without_a_route_is_405(alice: ApiClient) -> None:
    response = alice.send("TRACE", "/api/tasks/1/annotations/")
    assert response.status_code == 405
    assert response.get_json()["detail"] == 'Method "TRACE" not allowed.'


def test_a_refusal_may_quote_what_is_no_text(alice: ApiClient) -> None:
    half = {"last_action": "\ud800"}
    response = alice.patch("/api/annotations/1/", json=half)
    assert response.status_code == 400
    assert "\ud800" in response.get_json()["validation_errors"]["last_action"][0]


def test_what_later_answers_show_is_not_nested_deeply(alice: ApiClient) -> None:
    """One hostile tab or project must not break the lists of all."""
    nested: object = "end"
    for levels in range(300):
        nested = [nested]
        if levels < 240:
            continue
        assert alice.post("/api/dm/views/", json={"project": 1, "data": {"x": nested}}).status_code in {201, 400}
        weights = {"control_weights": {"x": nested}}
        assert alice.patch("/api/projects/1/", json=weights).status_code in {200, 400}
    assert alice.post("/api/dm/views/", json={"project": 1, "data": {"x": nested}}).status_code == 400
    assert alice.patch("/api/projects/1/", json={"control_weights": {"x": nested}}).status_code == 400
    for path in ("/api/dm/views/?project=1", "/api/projects/", "/api/dm/project/?project=1", "/api/projects/1/"):
        assert alice.get(path).status_code == 200, path


def test_filters_below_filters_end_somewhere(alice: ApiClient) -> None:
    nested: dict[str, object] = {"filter": "filter:tasks:id", "operator": "equal", "type": "Number", "value": 1}
    for _ in range(300):
        nested = nested | {"child_filter": nested}
    filters = {"conjunction": "and", "items": [nested]}
    assert alice.post("/api/dm/views/", json={"project": 1, "data": {"filters": filters}}).status_code == 400
