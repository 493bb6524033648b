"""Dead rows pile up in a big table.

PostgreSQL keeps the old version of every changed or deleted row until a vacuum clears it away. By default autovacuum
comes only after a fifth of a table is dead, and long transactions hold it off; after a bulk change of a table with
millions of rows every scan reads through the leftovers, and the plans go wrong.

Vacuuming works beside the running application, no lock stops anybody (`VACUUM FULL` does: not without a window). It
frees the room for new rows and gives none back to the disk; `pg.table_bloat` tells what is left empty. Lasting help
for big tables is a smaller share before autovacuum comes:

    ALTER TABLE task_completion SET (autovacuum_vacuum_scale_factor = 0.02);

Counts are PostgreSQL's own estimates; the statistics collector forgets them in a crash, so the size that the planner
remembers counts as well. Reported are tables with more than `min_dead_rows` dead rows that are also more
than `min_dead_share_percent` of the live ones.

Source: `pg_stat_user_tables` and PostgreSQL's chapter on routine vacuuming; the tables that grow with the tasks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import text

from ...deployment.postgres.naming import qualified
from .. import Context, Finding, Severity, check
from ..postgresql import maintainable, need_postgresql
from ..server_changes import Maintain

SIZES = """
select s.schemaname as schema, s.relname as "table", greatest(s.n_live_tup, c.reltuples::bigint) as live_rows, s.n_dead_tup as dead_rows,
       pg_relation_size(s.relid) as table_bytes, pg_indexes_size(s.relid) as index_bytes,
       s.last_vacuum, s.last_autovacuum,
       coalesce((select o.option_value from pg_options_to_table(c.reloptions) o
                 where o.option_name = 'autovacuum_vacuum_scale_factor'),
                current_setting('autovacuum_vacuum_scale_factor'))::float as scale_factor,
       current_setting('autovacuum')::boolean
       and coalesce((select o.option_value::boolean from pg_options_to_table(c.reloptions) o
                     where o.option_name = 'autovacuum_enabled'), true) as autovacuum_on
from pg_stat_user_tables s
join pg_class c on c.oid = s.relid
where s.schemaname = any (current_schemas(false))
  and (s.relname in ('task', 'task_completion', 'prediction', 'tasks_annotationdraft')
       or s.relname like 'io\\_storages\\_%link')
order by s.n_dead_tup desc, s.relname
"""


@check(
    title="Big tables are vacuumed in time",
    severity=Severity.WARNING,
    impact="Lists, filters and exports read through the leftovers and get slower by the day",
)
def dead_tuples(ctx: Context, min_dead_rows: int = 100_000, min_dead_share_percent: int = 20) -> Iterator[Finding]:
    """One finding per table. Rows: live and dead rows, sizes, the last vacuums, and when autovacuum would come."""
    need_postgresql(ctx, "SQLite keeps no dead rows.")
    rows = ctx.read.execute(text(SIZES)).mappings().all()
    mine = maintainable(ctx)
    for row in rows:
        dead, live = row["dead_rows"], row["live_rows"]
        if dead <= min_dead_rows or dead * 100 <= live * min_dead_share_percent:
            continue
        yield Finding(
            subject=f"table:{row['table']}", name=row["table"],
            summary=f"{row['table']} holds {dead:,} dead rows beside {live:,} live ones",
            cause=f"{_why(row)} Run in psql: VACUUM (ANALYZE, VERBOSE) {qualified(row['schema'], row['table'])};",
            evidence=ctx.evidence(SIZES.strip(), [row]),
            fixes=("vacuum",) if row["table"] in mine else (),
        )  # fmt: skip


@dead_tuples.fix(title="Vacuum the table and renew its statistics", reversible=False)
def vacuum(ctx: Context, finding: Finding) -> Iterator[Maintain]:
    """VACUUM (ANALYZE) of the one table, beside the running application."""
    for row in finding.evidence:
        size = row["table_bytes"] + row["index_bytes"]
        yield Maintain("vacuum_analyze", row["table"], schema=row["schema"], size_bytes=size)


def _why(row: Any) -> str:
    last = max((time for time in (row["last_vacuum"], row["last_autovacuum"]) if time), default=None)
    seen = f"Last vacuumed {last:%Y-%m-%d %H:%M} UTC." if last else "No vacuum is on record."
    if not row["autovacuum_on"]:
        return f"{seen} Autovacuum is switched off."
    share = f"{row['scale_factor'] * 100:g}"
    return f"{seen} Autovacuum comes once {share} % of the table is dead, and a long transaction holds it off."
