"""An index that Label Studio counts on was never built.

Since 1.11 some migrations only start a job that builds an index beside the running application. Django records the
migration at once; when nobody takes the job (no worker, a worker restarted in the middle, no right to use the
operators of an extension), the index is not there and nothing builds it ever again. Filters, exports and lists of
large projects then read their tables from end to end.

Each index is built by hand, at a quiet hour, beside the running application. The statement stands with the finding:

    CREATE INDEX CONCURRENTLY IF NOT EXISTS task_proj_octlen_idx ON task USING btree (…) INCLUDE (id);

Not reported: an index whose migration was applied less than `older_than_minutes` ago, a table that an index is being
built on right now, and an index that is there under another name or as a part of a longer one.
How much it matters grows with the table: below `min_rows` rows it is a note.

Source: the migrations of Label Studio's tasks, projects and io_storages apps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import select, text

from ...deployment.models import Migration, as_utc
from .. import Context, Finding, Severity, Unknown, check
from ..amounts import counted
from ..background_indexes import BACKGROUND_INDEXES
from ..postgresql import need_postgresql, role

INDEXES = """
select t.relname as "table", c.relname as "index", i.indisvalid as is_valid,
       regexp_replace(pg_get_indexdef(c.oid), '^.* USING ', '') as definition
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_class t on t.oid = i.indrelid
join pg_namespace n on n.oid = t.relnamespace
where n.nspname = any (current_schemas(false)) and i.indpred is null
order by t.relname, c.relname
"""
_TABLES = text("""
select c.relname, greatest(c.reltuples::bigint, pg_stat_get_live_tuples(c.oid)) as rows,
       exists (select from pg_locks l left join pg_stat_activity a on a.pid = l.pid
               where l.relation = c.oid and l.database = (select oid from pg_database where datname = current_database())
                 and l.mode in ('ShareUpdateExclusiveLock', 'ShareLock') and l.granted
                 and a.backend_type is distinct from 'autovacuum worker') as in_work
from pg_class c
where c.relkind in ('r', 'p')
  and c.relnamespace = any (select oid from pg_namespace where nspname = any (current_schemas(false)))
""")


@check(
    title="Every index that Label Studio builds in the background is there",
    severity=Severity.WARNING,
    impact="Filters, lists and exports of large projects read whole tables",
    cause="The job that should have built it was lost, and nothing starts it again.",
)
def missing_index(ctx: Context, older_than_minutes: int = 60, min_rows: int = 100_000) -> Iterator[Finding]:
    """One finding per table. Rows: index, migration, what it serves, and the statement that builds it."""
    need_postgresql(ctx, "On SQLite Label Studio builds its indexes within the migrations.")
    if ctx.schema.label_studio_version == "unknown":
        raise Unknown(f"django_migrations cannot be read. Needs: GRANT SELECT ON django_migrations TO {role(ctx)};")
    limit = ctx.now - timedelta(minutes=older_than_minutes)
    applied = {
        (row.app, row.name)
        for row in ctx.read.execute(select(Migration.app, Migration.name, Migration.applied))
        if row.applied and as_utc(row.applied) < limit
    }
    tables = {row.relname: row for row in ctx.read.execute(_TABLES)}
    there: dict[str, list[tuple[str, str]]] = {}
    for row in ctx.read.execute(text(INDEXES)):
        there.setdefault(row.table, []).append((row.index, row.definition))
    absent: dict[str, list[dict[str, str]]] = {}
    for item in BACKGROUND_INDEXES:
        table = tables.get(item.table)
        if (item.app, item.migration) not in applied or table is None or table.in_work:
            continue
        if not any(name == item.name or _covers(other, item.definition) for name, other in there.get(item.table, [])):
            row = {"index": item.name, "migration": f"{item.app}.{item.migration}", "serves": item.serves, "run": item.statement}
            absent.setdefault(item.table, []).append(row)
    for name, rows in absent.items():
        number = max(tables[name].rows, 0)
        yield Finding(
            subject=f"table:{name}", name=name,
            severity=Severity.WARNING if number >= min_rows else Severity.INFO,
            summary=f"{name} ({number:,} rows) lacks {counted(len(rows), 'index', 'indexes')} that Label Studio builds "
                    f"in the background: {', '.join(row['index'] for row in rows)}",
            evidence=ctx.evidence(INDEXES.strip(), rows),
        )  # fmt: skip


def _covers(there: str, wanted: str) -> bool:
    """Whether an index definition does what another one would: the same, or a btree that begins with its columns."""
    there = re.sub(r"\b\w+\.(gin_trgm_ops)", r"\1", there)
    if there == wanted:
        return True
    begins = re.fullmatch(r"(btree \([^()]+)\)", wanted)
    return bool(begins) and there.startswith(f"{begins[1]}, ")  # type: ignore[index]
