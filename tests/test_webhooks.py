"""Webhooks tell what happened once it is committed, to those who want to hear it, and never fail a request."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from console import webhooks
from console.config import Settings
from console.labeling.db import Caller, Db
from console.labeling.webhooks import announce
from console.service import Console
from tests.factories import BOTH_ENGINES

ALICE = Caller(1, "alice@example.com", 1)


class Receiver:
    """A server that keeps what it is sent."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], dict[str, Any]]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.heard.append((dict(self.headers), json.loads(body)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, jobs="inline", ssrf_protection=False)


def hook(session: Session, url: str, **values: Any) -> None:
    """A webhook of organization 1, in place of those of the dump."""
    session.execute(text("delete from webhook_action"))
    session.execute(text("delete from webhook"))
    row = {"url": url, "send_payload": True, "send_for_all_actions": True, "is_active": True, "headers": '{"X-Key": "k"}',
           "organization_id": 1, "project_id": None, "at": "2026-01-01 00:00:00"} | values  # fmt: skip
    session.execute(
        text(
            "insert into webhook (url, send_payload, send_for_all_actions, is_active, headers, organization_id, project_id,"
            " created_at, updated_at) values (:url, :send_payload, :send_for_all_actions, :is_active, :headers,"
            " :organization_id, :project_id, :at, :at)"
        ),
        row,
    )
    session.commit()


def happened(console: Console, action: str, project_id: int, ids: list[int]) -> int:
    """Announce in a transaction, then tell; how many announcements there were."""
    with console.deployment.write() as session:
        db = Db(session, console.deployment.schema, ALICE)
        announce(db, action, project_id, ids)
    webhooks.tell(console, ALICE, db.announcements)
    return len(db.announcements)


@BOTH_ENGINES
def test_an_annotation_is_told_with_its_task_and_project(
    console: Console, session: Session, receiver: Receiver
) -> None:
    hook(session, receiver.url)
    annotation = session.execute(text("select id, task_id, unique_id from task_completion order by id limit 1")).one()
    session.commit()
    happened(console, "ANNOTATION_CREATED", 1, [annotation.id])
    [(headers, body)] = receiver.heard
    assert headers["X-Key"] == "k"
    assert body["action"] == "ANNOTATION_CREATED"
    assert body["annotation"]["id"] == annotation.id
    assert body["annotation"]["task"] == body["task"]["id"] == annotation.task_id
    assert isinstance(body["annotation"]["result"], list)
    assert body["task"]["data"]["text"]
    assert (body["project"]["id"], body["project"]["task_number"]) == (1, 85)
    assert body["project"]["finished_task_number"] > 0


def test_deleted_objects_are_told_by_id(console: Console, session: Session, receiver: Receiver) -> None:
    hook(session, receiver.url)
    happened(console, "TASKS_DELETED", 1, [5, 7])
    assert receiver.heard[0][1]["tasks"] == [{"id": 5}, {"id": 7}]


def test_a_receiver_may_want_the_action_alone(console: Console, session: Session, receiver: Receiver) -> None:
    hook(session, receiver.url, send_payload=False)
    happened(console, "TASKS_CREATED", 1, [1])
    assert receiver.heard[0][1] == {"action": "TASKS_CREATED"}


@pytest.mark.parametrize(
    ("values", "action", "project"),
    [({"is_active": False}, "TASKS_CREATED", 1), ({"project_id": 3}, "TASKS_CREATED", 1),
     ({"organization_id": 2}, "TASKS_CREATED", 1), ({"send_for_all_actions": False}, "TASKS_CREATED", 1),
     ({"project_id": 1}, "PROJECT_DELETED", 1)],
)  # fmt: skip
def test_others_are_not_told(
    console: Console, session: Session, receiver: Receiver, values: dict[str, Any], action: str, project: int
) -> None:
    hook(session, receiver.url, **values)
    assert happened(console, action, project, [1]) == 0
    assert receiver.heard == []


def test_a_private_address_is_refused_unless_the_operator_allows_it(
    console: Console, session: Session, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    hook(session, receiver.url)
    console.settings = replace(console.settings, ssrf_protection=True)
    assert happened(console, "TASKS_DELETED", 1, [1]) == 1
    assert receiver.heard == []
    assert "reserved network address" in caplog.text


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "nonsense", "ftp://example.com/", "http://[::1"])
def test_a_receiver_that_does_not_answer_fails_nothing(console: Console, session: Session, url: str) -> None:
    hook(session, url, headers='["no", "object"]')
    assert happened(console, "TASKS_DELETED", 1, [1]) == 1
