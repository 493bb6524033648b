"""An index that Label Studio counts on was never built.

Since 1.11 some migrations only start a job that builds an index beside the running application. Django records the
migration at once; when nobody takes the job (no worker, a worker restarted in the middle, no right to use the
operators of an extension), the index is not there and nothing builds it ever again. Filters, exports and lists of
large projects then read their tables from end to end.

Each index is built by hand, at a quiet hour, beside the running application. The statement stands with the finding:

    CREATE INDEX CONCURRENTLY task_proj_octlen_idx ON task (…) INCLUDE (id);

Not reported: an index whose migration was applied less than `older_than_minutes` ago, one on a table that somebody
builds an index on or vacuums right now, one that is there under another name, one that is there and invalid
(`pg.invalid_index`), and one that needs an extension which is not installed (`pg.extensions`). Below `min_rows` rows of
the table it is a note.

Source: the migrations of Label Studio's tasks, projects and io_storages apps.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import select, text

from ...amounts import counted
from ...deployment.models import Migration, as_utc
from ...deployment.postgres import expected, indexes
from .. import Context, Finding, Severity, Unknown, check
from ..postgresql import need_postgresql, role

INDEXES = """
select tablename as "table", indexname as "index", indexdef as definition
from pg_indexes where schemaname = any (current_schemas(false)) order by 1, 2
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
    """One finding per table. Rows: index, migration, the extensions it needs, and the statement that builds it."""
    need_postgresql(ctx, "On SQLite Label Studio builds its indexes within the migrations.")
    if ctx.schema.label_studio_version == "unknown":
        raise Unknown(f"django_migrations cannot be read. Needs: GRANT SELECT ON django_migrations TO {role(ctx)};")
    limit = ctx.now - timedelta(minutes=older_than_minutes)
    rows = ctx.read.execute(select(Migration.app, Migration.name, Migration.applied))
    fresh = {f"{row.app}.{row.name}" for row in rows if (as_utc(row.applied) or limit) > limit}
    tables = {row.relname: row for row in ctx.read.execute(_TABLES)}
    installed = set(ctx.read.scalars(text("select extname from pg_extension")))
    absent: dict[str, list[dict[str, str]]] = {}
    for item in expected.missing(ctx.schema, indexes.read(ctx.read)) or ():
        wanted, table = item.expected, tables.get(item.expected.table)
        if item.found or wanted.migration in fresh or not installed.issuperset(wanted.needs):
            continue
        if table is None or table.in_work:
            continue
        row = {
            "index": wanted.name,
            "migration": wanted.migration,
            "extensions": ", ".join(wanted.needs),
            "run": wanted.statement,
        }
        absent.setdefault(wanted.table, []).append(row)
    for name, lacking in absent.items():
        number = max(tables[name].rows, 0)
        yield Finding(
            subject=f"table:{name}", name=name,
            severity=Severity.WARNING if number >= min_rows else Severity.INFO,
            summary=f"{name} ({number:,} rows) lacks {counted(len(lacking), 'index', 'indexes')} that Label Studio builds "
                    f"in the background: {', '.join(row['index'] for row in lacking)}",
            evidence=ctx.evidence(INDEXES.strip(), lacking),
        )  # fmt: skip
