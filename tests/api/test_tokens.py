"""Tokens over HTTP: few statements, both engines, without the key, and what strangers send."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask

from console.config import Settings
from console.service import Console
from console.state import audit
from tests.api.statements import at_most, values
from tests.api_client import ApiClient, client_of
from tests.factories import BOTH_ENGINES

SECRET = "label-studio-fixture-secret"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, label_studio_secret_key=SECRET)


@pytest.fixture
def carol(app: Flask, console: Console) -> ApiClient:
    return client_of(app, console, "carol")


@BOTH_ENGINES
def test_a_token_from_making_to_revoking(carol: ApiClient, anonymous: ApiClient, console: Console) -> None:
    with at_most(console, 4):
        made = carol.post("/api/token/").get_json()["token"]
    assert carol.post("/api/token/").status_code == 409
    with at_most(console, 1):
        access = anonymous.post("/api/token/refresh/", json={"refresh": made}).get_json()["access"]
    who = {"Authorization": f"Bearer {access}"}
    assert anonymous.get("/api/current-user/whoami", headers=who).get_json()["email"] == "carol@example.com"
    fresh = carol.post("/api/token/rotate/", json={"refresh": made}).get_json()["refresh"]
    refused = anonymous.post("/api/token/refresh/", json={"refresh": made})
    assert (refused.status_code, refused.get_json()["detail"]) == (401, "Token is blacklisted")
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="api"'
    [shown] = carol.get("/api/token/").get_json()
    assert fresh.startswith(shown["token"] + ".")
    assert anonymous.post("/api/token/blacklist/", json={"refresh": shown["token"]}).status_code == 204
    assert carol.get("/api/token/").get_json() == []
    stored = values(console, "select token from token_blacklist_outstandingtoken where user_id = 3")
    assert all(token.count(".") == 1 for (token,) in stored)
    with console.store.read() as session:
        assert len(audit.latest(session, subject="user:3")) == 3
    assert audit.verify(console.store).ok


def test_a_write_with_an_access_token_is_noted_as_activity(
    carol: ApiClient, anonymous: ApiClient, console: Console
) -> None:
    def seen() -> object:
        return values(console, "select last_activity from htx_user where id = 3")

    before = seen()
    made = carol.post("/api/token/").get_json()["token"]
    assert seen() == before, "a legacy token leaves no trace, as in Label Studio"
    access = anonymous.post("/api/token/refresh/", json={"refresh": made}).get_json()["access"]
    bearer = {"Authorization": f"Bearer {access}"}
    anonymous.get("/api/users/", headers=bearer)
    assert seen() == before
    assert anonymous.patch("/api/users/3/", json={"phone": "1"}, headers=bearer).status_code == 200
    assert seen() != before


BODIES = [
    b"",
    b"{}",
    b"[]",
    b'{"refresh": null}',
    b'{"refresh": 5}',
    b'{"refresh": "\\u0000"}',
    b'{"refresh": {"a": 1}}',
    b"{",
]


def test_strange_bodies_are_refused(carol: ApiClient, console: Console) -> None:
    before = values(console, "select count(*) from token_blacklist_outstandingtoken")
    for body in (*BODIES, b'{"refresh": "%s"}' % (b"x" * 2**20)):
        for path in ("refresh", "rotate", "blacklist"):
            response = carol.post(f"/api/token/{path}/", data=body, content_type="application/json")
            assert response.status_code in {400, 401, 404}, (path, body[:30], response.get_data(as_text=True)[:300])
    assert values(console, "select count(*) from token_blacklist_outstandingtoken") == before


def test_settings_of_an_organization_without_a_row(carol: ApiClient, console: Console) -> None:
    with console.deployment.write() as session:
        session.connection().exec_driver_sql("update htx_user set active_organization_id = 1")
        session.connection().exec_driver_sql("delete from jwt_auth_jwtsettings where organization_id = 2")
    changed = carol.post("/api/jwt/settings", json={"api_tokens_enabled": False, "unknown": 1})
    assert changed.get_json() == {"api_tokens_enabled": False, "legacy_api_tokens_enabled": True}
    assert values(console, "select count(*) from jwt_auth_jwtsettings") == [(1,)]


def test_without_the_key_the_setting_is_named(console: Console, carol: ApiClient, app: Flask) -> None:
    console.settings = replace(console.settings, label_studio_secret_key=None)
    for path in ("/api/token/", "/api/token/refresh/", "/api/token/rotate/"):
        response = carol.post(path, json={"refresh": "x"})
        assert response.status_code == 403 and "LSCONSOLE_LABEL_STUDIO_SECRET_KEY" in response.get_json()["detail"], (
            path
        )
    assert carol.get("/api/current-user/token").status_code == 200


@BOTH_ENGINES
def test_a_legacy_token_is_reset(carol: ApiClient, console: Console) -> None:
    with at_most(console, 4):
        made = carol.post("/api/current-user/reset-token/")
    assert made.status_code == 201 and len(made.get_json()["token"]) == 40
    assert carol.get("/api/current-user/token").status_code == 401
    carol.headers = {"X-Api-Key": made.get_json()["token"]}
    assert carol.get("/api/current-user/token").get_json() == made.get_json()


def test_an_account_without_a_legacy_token(carol: ApiClient, console: Console) -> None:
    made = carol.post("/api/token/").get_json()["token"]
    access = carol.post("/api/token/refresh/", json={"refresh": made}).get_json()["access"]
    with console.deployment.write() as session:
        session.connection().exec_driver_sql("delete from authtoken_token where user_id = 3")
    carol.headers = {"Authorization": f"Bearer {access}"}
    assert carol.get("/api/current-user/token").status_code == 404
    assert carol.post("/api/current-user/reset-token/").status_code == 201
    assert carol.get("/api/current-user/token").status_code == 200
