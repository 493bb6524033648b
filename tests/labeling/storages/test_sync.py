"""A sync makes the tasks, links and counters that Label Studio's makes, once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from console.deployment import Deployment
from console.labeling.storages import sync
from tests.factories import BOTH_ENGINES
from tests.labeling.storages.conftest import Files


def rows(session: Session, statement: str, **values: Any) -> list[dict[str, Any]]:
    session.rollback()
    found = [dict(row) for row in session.execute(text(statement), values).mappings()]
    session.rollback()
    return found


@BOTH_ENGINES
def test_every_file_becomes_a_task_that_shows_it(deployment: Deployment, session: Session, files: Files) -> None:
    storage = files({"b.jpg": b"x", "a.jpg": b"y", "deep/c.jpg": b"z"}, use_blob_urls=True)
    outcome = sync.run(deployment, storage.reference, by="alice@example.com")
    assert (outcome["tasks"], outcome["status"]) == (3, "completed")
    made = rows(session, "SELECT * FROM task WHERE project_id = :p ORDER BY id", p=storage.project_id)
    assert [task["inner_id"] for task in made] == [1, 2, 3]
    again = sync.run(deployment, storage.reference, by="alice@example.com")
    assert (again["tasks"], again["existed"]) == (0, 3)
