"""Who is let in: legacy tokens, access tokens, sessions of Label Studio's and of this console's pages; and who is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from console import auth
from console.app import build
from console.config import Settings
from console.labeling import sessions, tokens_jwt
from console.service import Console
from tests.api.statements import at_most
from tests.api_client import ApiClient, client_of, token_of
from tests.factories import BOTH_ENGINES

SECRET = "label-studio-fixture-secret"
WHO = "/api/current-user/whoami"
OFF = "Authentication token no longer valid: legacy token authentication has been disabled for this organization"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, label_studio_secret_key=SECRET)


def bearer(user: int = 1, *, secret: str = SECRET, kind: Any = "access", **claims: Any) -> dict[str, str]:
    made = tokens_jwt.new_claims(kind, user, datetime.now(UTC)) | claims
    return {"Authorization": f"Bearer {tokens_jwt.encode(made, secret)}"}


def session_cookie(console: Console, user: int = 1, secret: str = SECRET, **changes: Any) -> str:
    with console.deployment.read() as session:
        password = session.execute(text("select password from htx_user where id = :id"), {"id": user}).scalar_one()
    return sessions.seal(sessions.signed_in(user, password, secret, organization_id=1, keep=True) | changes, secret)


def change(console: Console, statement: str) -> None:
    with console.deployment.write() as session:
        session.execute(text(statement))


def with_session(app: Flask, cookie: str, headers: dict[str, str] | None = None) -> ApiClient:
    client = ApiClient(app, headers or {})
    client.flask.set_cookie("sessionid", cookie)
    return client


def refusal(app: Flask, headers: dict[str, str]) -> str:
    response = ApiClient(app, headers).get(WHO)
    assert response.status_code == 401 and response.headers["WWW-Authenticate"] == "Token"
    return str(response.get_json()["detail"])


@BOTH_ENGINES
def test_a_token_is_looked_up_in_one_statement(alice: ApiClient, console: Console) -> None:
    with at_most(console, 2):
        assert alice.get(WHO).get_json()["email"] == "alice@example.com"


NOT_PROVIDED = "Authentication credentials were not provided."
HEADERS = {
    "": NOT_PROVIDED, "Basic YTpi": NOT_PROVIDED, "Bearer": NOT_PROVIDED, "Bearer x.y.z": NOT_PROVIDED,
    "bearer x": NOT_PROVIDED, "token": "Invalid token header. No credentials provided.",
    "TOKEN a b": "Invalid token header. Token string should not contain spaces.", "Token abc": "Invalid token.",
    "Token \xe9": "Invalid token header. Token string should not contain invalid characters.",
    "Token ' or '1'='1": "Invalid token header. Token string should not contain spaces.",
    "Token %00": "Invalid token.", f"Token {'0' * 2**20}": "Invalid token.",
}  # fmt: skip


def test_headers_that_let_nobody_in(app: Flask) -> None:
    assert {header: refusal(app, {"Authorization": header}) for header in HEADERS} == HEADERS


@BOTH_ENGINES
def test_a_null_character_in_a_token_is_a_wrong_token(app: Flask) -> None:
    environment = {"HTTP_AUTHORIZATION": "Token a\0b"}
    response = app.test_client().get(WHO, environ_overrides=environment)
    assert (response.status_code, response.get_json()["detail"]) == (401, "Invalid token.")


def test_the_key_header_wins(app: Flask, console: Console) -> None:
    alice, bob = token_of(console, "alice"), token_of(console, "bob")
    client = ApiClient(app, {"Authorization": f"Token {bob}", "X-Api-Key": alice})
    assert client.get(WHO).get_json()["id"] == 1
    assert refusal(app, {"Authorization": f"Token {bob}", "X-Api-Key": "wrong"}) == "Invalid token."


def test_whose_token_is_refused(app: Flask, console: Console) -> None:
    erin = {"Authorization": f"Token {token_of(console, 'erin')}"}
    assert refusal(app, erin) == OFF
    change(console, "delete from jwt_auth_jwtsettings where organization_id = 2")
    assert refusal(app, erin) == OFF, "an organization without settings has the release's defaults"
    change(console, "delete from django_migrations where app = 'jwt_auth' and name like '0002%'")
    assert ApiClient(app, erin).get(WHO).status_code == 200, "an older release accepted legacy tokens by default"
    change(console, "update htx_user set is_active = false where id = 5")
    assert refusal(app, erin) == "User inactive or deleted."


def test_somebody_without_an_organization_sees_nothing(app: Flask, console: Console) -> None:
    change(console, "update htx_user set active_organization_id = null where id = 2")
    bob = client_of(app, console, "bob")
    assert bob.get(WHO).get_json()["active_organization_meta"] == {"title": "", "email": ""}
    assert bob.get("/api/users/").get_json() == [] and bob.get("/api/projects/").get_json()["count"] == 0
    for path in ("/api/users/1/", "/api/invite", "/api/jwt/settings", "/api/session-policy/", "/api/workspaces/"):
        assert bob.get(path).status_code in {403, 404}, path
    assert bob.post("/api/invite/reset-token").status_code == 403


BAD_BEARERS: list[dict[str, Any]] = [
    {"kind": "refresh"}, {"secret": "another secret that is long enough"}, {"exp": 1}, {"user_id": "99"}, {"user_id": "x"},
    {"user_id": None}, {"jti": None}, {"token_type": "other"}, {"iat": 4e9},
]  # fmt: skip


def test_access_tokens_that_are_not_good(app: Flask) -> None:
    for how in BAD_BEARERS:
        assert refusal(app, bearer(**how)) == NOT_PROVIDED, how


def test_access_tokens(app: Flask, console: Console) -> None:
    with at_most(console, 2):
        assert ApiClient(app, bearer(2)).get(WHO).get_json()["id"] == 2
    assert ApiClient(app, bearer(5)).get(WHO).status_code == 200, "organization 2 refuses legacy tokens alone"
    change(console, "update jwt_auth_jwtsettings set api_tokens_enabled = false")
    assert refusal(app, bearer(2)) == NOT_PROVIDED
    change(console, "update jwt_auth_jwtsettings set api_tokens_enabled = true")
    change(console, "update htx_user set is_active = false where id = 2")
    assert refusal(app, bearer(2)) == NOT_PROVIDED


def test_an_access_token_of_somebody_who_was_deleted(app: Flask, alice: ApiClient) -> None:
    headers = bearer(3)
    assert ApiClient(app, headers).get(WHO).status_code == 200
    assert alice.delete("/api/users/3/").status_code == 204
    assert refusal(app, headers) == NOT_PROVIDED


def test_a_session_is_renewed_by_each_answer(app: Flask, console: Console) -> None:
    client = app.test_client()
    client.set_cookie("sessionid", session_cookie(console))
    response = client.get(WHO)
    assert response.get_json()["id"] == 1
    [cookie] = response.headers.getlist("Set-Cookie")
    assert "Max-Age=259200" in cookie and "HttpOnly" in cookie and "SameSite=Lax" in cookie


def test_sessions_that_are_over(app: Flask, console: Console) -> None:
    good = session_cookie(console, 2)
    for cookie in ("x", good[:-1] + "A", session_cookie(console, 2, secret="other"), session_cookie(console, 2, last_login=1),
                   session_cookie(console, 2, _auth_user_hash="x")):  # fmt: skip
        assert with_session(app, cookie).get(WHO).status_code == 401
    assert with_session(app, good).get(WHO).status_code == 200
    change(console, "update htx_user set password = 'pbkdf2_sha256$1$x$x' where id = 2")
    assert with_session(app, good).get(WHO).status_code == 401


def test_a_session_without_an_active_organization_uses_the_first_membership(app: Flask, console: Console) -> None:
    change(console, "update htx_user set active_organization_id = null where id = 5")
    client = with_session(app, session_cookie(console, 5))
    assert [project["id"] for project in client.get("/api/projects/").get_json()["results"]] == [4]


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]
OWN = [{}, {"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}]


def test_another_site_changes_nothing_with_this_browsers_cookie(app: Flask, console: Console) -> None:
    cookie = session_cookie(console)
    for headers in FOREIGN:
        response = with_session(app, cookie, headers).patch("/api/users/1/", json={"phone": "evil"})
        assert response.status_code == 403 and "CSRF Failed" in response.get_json()["detail"], headers
        assert with_session(app, cookie, headers).get(WHO).get_json()["phone"] == ""
    for headers in OWN:
        assert with_session(app, cookie, headers).patch("/api/users/1/", json={"phone": "1"}).status_code == 200, (
            headers
        )
    token = {"Authorization": f"Token {token_of(console, 'alice')}"}
    assert ApiClient(app, token | FOREIGN[0]).patch("/api/users/1/", json={"phone": "2"}).status_code == 200


def test_this_consoles_own_session_looks_and_changes_nothing(app: Flask, console: Console) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    auth.grant(console, "alice@example.com", "support", by="test")
    client = app.test_client()
    assert client.post("/sign-in", data={"email": "alice@example.com", "password": "Fixture-Pass-1"}).status_code == 302
    assert client.get(WHO).get_json()["id"] == 1
    assert client.post("/api/invite/reset-token").status_code == 401
    with client.session_transaction() as session:
        session["seen"] = 0
    assert client.get(WHO).status_code == 401


def test_without_the_key_sessions_are_good_here_alone(console: Console) -> None:
    app = build(console=Console(replace(console.settings, label_studio_secret_key=None)))
    assert with_session(app, session_cookie(console)).get(WHO).status_code == 401
    assert ApiClient(app, bearer()).get(WHO).status_code == 401


@pytest.mark.parametrize("version", ["1.8.2.post1", "1.18.0"])
def test_older_releases(app: Flask, console: Console, version: str) -> None:
    alice = client_of(app, console, "alice")
    assert alice.get(WHO).get_json()["email"] == "alice@example.com"
    assert with_session(app, session_cookie(console)).get(WHO).status_code == 200
    has_tokens = console.deployment.schema.has_table("jwt_auth_jwtsettings")
    assert ApiClient(app, bearer()).get(WHO).status_code == (200 if has_tokens else 401)
    assert alice.get("/api/token/").status_code == (200 if has_tokens else 404)
