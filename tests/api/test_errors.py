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


def test_a_method_without_a_route_is_405(alice: ApiClient) -> None:
    response = alice.send("TRACE", "/api/tasks/1/annotations/")
    assert response.status_code == 405
    assert response.get_json()["detail"] == 'Method "TRACE" not allowed.'
