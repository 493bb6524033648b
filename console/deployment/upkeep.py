"""How a database is kept: sizes, dead rows, last maintenance, migrations. Statistics alone, no table is read through."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, literal, literal_column, select, text, union_all
from sqlalchemy.orm import Session

from ..masking import mask_text
from .attach import Deployment
from .models import AsyncMigration, Migration, as_utc
from .records import COUNT_LIMIT

#: Tables that are listed, the largest first.
MOST_TABLES = 30
MOST_ASYNC = 50


@dataclass(frozen=True)
class TableState:
    """One table. Rows are PostgreSQL's own estimate; on SQLite a count that stops past `COUNT_LIMIT`."""

    name: str
    rows: int | None
    size_bytes: int | None = None
    dead: int | None = None
    vacuumed: datetime | None = None
    analyzed: datetime | None = None


@dataclass
class Upkeep:
    """What the page says; None where the database does not tell, and then `notes` says why and what to grant."""

    tables: list[TableState] = field(default_factory=list)
    tables_total: int = 0
    size_bytes: int | None = None
    applied: int | None = None
    async_migrations: list[dict[str, Any]] = field(default_factory=list)
    connections: int | None = None
    most_connections: int | None = None
    oldest_transaction_seconds: float | None = None
    cache_hits_percent: float | None = None
    pages: int | None = None
    free_pages: int | None = None
    journal_mode: str | None = None
    notes: list[str] = field(default_factory=list)


_PG_TABLES = text("""
select c.relname as name, c.reltuples::bigint as rows, pg_total_relation_size(c.oid) as size_bytes,
       s.n_live_tup as live, s.n_dead_tup as dead, greatest(s.last_vacuum, s.last_autovacuum) as vacuumed,
       greatest(s.last_analyze, s.last_autoanalyze) as analyzed, count(*) over () as total
from pg_class c
left join pg_stat_user_tables s on s.relid = c.oid
where c.relkind in ('r', 'p')
  and c.relnamespace = any (select oid from pg_namespace where nspname = any (current_schemas(false)))
order by size_bytes desc, name limit :most
""")
_PG_FACTS = text("""
select pg_database_size(current_database()) as size_bytes, current_setting('max_connections')::int as most_connections,
       (select count(*) from pg_stat_activity where datname = current_database()) as connections,
       (select extract(epoch from now() - min(xact_start)) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()) as oldest_transaction_seconds,
       (select round(100.0 * blks_hit / nullif(blks_hit + blks_read, 0), 1) from pg_stat_database
         where datname = current_database()) as cache_hits_percent,
       has_table_privilege('django_migrations', 'SELECT') as may_migrations,
       case when to_regclass('core_asyncmigrationstatus') is null then true
            else has_table_privilege('core_asyncmigrationstatus', 'SELECT') end as may_async,
       pg_has_role(current_user, 'pg_read_all_stats', 'usage') as may_statistics
""")


def read(deployment: Deployment) -> Upkeep:
    """Four statements on either database."""
    with deployment.read() as session:
        return _postgresql(session, deployment) if deployment.kind == "postgresql" else _sqlite(session, deployment)


def _postgresql(session: Session, deployment: Deployment) -> Upkeep:
    facts = session.execute(_PG_FACTS).mappings().one()
    upkeep = Upkeep(
        size_bytes=facts["size_bytes"], connections=facts["connections"], most_connections=facts["most_connections"],
        oldest_transaction_seconds=None if facts["oldest_transaction_seconds"] is None else float(facts["oldest_transaction_seconds"]),
        cache_hits_percent=None if facts["cache_hits_percent"] is None else float(facts["cache_hits_percent"]),
    )  # fmt: skip
    for row in session.execute(_PG_TABLES, {"most": MOST_TABLES}).mappings():
        upkeep.tables_total = row["total"]
        known = _rows(row["rows"], row["live"], row["analyzed"] or row["vacuumed"])
        upkeep.tables.append(TableState(row["name"], known, row["size_bytes"], row["dead"], row["vacuumed"], row["analyzed"]))  # fmt: skip
    missing = [("django_migrations", facts["may_migrations"]), ("core_asyncmigrationstatus", facts["may_async"])]
    who = _quoted(deployment.role)
    upkeep.notes = [f"GRANT SELECT ON {name} TO {who};" for name, allowed in missing if not allowed]
    if not facts["may_statistics"]:
        upkeep.oldest_transaction_seconds = (
            None  # other people's transactions are hidden: silence would look like health
        )
        upkeep.notes.append(f"GRANT pg_read_all_stats TO {who};")
    if facts["may_migrations"]:
        upkeep.applied = session.scalar(select(func.count()).select_from(Migration))
    if facts["may_async"]:
        upkeep.async_migrations = _async(session, deployment)
    return upkeep


@dataclass
class Migrations:
    """Migrations that were applied, None when that may not be read; and those that run beside the server."""

    applied: int | None
    beside: list[dict[str, Any]]
    grants: list[str]


_MAY_READ = text("""
select has_table_privilege('django_migrations', 'SELECT') as migrations,
       case when to_regclass('core_asyncmigrationstatus') is null then true
            else has_table_privilege('core_asyncmigrationstatus', 'SELECT') end as beside
""")


def migrations(deployment: Deployment) -> Migrations:
    """At most three statements on either database."""
    with deployment.read() as session:
        may = {"migrations": True, "beside": True}
        if deployment.kind == "postgresql":
            may = dict(session.execute(_MAY_READ).mappings().one())
        names = {"migrations": "django_migrations", "beside": "core_asyncmigrationstatus"}
        who = _quoted(deployment.role)
        return Migrations(
            session.scalar(select(func.count()).select_from(Migration)) if may["migrations"] else None,
            _async(session, deployment) if may["beside"] else [],
            [f"GRANT SELECT ON {name} TO {who};" for part, name in names.items() if not may[part]],
        )


def _rows(estimated: int, live: int | None, maintained: datetime | None) -> int | None:
    """Rows of a table, or None for one that was neither analyzed nor vacuumed: its statistics tell of changes alone."""
    if live is not None and (maintained or live > max(estimated, COUNT_LIMIT)):
        return live
    return estimated if estimated >= 0 else None


def _sqlite(session: Session, deployment: Deployment) -> Upkeep:
    path = Path(deployment.engine.url.database or "")
    upkeep = Upkeep(size_bytes=path.stat().st_size if path.is_file() else None)
    upkeep.journal_mode = session.scalar(text("pragma journal_mode"))
    # One statement for everything countable: pages, migrations and rows, the last as far as COUNT_LIMIT.
    tables = [name for name in deployment.schema.columns if not name.startswith("sqlite_")]
    parts = [
        select(literal(name).label("name"), select(func.count()).select_from(
            select(literal_column("1")).select_from(deployment.schema.table(name)).limit(COUNT_LIMIT + 1).subquery()
        ).scalar_subquery().label("rows"))
        for name in tables
    ]  # fmt: skip
    counted = {row.name: row.rows for row in session.execute(union_all(*parts))}
    pages = session.execute(
        text("select p.page_count, f.freelist_count from pragma_page_count p, pragma_freelist_count f")
    ).one()
    upkeep.pages, upkeep.free_pages = pages.page_count, pages.freelist_count
    upkeep.applied, upkeep.tables_total = counted.get("django_migrations"), len(tables)
    largest = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:MOST_TABLES]
    upkeep.tables = [TableState(name, rows) for name, rows in largest]
    upkeep.async_migrations = _async(session, deployment)
    return upkeep


def _async(session: Session, deployment: Deployment) -> list[dict[str, Any]]:
    """Migrations that Label Studio runs beside its server, newest first."""
    if not deployment.schema.has(AsyncMigration):
        return []
    statement = (
        select(AsyncMigration.name, AsyncMigration.status, AsyncMigration.created_at, AsyncMigration.meta)
        .order_by(AsyncMigration.id.desc()).limit(MOST_ASYNC)
    )  # fmt: skip
    found = []
    for row in session.execute(statement):
        error = row.meta.get("error") or row.meta.get("message") if isinstance(row.meta, dict) else None
        found.append({"name": row.name, "status": row.status, "started_at": as_utc(row.created_at),
                      "error": mask_text(str(error))[:300] if error and row.status == "ERROR" else None})  # fmt: skip
    return found


def _quoted(role: str) -> str:
    return role if re.fullmatch(r"[a-z_][a-z0-9_]*", role) else f'"{role}"'
