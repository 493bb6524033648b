"""A large index has not been used once since statistics began.

Every index is written with every row and takes its place on disk and in memory. Label Studio makes some fifty on its
task tables, and not every deployment uses the filter that each is there for. The numbers are counted on this server
alone: a replica that serves reads counts its own, and a monthly report may need an index that stood idle for four
weeks.

Dropping is your decision, and nothing for a button. Keep the definition, which stands in the evidence, to bring the
index back:

    DROP INDEX CONCURRENTLY task_comment_count_049355cc;

An index of Label Studio's own comes back with no upgrade, and a later migration that drops it without "if exists"
would stop: note what was dropped. Left out are primary keys, unique and constraint indexes, those smaller than
`min_megabytes`, and servers that have counted for less than `min_days`.

Source: `pg_stat_user_indexes.idx_scan`, `pg_stat_database.stats_reset`.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import text

from ...amounts import bytes_text
from ...deployment.postgres.naming import qualified
from .. import Context, Finding, NotApplicable, Severity, check
from ..postgresql import need_postgresql

UNUSED = """
select s.schemaname as schema, s.relname as "table", s.indexrelname as "index", pg_relation_size(s.indexrelid) as index_bytes,
       s.idx_scan as scans, coalesce(d.stats_reset, pg_postmaster_start_time()) as counted_since,
       pg_get_indexdef(s.indexrelid) as definition
from pg_stat_user_indexes s
join pg_index i on i.indexrelid = s.indexrelid
join pg_stat_user_tables t on t.relid = s.relid
join pg_stat_database d on d.datname = current_database()
where s.schemaname = any (current_schemas(false)) and s.idx_scan = 0 and i.indisvalid
  and not (i.indisunique or i.indisprimary or i.indisexclusion or i.indisclustered or i.indisreplident)
  and not exists (select from pg_constraint c where c.conindid = s.indexrelid)
  and t.seq_scan + coalesce(t.idx_scan, 0) > 0
order by index_bytes desc, s.indexrelname
"""
_SINCE = text("""
select coalesce(stats_reset, pg_postmaster_start_time()) from pg_stat_database where datname = current_database()
""")


@check(
    title="Large indexes are used",
    severity=Severity.INFO,
    impact="Disk and memory are taken, and every insert and update writes the index for nobody",
)
def unused_index(ctx: Context, min_megabytes: int = 100, min_days: int = 30) -> Iterator[Finding]:
    """One finding per index. Rows: size, scans, since when they are counted, and the definition to bring it back."""
    need_postgresql(ctx, "SQLite does not count the use of its indexes.")
    since = ctx.read.scalar(_SINCE)
    days = (ctx.now - since).days
    if days < min_days:
        raise NotApplicable(f"Use has been counted for {days} d only; {min_days} d are needed to judge an index.")
    for row in ctx.read.execute(text(UNUSED)).mappings():
        if row["index_bytes"] < min_megabytes * 2**20:
            continue
        drop = f"DROP INDEX CONCURRENTLY {qualified(row['schema'], row['index'])};"
        yield Finding(
            subject=f"index:{row['index']}", name=row["index"],
            summary=f"{row['index']} on {row['table']} ({bytes_text(row['index_bytes'])}) was not used in {days} d",
            cause=f"No query on this server chose it. If no replica needs it either, run in psql: {drop}",
            evidence=ctx.evidence(UNUSED.strip(), [row]),
        )  # fmt: skip
