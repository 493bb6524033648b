"""Every API route against everybody who should not reach what is behind it, from the URL map."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from werkzeug.routing import Rule

from console.service import Console
from tests.api_client import ApiClient
from tests.digests import digests
from tests.factories import BOTH_ENGINES

METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")


def api_rules(app: Flask) -> list[tuple[Rule, str]]:
    """(rule, permission) of every rule of the API."""
    return [
        (rule, app.view_functions[rule.endpoint].permission)  # type: ignore[attr-defined]
        for rule in app.url_map.iter_rules() if rule.endpoint.startswith("api.")
    ]  # fmt: skip


def address(rule: Rule, value: str) -> str:
    return re.sub(r"<[^>]*>", value, rule.rule)


def test_every_route_is_public_or_asks_for_an_account(app: Flask) -> None:
    rules = api_rules(app)
    assert rules
    assert {permission for _, permission in rules} <= {"public", "api"}


@pytest.mark.parametrize("headers", [{}, {"Authorization": f"Token {'0' * 40}"}, {"Authorization": "Bearer x.y.z"}])
def test_nobody_reaches_a_route_that_needs_an_account(app: Flask, headers: dict[str, str]) -> None:
    client = ApiClient(app, headers)
    for rule, permission in api_rules(app):
        for method in set(METHODS) & set(rule.methods or ()):
            if permission == "api":
                assert client.send(method, address(rule, "1")).status_code == 401, (method, rule.rule)


@pytest.mark.parametrize("body", [b"{", b"[1,2", b"\xff\xfe", b'{"a": NaN}', b"null", b"3", b'"text"', b"[" * 3000])
def test_a_broken_body_is_a_4xx_everywhere(app: Flask, erin: ApiClient, body: bytes) -> None:
    for rule, permission in api_rules(app):
        for method in {"POST", "PATCH", "PUT"} & set(rule.methods or ()):
            url = address(rule, "999999")
            response = erin.send(method, url, data=body, content_type="application/json")
            assert response.status_code < 500, (method, url, body[:20], response.get_data(as_text=True)[:300])
            if permission == "api" and method == "POST" and body == b"{":
                assert response.status_code >= 300 or "token" in url, (method, url)


def test_ids_that_fit_no_column_are_not_found(app: Flask, alice: ApiClient) -> None:
    for rule, _ in api_rules(app):
        if "GET" in (rule.methods or ()) and "<" in rule.rule and "int" in rule.rule:
            for value in (str(2**63), str(2**63 - 1), str(2**31), "-1", "0"):
                response = alice.get(address(rule, value))
                nothing = response.status_code == 200 and response.get_json() == []  # some of Label Studio's lists
                assert nothing or response.status_code in {400, 403, 404, 405}, (rule.rule, value, response.status_code)


@BOTH_ENGINES
def test_looking_changes_nothing(app: Flask, console: Console, alice: ApiClient) -> None:
    """Every GET but the next task, which takes a lock for whoever is going to label it, as Label Studio does."""
    before = digests(console.settings.database_url or "")
    asked = 0
    for rule, _ in api_rules(app):
        if "GET" in (rule.methods or ()) and not rule.rule.endswith(("/next/", "/logout/")):
            for value in ("1", "3"):
                alice.get(address(rule, value) + ("?project=1" if value == "1" else ""))
                asked += 1
    assert asked > 1
    assert digests(console.settings.database_url or "") == before
