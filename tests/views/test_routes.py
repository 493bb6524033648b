"""Every route against every role, from the URL map; and a walk through all pages that leaves nothing behind."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import redis as redis_client
from flask import Flask
from rq import Queue
from sqlalchemy.orm import Session
from werkzeug.routing import Rule

from console import auth
from console.auth import ALLOWED
from console.config import Settings
from console.deployment.redis_reading import READ_COMMANDS
from console.service import Console
from tests import servers
from tests.digests import digests
from tests.factories import BOTH_ENGINES, change_row, make_user
from tests.views.conftest import Browser, signed_in

#: Values for the variables of routes; enough to reach the view or its "not found".
VALUES = {"int": "1", "path": "s3:1", "default": "auth.mixed_case_email"}


@pytest.fixture
def redis_url() -> Iterator[str]:
    with servers.redis_server() as url:
        yield url


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """With a Redis where a test asks for one."""
    wanted = "redis_url" in request.fixturenames
    return replace(settings, redis_url=request.getfixturevalue("redis_url")) if wanted else settings


def address(rule: Rule) -> str:
    """An address of a rule, its variables filled in."""

    def fill(found: re.Match[str]) -> str:
        return VALUES.get(found[1] or "default", VALUES["default"])

    return re.sub(r"<(?:(\w+)(?:\([^)]*\))?:)?\w+>", fill, rule.rule)


def pages(app: Flask) -> list[Rule]:
    """Every rule but the API's, which has a matrix of its own in tests/api."""
    return [rule for rule in app.url_map.iter_rules() if not rule.endpoint.startswith("api.")]


def rules(app: Flask, method: str) -> list[tuple[str, str]]:
    """(address, permission) of every rule that takes a method."""
    return [
        (address(rule), app.view_functions[rule.endpoint].permission)  # type: ignore[attr-defined]
        for rule in pages(app) if method in (rule.methods or ())
    ]  # fmt: skip


def clients(app: Flask, console: Console, session: Session) -> dict[str, Browser]:
    """A browser of every kind of person; `nobody` has an account and no role."""
    make_user(session, email="root@example.com", is_superuser=True)
    make_user(session, email="helper@example.com", is_staff=True)
    return {
        "anonymous": app.test_client(),  # type: ignore[dict-item]
        "support": signed_in(app, console, "helper@example.com"),
        "admin": signed_in(app, console, "root@example.com"),
    }


def test_every_route_declares_a_permission_that_exists(app: Flask) -> None:
    for rule in pages(app):
        assert app.view_functions[rule.endpoint].permission in {"public", "look", "run", "fix"}, rule  # type: ignore[attr-defined]


def test_what_changes_something_is_no_get(app: Flask) -> None:
    for rule in pages(app):
        permission = app.view_functions[rule.endpoint].permission  # type: ignore[attr-defined]
        if permission in {"run", "fix"}:
            assert "GET" not in (rule.methods or ()), rule
        assert not {"PUT", "PATCH", "DELETE"} & set(rule.methods or ()), rule


def test_get_by_role(app: Flask, console: Console, session: Session) -> None:
    people = clients(app, console, session)
    checked = 0
    for url, permission in rules(app, "GET"):
        if url.startswith("/static"):
            continue
        for role, client in people.items():
            status = client.get(url).status_code
            allowed = permission == "public" or permission in ALLOWED.get(role, ())
            if role == "anonymous" and permission != "public":
                assert status == 302, (role, url, status)
            elif not allowed:
                assert status == 403, (role, url, status)
            else:
                assert status in {200, 302, 308, 404}, (role, url, status)
            checked += 1
    assert checked > 60


def test_post_by_role_and_without_a_token(app: Flask, console: Console, session: Session) -> None:
    people = clients(app, console, session)
    checked = 0
    for url, permission in rules(app, "POST"):
        for client in people.values():
            assert client.post(url).status_code == 400, url  # no token, nothing is even looked at
        for role, client in people.items():
            if url == "/sign-out" or "run" in url.split("/")[-1:]:
                continue
            if role == "anonymous" and permission != "public":
                continue  # without a session there is no token to be had
            status = client.send(url).status_code
            if permission != "public" and permission not in ALLOWED.get(role, ()):
                assert status == 403, (role, url, status)
            else:
                assert status < 500 and status != 403, (role, url, status)
            checked += 1
    assert checked > 10


def test_an_account_without_a_role_gets_nowhere(app: Flask, console: Console, session: Session) -> None:
    """A session that was good is over as soon as the role is gone."""
    user = make_user(session, email="former@example.com", is_staff=True)
    client = signed_in(app, console, "former@example.com")
    assert client.get("/").status_code == 200
    change_row(session, "htx_user", user.id, is_staff=False)
    auth._remembered.clear()
    for url, permission in rules(app, "GET"):
        if permission != "public":
            assert client.get(url).status_code == 302, url


def test_a_forged_token_of_another_session_is_refused(admin: Browser, support: Browser) -> None:
    found = re.search(r'name="csrf_token" value="([^"]+)"', support.text("/jobs/"))
    assert found
    assert admin.post("/checks/run", data={"csrf_token": found[1]}).status_code == 400


def crawl(client: Browser, most: int = 300) -> set[str]:
    """Every page that links lead to, one of each shape: numbers in the address aside."""
    waiting, seen, shapes = ["/"], set(), set()
    while waiting and len(seen) < most:
        url = waiting.pop()
        shape = re.sub(r"[0-9a-f]{32}|\d+", "#", url)
        if url in seen or shape in shapes:
            continue
        seen.add(url)
        shapes.add(shape)
        response = client.get(url)
        assert response.status_code < 400, (url, response.status_code)
        if response.mimetype == "text/html":
            found = re.findall(r'href="(/[^"#]*)', response.get_data(as_text=True))
            waiting += [link.replace("&amp;", "&") for link in found if not link.startswith("/static")]
    return seen


def watch(url: str) -> Callable[[], list[str]]:
    """Start Redis' MONITOR; the function that is returned ends it and tells the commands it saw."""
    seen: list[str] = []
    ready, done = threading.Event(), threading.Event()
    client = redis_client.Redis.from_url(url, socket_timeout=None)

    def listen() -> None:
        with client.monitor() as monitor:
            ready.set()
            for command in monitor.listen():
                if "end-of-watch" in command["command"]:
                    break
                seen.append(command["command"])
        done.set()

    threading.Thread(target=listen, daemon=True).start()
    assert ready.wait(10)

    def stop() -> list[str]:
        redis_client.Redis.from_url(url).echo("end-of-watch")
        assert done.wait(10)
        return seen

    return stop


@BOTH_ENGINES
def test_looking_at_every_page_changes_nothing(admin: Browser, console: Console, redis_url: str) -> None:
    connection = redis_client.Redis.from_url(redis_url)
    Queue("low", connection=connection).enqueue("time.sleep", 1)
    Queue("default", connection=connection).enqueue("no.such.function")
    admin.send("/checks/run")
    database = console.settings.database_url or ""
    before, keys = digests(database), {key: connection.dump(key) for key in connection.scan_iter()}
    stop = watch(redis_url)
    pages = crawl(admin)
    commands = stop()
    assert digests(database) == before
    assert {key: connection.dump(key) for key in connection.scan_iter()} == keys
    told = {command.split(" ")[0].upper() for command in commands}
    assert told and told <= {name.split()[0] for name in READ_COMMANDS} | {"SELECT", "AUTH", "HELLO", "CLIENT"}, told
    for part in ("/records/user/", "/storages/s3", "/queues/", "/database/", "/audit/", "/checks/", "/symptoms/"):
        assert any(page.startswith(part) for page in pages), part
    assert len(pages) > 40
