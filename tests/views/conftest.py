"""Browsers without a screen: the application on a copy of a real database, and clients of each role.

Forgery protection stays on. `client.send(path, **form)` posts as a browser does, with the token of a page it has seen.
Jobs run inside the request, so that an answer can be looked at at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from console import auth
from console.app import build
from console.config import Settings
from console.service import Console
from console.views import frame
from tests.factories import make_user


class Browser(FlaskClient):
    """A test client that fills in the hidden token of forms."""

    def send(self, path: str, **form: Any) -> TestResponse:
        """POST a form with the token of a page of this session."""
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.get("/jobs/").get_data(as_text=True))
        return self.post(path, data=form | {"csrf_token": found[1] if found else ""})

    def text(self, path: str, status: int = 200) -> str:
        """The body of a page that answers with this status."""
        response = self.get(path)
        assert response.status_code == status, response.get_data(as_text=True)
        return response.get_data(as_text=True)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Jobs inside the request."""
    return replace(settings, jobs="inline")


@pytest.fixture
def app(console: Console) -> Iterator[Flask]:
    """The whole application, with whatever pages are registered."""
    frame._attached.clear()
    auth._remembered.clear()
    app = build(console=console)
    app.config["TESTING"] = True
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.test_client_class = Browser
    yield app


def signed_in(app: Flask, console: Console, email: str) -> Browser:
    """A browser whose session belongs to this account."""
    with console.deployment.read():
        row = auth._account(console, email)
    role = auth.role_of(console, row)
    assert role is not None
    client = app.test_client()
    now = datetime.now(UTC).timestamp()
    with client.session_transaction() as stored:
        stored.update(
            {"_user_id": auth._person(console, row, role).get_id(), "_fresh": True, "since": now, "seen": now}
        )
    return client  # type: ignore[return-value]


@pytest.fixture
def admin(app: Flask, console: Console, session: Session) -> Browser:
    """May do everything."""
    make_user(session, email="admin@example.com", is_superuser=True, is_staff=True)
    return signed_in(app, console, "admin@example.com")


@pytest.fixture
def support(app: Flask, console: Console, session: Session) -> Browser:
    """May look, run and plan, not apply."""
    make_user(session, email="support@example.com", is_superuser=False, is_staff=True)
    return signed_in(app, console, "support@example.com")


@pytest.fixture
def anonymous(app: Flask) -> Browser:
    """Nobody."""
    return app.test_client()  # type: ignore[return-value]


@pytest.fixture
def dead_table(settings: Settings) -> str:
    """The name of a table half of whose 20,000 rows are dead (PostgreSQL)."""
    from tests.views.planted import make_dead_rows

    return make_dead_rows(settings)


@contextmanager
def assert_queries(engine: Engine, at_most: int) -> Iterator[list[str]]:
    """No more statements than these on this engine inside the block; limits set at BEGIN are not counted."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)
    counted = [
        statement for statement in seen if not statement.lower().startswith(("begin", "set", "savepoint", "release"))
    ]
    assert len(counted) <= at_most, "\n".join(counted)
