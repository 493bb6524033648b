"""The forms for signing in and up, without Label Studio beside them: throttled, escaped, safe redirects, invitations."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from console.app import build, limiter
from console.errors import Refused
from console.service import Console
from console.state import audit
from tests.api.statements import at_most, values
from tests.factories import BOTH_ENGINES

PASSWORD = "Fixture-Pass-1"
LOGIN, SIGNUP = "/user/login/", "/user/signup/"


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    limiter.reset()
    return app.test_client()


def submit(client: FlaskClient, path: str, **fields: str) -> TestResponse:
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get(path).get_data(as_text=True))
    assert token
    return client.post(path, data={**fields, "csrfmiddlewaretoken": token.group(1)})


@BOTH_ENGINES
def test_signing_in_takes_few_statements_and_is_audited(client: FlaskClient, console: Console) -> None:
    with at_most(console, 5):  # two of them are the form's, which asks for the deployment's name
        assert submit(client, LOGIN, email="alice@example.com", password=PASSWORD).status_code == 302
    assert client.get("/api/current-user/whoami").get_json()["id"] == 1
    with console.store.read() as session:
        [event] = audit.latest(session)
    assert (event.actor, event.action, event.subject) == ("alice@example.com", "signed in to the API", "user:1")


def test_a_refused_sign_in_writes_nothing(client: FlaskClient, console: Console) -> None:
    before = values(console, "select id, last_login from htx_user order by id")
    refused = submit(client, LOGIN, email='"><script>@e.de', password="x")
    assert refused.status_code == 200 and "<script>@" not in refused.get_data(as_text=True)
    assert values(console, "select id, last_login from htx_user order by id") == before


def test_guessing_is_slowed_down(client: FlaskClient) -> None:
    answers = [submit(client, LOGIN, email="alice@example.com", password="x") for _ in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    assert answers[-1].mimetype == "text/html" and "Too many attempts" in answers[-1].get_data(as_text=True)
    assert submit(client, LOGIN, email="bob@example.com", password=PASSWORD).status_code == 302


def test_a_browser_gets_a_page_when_nothing_may_be_written(
    client: FlaskClient, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise Refused("Nothing was written: permission denied for table htx_user.")

    monkeypatch.setattr(console.deployment, "write", refuse)
    answered = submit(client, LOGIN, email="bob@example.com", password=PASSWORD)
    assert (answered.status_code, answered.mimetype) == (400, "text/html")
    assert "permission denied for table htx_user" in answered.get_data(as_text=True)


TARGETS = {"/projects/1?a=b": "/projects/1?a=b", "//evil.example": "/", "https://evil.example": "/", "/\\evil": "/", "": "/",
           "javascript:alert(1)": "/", "/a\nSet-Cookie: x": "/", "projects": "/", "http://localhost/x": "http://localhost/x",
           "http://localhost@evil.example/": "/", "/\t/evil": "/"}  # fmt: skip


def test_where_a_sign_in_leads(client: FlaskClient) -> None:
    submit(client, LOGIN, email="alice@example.com", password=PASSWORD)
    led = {target: client.get(LOGIN, query_string={"next": target}).headers["Location"] for target in TARGETS}
    assert led == TARGETS


def test_a_form_opened_elsewhere_is_refused(client: FlaskClient) -> None:
    fields = {"email": "alice@example.com", "password": PASSWORD}
    assert client.post(LOGIN, data=fields).status_code == 403
    client.set_cookie("csrftoken", "a" * 32)
    assert client.post(LOGIN, data={**fields, "csrfmiddlewaretoken": "b" * 32}).status_code == 403
    good = {**fields, "csrfmiddlewaretoken": "a" * 32}
    assert client.post(LOGIN, data=good, headers={"Origin": "https://evil.example"}).status_code == 403
    assert client.post(LOGIN, data=good, headers={"Origin": "http://localhost"}).status_code == 302


def test_a_header_may_carry_the_secret(client: FlaskClient) -> None:
    client.set_cookie("csrftoken", "a" * 32)
    fields = {"email": "alice@example.com", "password": PASSWORD}
    assert client.post(LOGIN, data=fields, headers={"X-CSRFToken": "a" * 32}).status_code == 302


@BOTH_ENGINES
def test_signing_up(client: FlaskClient, console: Console) -> None:
    with at_most(console, 12):
        assert submit(client, SIGNUP, email="Zoe@Example.com", password=PASSWORD).status_code == 302
    assert client.get("/api/current-user/whoami").get_json()["username"] == "zoe"
    assert values(
        console,
        "select count(*) from authtoken_token t join htx_user u on u.id = t.user_id where u.email = 'zoe@example.com'",
    ) == [(1,)]
    again = submit(app_client(client), SIGNUP, email="zoe@example.com", password=PASSWORD)
    assert again.status_code == 200 and "User with this email already exists" in again.get_data(as_text=True)


def app_client(client: FlaskClient) -> FlaskClient:
    """Another browser."""
    return client.application.test_client()


def test_invitations_die_when_they_are_reset(client: FlaskClient, console: Console) -> None:
    [(token,)] = values(console, "select token from organization where id = 1")
    with console.deployment.write() as session:
        session.connection().exec_driver_sql("update organization set token = 'fresh' where id = 1")
    old, fresh = f"{SIGNUP}?token={token}", f"{SIGNUP}?token=fresh"
    assert submit(client, old, email="zoe@example.com", password=PASSWORD).status_code == 403
    assert submit(client, fresh, email="zoe@example.com", password=PASSWORD).status_code == 302


def test_only_with_a_link_when_the_operator_says_so(console: Console) -> None:
    limiter.reset()
    client = build(console=Console(replace(console.settings, signup_needs_link=True))).test_client()
    [(token,)] = values(console, "select token from organization where id = 1")
    for path, status in ((SIGNUP, 403), (f"{SIGNUP}?token=", 403), (f"{SIGNUP}?token={token}", 302)):
        assert submit(client, path, email="zoe@example.com", password=PASSWORD).status_code == status, path


@pytest.mark.parametrize("version", ["1.8.2.post1"])
def test_the_oldest_release(client: FlaskClient, version: str) -> None:
    assert submit(client, LOGIN, email="alice@example.com", password=PASSWORD).status_code == 302
    assert submit(app_client(client), SIGNUP, email="zoe@example.com", password=PASSWORD).status_code == 302


def test_a_huge_field_is_refused(client: FlaskClient) -> None:
    assert submit(client, LOGIN, email="a" * 2**20 + "@e.de", password="x" * 2**20).status_code in {200, 413}
    assert submit(client, SIGNUP, email="zoe@example.com", password="x\0" * 50).status_code == 200
