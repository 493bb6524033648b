"""A migration that Label Studio runs in the background never ended.

Some migrations only start a job: Django records them at once, the job builds an index or moves data for minutes or
hours and keeps its state in `core_asyncmigrationstatus`. A worker that is restarted or killed meanwhile leaves the
row at STARTED for ever, and a later start may skip what has a row already. The upgrade looks done, while filters stay
slow or numbers stay old.

Reported are rows in ERROR, and rows at STARTED or IN PROGRESS not touched for `older_than_minutes`. The newest row of
a name and project counts; SCHEDULED is a wish (ALLOW_SCHEDULED_MIGRATIONS) and no fault. A big index may honestly
take longer than an hour: `select * from pg_stat_progress_create_index` tells.

One that builds an index is repeated in psql: drop the index if `\\d TABLE` calls it INVALID, run the statement that
the migration's file holds (`CREATE INDEX CONCURRENTLY IF NOT EXISTS …`), then record it:

    UPDATE core_asyncmigrationstatus SET status = 'FINISHED', updated_at = now() WHERE id = ID;

One that moves data is repeated in Label Studio's shell (`python3 manage.py shell`): delete its row, import the
migration's module and call the function it starts.

Source: `AsyncMigrationStatus` in Label Studio's core app, and the migrations that write it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from ...deployment.models import AsyncMigration
from .. import Context, Finding, Severity, check

RUNNING = ("STARTED", "IN PROGRESS")
STATES = select(
    AsyncMigration.id, AsyncMigration.name, AsyncMigration.project_id, AsyncMigration.status,
    AsyncMigration.updated_at, AsyncMigration.meta,
).order_by(AsyncMigration.id)  # fmt: skip


@check(
    title="Every background migration came to its end",
    severity=Severity.WARNING,
    impact="Indexes or data that the release counts on may be missing: filters are slow or show old numbers",
    cause="The job died before its end; nothing starts it again.",
)
def async_migration(ctx: Context, older_than_minutes: int = 60) -> Iterator[Finding]:
    """One finding for the database. Rows: name, project, status, last change, and the error it left."""
    ctx.schema.need(AsyncMigration)
    newest = {(row.name, row.project_id): row for row in ctx.read.execute(STATES)}
    limit = ctx.now - timedelta(minutes=older_than_minutes)
    failed = [row for row in newest.values() if row.status == "ERROR"]
    stuck = [
        row for row in newest.values()
        if row.status in RUNNING and (row.updated_at is None or row.updated_at < limit)
    ]  # fmt: skip
    if not failed and not stuck:
        return
    parts = []
    if failed:
        parts.append(f"{len(failed)} ended in an error")
    if stuck:
        parts.append(f"{len(stuck)} stopped moving over {_age(older_than_minutes)} ago")
    yield Finding(
        subject="deployment:database", name="Database", severity=Severity.ERROR if failed else Severity.WARNING,
        summary=f"Of {len(newest)} background migrations {' and '.join(parts)}",
        evidence=ctx.evidence(STATES, [_readable(row) for row in (*failed, *stuck)]),
    )  # fmt: skip


def _readable(row: Any) -> dict[str, Any]:
    error = row.meta.get("error") if isinstance(row.meta, dict) else row.meta
    return {
        "id": row.id, "name": row.name, "project_id": row.project_id, "status": row.status,
        "updated_at": row.updated_at, "error": str(error)[:500] if error else "",
    }  # fmt: skip


def _age(minutes: int) -> str:
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"
