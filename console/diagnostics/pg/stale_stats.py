"""The planner works with old statistics of a big table, or with none.

PostgreSQL picks its plans by what the last ANALYZE saw. After a restore, a move to a new major version (before 18) or
a big import there is nothing to go by or the numbers are far off, and a query that took milliseconds takes minutes:
the wrong index, or none. Autovacuum analyzes by itself once a tenth of a table has changed; when twice as much has
changed and nobody came, it is switched off, busy elsewhere, or set too lazily for this table.

ANALYZE reads a sample, takes seconds, and stops nobody:

    ANALYZE task;

Reported are tables of more than `min_rows` rows (or `min_megabytes`, where even the number of rows is unknown) without
any statistics, and those with more than `min_changed_share_percent` and `min_changed_rows` changed since the last
ANALYZE.

Source: `pg_stat_user_tables`, `pg_stats`, and PostgreSQL's chapter on updating planner statistics.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import text

from ...amounts import bytes_text
from ...deployment.postgres.naming import qualified
from .. import Context, Finding, Severity, check
from ..postgresql import maintainable, need_postgresql
from ..server_changes import Maintain

STATISTICS = """
select s.schemaname as schema, s.relname as "table", greatest(s.n_live_tup, c.reltuples::bigint) as live_rows,
       s.n_mod_since_analyze as changed_rows, greatest(s.last_analyze, s.last_autoanalyze) as analyzed,
       pg_relation_size(s.relid) as table_bytes,
       exists (select from pg_stats p where p.schemaname = s.schemaname and p.tablename = s.relname)
       or not has_table_privilege(s.relid, 'SELECT') as has_statistics,
       current_setting('autovacuum')::boolean as autovacuum_on
from pg_stat_user_tables s
join pg_class c on c.oid = s.relid
where s.schemaname = any (current_schemas(false))
order by live_rows desc, s.relname
"""


@check(
    title="The planner knows every big table as it is",
    severity=Severity.WARNING,
    impact="Queries take a wrong way through the table: pages and exports that were fast are suddenly slow",
)
def stale_stats(
    ctx: Context, min_rows: int = 10_000, min_megabytes: int = 8, min_changed_rows: int = 10_000,
    min_changed_share_percent: int = 20,
) -> Iterator[Finding]:  # fmt: skip
    """One finding per table. Rows: number of rows, changed since the last ANALYZE, and when that was."""
    need_postgresql(ctx, "SQLite has no statistics that age by themselves.")
    rows = ctx.read.execute(text(STATISTICS)).mappings().all()
    mine = maintainable(ctx)
    for row in rows:
        live, changed = max(row["live_rows"], 0), row["changed_rows"]
        if not row["has_statistics"] and not row["analyzed"]:
            if live <= min_rows and (live or row["table_bytes"] <= min_megabytes * 2**20):
                continue
            about = f"{live:,} rows" if live else bytes_text(row["table_bytes"])
            summary = f"{row['table']} ({about}) was never analyzed: the planner guesses"
        elif changed > min_changed_rows and changed * 100 > live * min_changed_share_percent and live > min_rows:
            summary = (
                f"{changed:,} rows of {row['table']} changed since its statistics were taken, beside {live:,} live ones"
            )
        else:
            continue
        yield Finding(
            subject=f"table:{row['table']}", name=row["table"], summary=summary, cause=_why(row),
            evidence=ctx.evidence(STATISTICS.strip(), [row]),
            fixes=("analyze",) if row["table"] in mine else (),
        )  # fmt: skip


@stale_stats.fix(title="Analyze the table", reversible=False)
def analyze(ctx: Context, finding: Finding) -> Iterator[Maintain]:
    """ANALYZE of the one table: a sample is read, nobody waits."""
    for row in finding.evidence:
        yield Maintain("analyze", row["table"], schema=row["schema"], size_bytes=row["table_bytes"])


def _why(row: Any) -> str:
    seen = f"Last analyzed {row['analyzed']:%Y-%m-%d %H:%M} UTC." if row["analyzed"] else "No ANALYZE is on record."
    off = "" if row["autovacuum_on"] else " Autovacuum is switched off."
    return f"{seen}{off} Run in psql: ANALYZE {qualified(row['schema'], row['table'])};"
