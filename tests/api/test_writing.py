"""What a change leaves in the audit log, whether it was committed or not."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import text

from console.service import Console
from console.state import audit
from tests.api_client import ApiClient
from tests.factories import BOTH_ENGINES


def events(console: Console) -> list[tuple[str, str, str]]:
    with console.store.read() as session:
        return [(event.actor, event.action, event.reason) for event in audit.latest(session, limit=5)]


@BOTH_ENGINES
def test_a_change_is_in_the_audit_log_with_who_made_it(console: Console, alice: ApiClient) -> None:
    made = alice.post("/api/tasks/1/annotations/", json={"result": []})
    assert made.status_code == 201
    assert events(console) == [("alice@example.com", "created an annotation", "")]
    assert audit.verify(console.store).ok


def test_a_refused_change_leaves_no_event(console: Console, alice: ApiClient) -> None:
    assert alice.post("/api/tasks/1/annotations/", json={"result": {"no": "list"}}).status_code == 400
    assert events(console) == []


@pytest.mark.parametrize("engine", ["postgresql"])
def test_a_commit_that_fails_is_told(app: Flask, console: Console, alice: ApiClient) -> None:
    """A constraint that is checked at the commit alone lets every statement pass and the commit fail."""
    with console.deployment.write() as session:
        session.execute(text(
            "create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;"
            "create constraint trigger refuse after insert on task_completion deferrable initially deferred"
            " for each row execute function refuse()"
        ))  # fmt: skip
    before = alice.get("/api/tasks/1/annotations/").get_json()
    assert alice.post("/api/tasks/1/annotations/", json={"result": []}).status_code >= 500
    assert alice.get("/api/tasks/1/annotations/").get_json() == before
    newest, first = events(console)
    assert (newest[1], first[1]) == ("created an annotation", "created an annotation")
    assert "nothing was written" in newest[2] and first[2] == ""
