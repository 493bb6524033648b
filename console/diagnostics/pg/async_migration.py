"""A migration that Label Studio runs in the background never ended.

Some migrations only start a job: Django records them at once, the job builds an index or moves data for minutes or
hours and keeps its state in `core_asyncmigrationstatus`. A worker that is restarted or killed meanwhile leaves the
row at STARTED for ever, and a later start may skip what has a row already. The upgrade looks done, while filters stay
slow or numbers stay old.

Reported are rows in ERROR, and rows at STARTED or IN PROGRESS not touched for `older_than_minutes`. The newest row of
a name and project counts; SCHEDULED is a wish (ALLOW_SCHEDULED_MIGRATIONS) and no fault. A big index may honestly
take longer than an hour: a row whose index is being built right now is none of them.

One that builds indexes says in its rows what became of them. Those that are missing or INVALID are built by hand, with
the statements that stand there; when all of them are there, only the row is old, and is set to FINISHED:

    UPDATE core_asyncmigrationstatus SET status = 'FINISHED', updated_at = now() WHERE id = ID;

An index over trigrams needs an extension. Where the error names it and it is not installed, creating it comes first:

    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE EXTENSION IF NOT EXISTS btree_gin;

One that moves data is repeated in Label Studio's shell (`python3 manage.py shell`): delete its row, import the
migration's module and call the function it starts.

Source: `AsyncMigrationStatus` in Label Studio's core app, and the migrations that write it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import select, text

from ...deployment.models import AsyncMigration
from ...deployment.postgres import expected, indexes
from .. import Context, Finding, Severity, UpdateRow, check, row_update

RUNNING = ("STARTED", "IN PROGRESS")
THERE = "all there"
#: What PostgreSQL says when an extension is not there, by its name.
EXTENSIONS = {
    "pg_trgm": re.compile(r"gin_trgm_ops|pg_trgm"),
    "btree_gin": re.compile(r"btree_gin|no default operator class for access method \W*gin"),
}
INSTALLED = text("select extname from pg_extension where extname in ('pg_trgm', 'btree_gin')")
STATES = select(
    AsyncMigration.id, AsyncMigration.name, AsyncMigration.project_id, AsyncMigration.status,
    AsyncMigration.updated_at, AsyncMigration.meta,
).order_by(AsyncMigration.id)  # fmt: skip
#: The one whose row is called otherwise than its file.
RENAMED = {"0056_prediction_result_proj_gin_idx_async": "0056_task_prediction_result_proj_gin_idx_async"}
#: Tables that somebody builds an index on; readable under every role.
BUILDING = text("""
select c.relname from pg_locks l
join pg_class c on c.oid = l.relation
left join pg_stat_activity a on a.pid = l.pid
where l.database = (select oid from pg_database where datname = current_database()) and l.granted
  and l.mode in ('ShareUpdateExclusiveLock', 'ShareLock') and a.backend_type is distinct from 'autovacuum worker'
""")


@check(
    title="Every background migration came to its end",
    severity=Severity.WARNING,
    impact="Indexes or data that the release counts on may be missing: filters are slow or show old numbers",
    cause="The job died before its end; nothing starts it again.",
)
def async_migration(ctx: Context, older_than_minutes: int = 60) -> Iterator[Finding]:
    """One finding for the database. Rows: name, project, status, last change, its error, indexes, what to run, and the
    extension it lacks."""
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
    built = _indexes(ctx)
    stuck = [row for row in stuck if built.get(_file(row.name), ("", ""))[0] != "being built"]
    if not failed and not stuck:
        return
    rows = [_readable(row, *built.get(_file(row.name), ("", ""))) for row in (*failed, *stuck)]
    lacking = _name_extensions(ctx, rows)
    parts = []
    if failed:
        parts.append(f"{len(failed)} ended in an error")
    if stuck:
        parts.append(f"{len(stuck)} stopped moving over {_age(older_than_minutes)} ago")
    yield Finding(
        subject="deployment:database", name="Database", severity=Severity.ERROR if failed else Severity.WARNING,
        summary=f"Of {len(newest)} background migrations {' and '.join(parts)}",
        cause=_cause(lacking), evidence=ctx.evidence(STATES, rows),
        fixes=("record",) if any(_only_old(row) for row in rows) and not lacking else (),
    )  # fmt: skip


@async_migration.fix(title="Record as finished what is there")
def record(ctx: Context, finding: Finding) -> Iterator[UpdateRow]:
    """The status of each migration whose indexes are all there and valid becomes FINISHED; the others stay."""
    for row in finding.evidence:
        if _only_old(row):
            yield row_update(AsyncMigration, row["id"], before={"status": row["status"]}, after={"status": "FINISHED"})


def _only_old(row: Mapping[str, Any]) -> bool:
    """Whether nothing is missing but the word in the row."""
    return row["indexes"] == THERE and not row.get("lacks")


def _name_extensions(ctx: Context, rows: list[dict[str, Any]]) -> list[str]:
    """Write into each row which extension its error misses and is still not there; all of them."""
    named = {row["id"]: [name for name, sign in EXTENSIONS.items() if sign.search(row["error"])] for row in rows}
    if ctx.schema.dialect != "postgresql" or not any(named.values()):
        return []
    installed = set(ctx.read.scalars(INSTALLED))
    for row in rows:
        missing = [name for name in named[row["id"]] if name not in installed]
        if missing:
            row["lacks"] = ", ".join(missing)
            row["run"] = " ".join(
                [*(f"CREATE EXTENSION IF NOT EXISTS {name};" for name in missing), row["run"]]
            ).strip()
    return [name for name in EXTENSIONS if any(name in row.get("lacks", "") for row in rows)]


def _cause(lacking: list[str]) -> str:
    """The extensions as the cause; empty for the usual one."""
    if not lacking:
        return ""
    run = " ".join(f"CREATE EXTENSION IF NOT EXISTS {name};" for name in lacking)
    return (f"PostgreSQL lacks the extension {' and '.join(lacking)}: somebody who may create extensions runs in psql: {run}"
            " Then run what stands in the rows.")  # fmt: skip


def _indexes(ctx: Context) -> dict[str, tuple[str, str]]:
    """What became of the indexes of each migration, in words, and what to run for those that are not there."""
    if ctx.schema.dialect != "postgresql":
        return {}
    there = {index.name: index.valid for index in indexes.read(ctx.read)}
    building = set(ctx.read.scalars(BUILDING))
    found: dict[str, list[expected.Expected]] = {}
    for index in expected.EXPECTED:
        found.setdefault(index.migration.partition(".")[2], []).append(index)
    return {name: _told(wanted, there, building) for name, wanted in found.items()}


def _told(wanted: list[expected.Expected], there: dict[str, bool], building: set[str]) -> tuple[str, str]:
    lacking = [index for index in wanted if not there.get(index.name)]
    if any(index.table in building for index in lacking):
        return "being built", ""
    run = [f"REINDEX INDEX CONCURRENTLY {index.name};" if index.name in there else index.statement for index in lacking]
    named = ", ".join(f"{index.name} is {'invalid' if index.name in there else 'missing'}" for index in lacking)
    return named or THERE, " ".join(run)


def _file(name: str) -> str:
    """The migration's file of a row's name; a few rows carry the whole path of the module."""
    last = (name or "").rpartition(".")[2]
    return RENAMED.get(last, last)


def _readable(row: Any, built: str, run: str) -> dict[str, Any]:
    error = row.meta.get("error") if isinstance(row.meta, dict) else row.meta
    return {
        "id": row.id, "name": row.name, "project_id": row.project_id, "status": row.status,
        "updated_at": row.updated_at, "error": str(error)[:500] if error else "", "indexes": built, "run": run,
    }  # fmt: skip


def _age(minutes: int) -> str:
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"
