"""Somebody else holds the database: the client is told to come back, and clients that retry do so by themselves."""

from __future__ import annotations

import io
import sqlite3
import threading
from typing import Any

import psycopg2
import pytest
from flask import g
from sqlalchemy import exc, text

from console.deployment import database
from tests.api_client import ApiClient
from tests.twin.rows import engine_of

ANSWER = {"result": [], "lead_time": 1}


@pytest.fixture
def settings(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(database, "LOCK_SECONDS", 1)
    return settings


def test_a_locked_file(alice: ApiClient, settings: Any):
    other = sqlite3.connect(settings.database_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("begin immediate")
    try:
        answer = alice.post("/api/tasks/1/annotations/", json=ANSWER)
    finally:
        other.close()
    assert (answer.status_code, answer.json["status_code"]) == (503, 503)
    assert answer.headers["Retry-After"] == "1"
    assert answer.json["detail"].startswith("Nothing was written. The SQLite file is locked")
    assert alice.post("/api/tasks/1/annotations/", json=ANSWER).status_code == 201


@pytest.mark.parametrize("engine", ["postgresql"])
def test_a_row_that_somebody_else_keeps(alice: ApiClient, settings: Any):
    other = psycopg2.connect(settings.database_url)
    other.cursor().execute("update task set updated_at = now() where id = 1")
    try:
        answer = alice.patch("/api/tasks/1/", json={"data": {"text": "mine"}})
    finally:
        other.close()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "stayed locked" in answer.json["detail"]


@pytest.mark.parametrize("engine", ["postgresql"])
def test_two_that_wait_for_each_other(settings: Any):
    """PostgreSQL ends one of them; when it is ours, that is no mistake of the console's."""
    error = database.explain(_deadlock(settings.database_url))
    assert error is not None
    assert error.status == 503
    assert "waited for each other" in str(error)


def _deadlock(url: str) -> BaseException:
    """What SQLAlchemy raises when PostgreSQL gives up one of two transactions."""
    engine = engine_of(url)
    raised: list[BaseException] = []
    meeting = threading.Barrier(2)

    def transaction(first: int, second: int) -> None:
        with engine.connect() as connection:
            try:
                connection.execute(text("select 1 from task where id = :id for update"), {"id": first})
                meeting.wait(10)
                connection.execute(text("select 1 from task where id = :id for update"), {"id": second})
            except exc.DBAPIError as error:
                raised.append(error)

    threads = [threading.Thread(target=transaction, args=pair) for pair in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    engine.dispose()
    [error] = raised
    return error


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/projects/1/import", b'[{"data": {"text": "slow"}}]', 201),
        ("POST", "/api/tasks/1/annotations/", b'{"result": []}', 201),
        ("PATCH", "/api/projects/1/", b'{"title": "Slowly sent"}', 200),
    ],
)
def test_no_transaction_waits_for_a_slow_body(alice: ApiClient, method: str, path: str, body: bytes, status: int):
    seen: list[bool] = []

    class Slow(io.BytesIO):
        def readinto(self, buffer: Any) -> int:
            seen.append("api_reading" in g)
            return super().readinto(buffer)

    answer = alice.send(
        method, path, input_stream=Slow(body), content_length=len(body), content_type="application/json"
    )
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert seen and not any(seen)
