"""pg.pending_migrations: the migrations that the release ships and the database lacks."""

from __future__ import annotations

import pytest
from sqlalchemy import delete
from sqlalchemy.orm import Session

from console.deployment.schema import UNTOLD
from console.diagnostics.check import Context, Severity
from console.diagnostics.pg.pending_migrations import pending_migrations
from console.diagnostics.runner import ask
from console.service import Console
from tests.factories import BOTH_ENGINES, make_row
from tests.servers import dump_versions

LAST_OF_TASKS = "0059_task_completion_id_updated_at_idx_async"


def forget(console: Console, session: Session, app: str, name: str) -> Context:
    """Take a migration's row away and attach again, as the next run does."""
    table = session.info["schema"].table("django_migrations")
    session.execute(delete(table).where(table.c.app == app, table.c.name == name))
    session.commit()
    return Context(console.reattach(), probes=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("version", dump_versions())
def test_a_database_that_is_complete(ctx: Context) -> None:
    assert pending_migrations.run(ctx) == []


@BOTH_ENGINES
def test_a_missing_migration_is_named_with_its_release(console: Console, session: Session) -> None:
    ctx = forget(console, session, "tasks", LAST_OF_TASKS)
    [finding] = pending_migrations.run(ctx)
    assert (finding.subject, finding.severity, finding.fixes) == ("deployment:database", Severity.ERROR, ())
    assert finding.summary == "1 migration of Label Studio 1.23.2 is not applied"
    [row] = finding.evidence.rows
    assert (row["app"], row["name"]) == ("tasks", LAST_OF_TASKS)
    assert row["since_release"].startswith("1.2")
    assert finding.cause.startswith("Migrations that come after them are applied")


def test_an_upgrade_that_stopped_half_way(console: Console, session: Session) -> None:
    table = session.info["schema"].table("django_migrations")
    session.execute(delete(table).where(table.c.app == "projects", table.c.name >= "0030"))
    ctx = forget(console, session, "tasks", LAST_OF_TASKS)
    [finding] = pending_migrations.run(ctx)
    release = ctx.schema.release
    assert release.version != release.reached
    expected = f"Only {release.version} is complete, with parts of releases up to {release.reached}"
    assert finding.cause.startswith(expected)
    assert finding.evidence.total == len(release.pending) > 1


def test_a_database_newer_than_any_release_known_is_no_fault(console: Console, session: Session) -> None:
    make_row(session, "django_migrations", app="tasks", name="9000_from_the_future", applied="2030-01-01 00:00:00")
    ctx = Context(console.reattach(), probes=None)  # type: ignore[arg-type]
    assert ctx.schema.release.at_least
    assert pending_migrations.run(ctx) == []


def test_rows_that_may_not_be_read_leave_it_undecided(ctx: Context) -> None:
    ctx.deployment.schema.release = UNTOLD
    ctx.deployment.role = "looker"
    result = ask(pending_migrations, ctx)
    assert result.outcome == "unknown"
    assert 'GRANT SELECT ON django_migrations TO "looker";' in result.reason
