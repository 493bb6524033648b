"""storage.never_synced: connected and forgotten, unless its project has tasks of another storage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.diagnostics.check import Context, Scope
from console.diagnostics.storage.never_synced import never_synced
from tests.diagnostics.storage.sources import make_links, make_source, narrowed
from tests.factories import BOTH_ENGINES, make_project, make_task


def old(session: Session, hours: float = 49, **columns: Any) -> SimpleNamespace:
    return make_source(session, created_at=datetime.now(UTC) - timedelta(hours=hours), **columns)


@BOTH_ENGINES
def test_connected_and_never_synced(ctx: Context, session: Session) -> None:
    storage = narrowed(ctx, old(session))
    [finding] = never_synced.run(ctx)
    assert finding.subject == storage.subject
    assert finding.summary == "Connected 2 d ago and never synced, and its project is empty"
    assert finding.evidence.rows[0]["then"] == f"lsconsole storage sync s3:{storage.id}"


def test_tasks_of_a_file_do_not_count(ctx: Context, session: Session) -> None:
    project = make_project(session)
    make_task(session, project=project)
    narrowed(ctx, old(session, project_id=project.id))
    [finding] = never_synced.run(ctx)
    assert finding.summary.endswith("its project has 1 tasks, none of a storage")


@pytest.mark.parametrize("columns", [{"hours": 0.9}, {"status": "completed"}, {"last_sync": datetime.now(UTC)}])
def test_young_or_synced_is_healthy(ctx: Context, session: Session, columns: dict[str, Any]) -> None:
    narrowed(ctx, old(session, **columns))
    assert list(never_synced.answers(ctx)) == []


def test_a_storage_for_addresses_alone_is_healthy(ctx: Context, session: Session) -> None:
    project = make_project(session)
    make_links(session, make_source(session, project_id=project.id, status="completed"), ["1.jpg"])
    narrowed(ctx, old(session, project_id=project.id))
    assert list(never_synced.answers(ctx)) == []


def test_other_providers(ctx: Context, session: Session) -> None:
    ctx.scope = Scope(storage="gcs:1")  # of the dump: its project has tasks of another storage
    assert list(never_synced.answers(ctx)) == []
