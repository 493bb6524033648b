"""Signing in as an attacker would: where it leads, how often it may be tried, when it ends, and what every answer says."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from console.app import build, limiter
from console.service import Console
from console.views import frame
from tests.factories import change_row
from tests.views.conftest import Browser

EMAIL, PASSWORD = "alice@example.com", "Fixture-Pass-1"


@pytest.fixture(autouse=True)
def no_attempts_yet(app: Flask) -> None:
    limiter.reset()


@pytest.fixture
def alice(session: Session) -> None:
    """The first account of the dump, as a superuser."""
    change_row(session, "htx_user", 1, is_superuser=True)


def try_in(client: Any, email: str = EMAIL, password: str = PASSWORD, **more: Any) -> TestResponse:
    """Post the form as a browser does; `environ` and `headers` go to the request, the rest into the form."""
    request = {name: more.pop(name) for name in ("environ_base", "headers") if name in more}
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/sign-in").get_data(as_text=True))
    form = {"email": email, "password": password, "csrf_token": found[1] if found else ""} | more
    return client.post("/sign-in", data=form, **request)


def test_a_session_begins_afresh_and_its_cookie_is_kept_from_scripts(anonymous: Browser, alice: None) -> None:
    with anonymous.session_transaction() as stored:
        stored["planted"] = "by somebody else"
    response = try_in(anonymous)
    assert response.status_code == 302 and response.location == "/"
    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Secure" not in cookie
    with anonymous.session_transaction() as stored:
        assert "planted" not in stored
    assert EMAIL in anonymous.text("/jobs/")


def test_over_https_the_cookie_is_secure(app: Flask, alice: None) -> None:
    client = app.test_client()
    page = client.get("/sign-in", base_url="https://console.example")
    assert "Secure" in page.headers["Set-Cookie"]
    assert "max-age" in page.headers["Strict-Transport-Security"]


@pytest.mark.parametrize("target", ["/findings/?severity=error", "/jobs/"])
def test_it_leads_back_to_where_one_was_going(anonymous: Browser, alice: None, target: str) -> None:
    assert try_in(anonymous, next=target).location == target


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/", "//evil.example/", "/\\evil.example", "\\\\evil.example", "/\t/evil.example",
        "/\t\\evil.example", "/\n/evil.example", "javascript:alert(1)", "//[", "http://[", "/\x00/evil.example", " //evil.example",
    ],
)  # fmt: skip
def test_it_never_leads_elsewhere(anonymous: Browser, alice: None, target: str) -> None:
    shown = anonymous.get("/sign-in", query_string={"next": target})
    assert shown.status_code == 200 and 'name="next"' not in shown.get_data(as_text=True)
    assert try_in(anonymous, next=target).location == "/"


def test_an_address_is_tried_five_times_a_minute_whoever_asks(anonymous: Browser) -> None:
    answers = [
        try_in(anonymous, typed, "wrong", environ_base={"REMOTE_ADDR": f"203.0.113.{number}"}).status_code
        for number, typed in enumerate([EMAIL, EMAIL.upper(), f" {EMAIL} ", EMAIL, EMAIL, EMAIL])
    ]
    assert answers == [401] * 5 + [429]


def test_one_place_tries_twenty_times_a_minute_whatever_it_says_of_itself(anonymous: Browser) -> None:
    answers = [
        try_in(
            anonymous, f"x{number}@example.com", "\x00", headers={"X-Forwarded-For": f"203.0.113.{number}"}
        ).status_code
        for number in range(21)
    ]
    assert answers == [401] * 20 + [429]


def test_behind_a_trusted_proxy_its_word_counts(console: Console) -> None:
    trusting = build(console=Console(console.settings.with_(trusted_proxies=1, jobs="inline")))
    client = trusting.test_client()
    answers = [
        try_in(client, f"x{number}@example.com", "\x00", headers={"X-Forwarded-For": f"203.0.113.{number}"}).status_code
        for number in range(21)
    ]
    assert answers == [401] * 21


def test_a_refusal_is_logged_without_what_was_typed(anonymous: Browser, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        try_in(anonymous, "my-password-by-mistake", "my-password")
    assert "sign-in refused, from 127.0.0.1" in caplog.text and "my-password" not in caplog.text


@pytest.mark.parametrize("harm", [{"seen": 0.0}, {"since": 0.0}])
@pytest.mark.parametrize("path", ["/jobs/", "/no/such/page", "/sign-in"])
def test_a_session_that_is_over_is_over_on_every_page(admin: Browser, harm: dict[str, float], path: str) -> None:
    assert "admin@example.com" in admin.text("/jobs/")
    with admin.session_transaction() as stored:
        stored.update(harm)
    response = admin.get(path)
    assert "admin@example.com" not in response.get_data(as_text=True)
    if path == "/jobs/":
        assert response.status_code == 302
        assert "The session ended" in admin.text(response.location)


def test_signing_out_ends_the_session(admin: Browser) -> None:
    assert admin.get("/sign-out").status_code == 405
    assert admin.send("/sign-out").status_code == 302
    assert admin.get("/jobs/").status_code == 302


@pytest.fixture
def every_kind_of_answer(admin: Browser, anonymous: Browser) -> Iterator[TestResponse]:
    return iter([
        admin.get("/"), admin.get("/no/such/page"), admin.get("/jobs/%00"), admin.post("/checks/run"), admin.get("/sign-out"),
        admin.get("/records/user/"), anonymous.get("/"), anonymous.get("/livez"), anonymous.get("/static/console.js"),
        anonymous.get("/static/none"), anonymous.options("/"), anonymous.head("/sign-in"),
        anonymous.post("/sign-in", data={"x": "y" * 3_000_000}),
    ])  # fmt: skip


def test_every_answer_carries_the_headers(every_kind_of_answer: Iterator[TestResponse]) -> None:
    for response in every_kind_of_answer:
        told = (response.request.path, response.status_code)
        assert response.status_code < 500, told
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy, told
        assert response.headers["X-Content-Type-Options"] == "nosniff", told
        assert response.headers["X-Frame-Options"] == "DENY", told
        if not response.request.path.startswith("/static"):
            assert response.headers["Cache-Control"] == "no-store", told


def test_asking_whether_it_is_ready_does_not_keep_the_database_busy(anonymous: Browser, console: Console) -> None:
    frame._attached.clear()
    seen: list[str] = []
    event.listen(console.deployment.engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    assert [anonymous.get("/readyz").status_code for _ in range(10)] == [200] * 10
    assert len(seen) <= 2, seen
