"""Two indexes of a table do the same.

Label Studio's migrations made some indexes twice over the years: by hand and by Django, or under `index_together` and
again as an index of its own (`task.overlap` has two in current releases). The second one costs what the first one
costs, with every write, and helps no query.

Small ones do not matter. For a large pair the one that no constraint needs and that fewer queries chose is named, with
the statement to drop it. Label Studio's later migrations may refer to either name: keep the definition.

    DROP INDEX CONCURRENTLY task_overlap_6a196e_idx;

Equal are indexes of one method on the same columns or expressions in the same order, with the same operators,
collations, direction and condition; a plain index beside a unique one on the same columns is redundant as well.
Reported when what would be saved is `min_megabytes` or more.

Source: `pg_index`, compared column by column.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import text

from ...amounts import bytes_text
from ...deployment.postgres.naming import qualified
from .. import Context, Finding, Severity, check
from ..postgresql import need_postgresql

DUPLICATES = """
with indexes as (
    select i.*, c.relname, c.relam, n.nspname, t.relname as table_name, pg_relation_size(c.oid) as bytes,
           coalesce(pg_stat_get_numscans(c.oid), 0) as scans,
           i.indisprimary or i.indisexclusion or i.indisreplident or i.indisclustered
           or exists (select from pg_constraint k where k.conindid = i.indexrelid) as needed,
           (i.indclass::text, i.indcollation::text, i.indoption::text, i.indkey::text, i.indnkeyatts,
            coalesce(pg_get_expr(i.indexprs, i.indrelid), ''), coalesce(pg_get_expr(i.indpred, i.indrelid), ''),
            c.relam)::text as shape
    from pg_index i
    join pg_class c on c.oid = i.indexrelid and c.relkind = 'i'
    join pg_class t on t.oid = i.indrelid
    join pg_namespace n on n.oid = t.relnamespace and n.nspname = any (current_schemas(false))
    where i.indisvalid
)
select spare.nspname as schema, spare.table_name as "table", spare.relname as "index", spare.bytes as index_bytes,
       spare.scans, kept.relname as same_as, kept.scans as scans_of_the_other, kept.indisunique as other_is_unique,
       pg_get_indexdef(spare.indexrelid) as definition
from indexes spare
join indexes kept on kept.indrelid = spare.indrelid and kept.shape = spare.shape and kept.indexrelid <> spare.indexrelid
where not spare.needed and (not spare.indisunique or kept.indisunique)
  and (kept.needed, kept.indisunique, kept.scans, -kept.indexrelid::bigint)
    > (spare.needed, spare.indisunique, spare.scans, -spare.indexrelid::bigint)
  and not exists (
    select from indexes better
    where better.indrelid = spare.indrelid and better.shape = spare.shape
      and (better.needed, better.indisunique, better.scans, -better.indexrelid::bigint)
        > (kept.needed, kept.indisunique, kept.scans, -kept.indexrelid::bigint))
order by spare.bytes desc, spare.relname
"""


@check(
    title="No large index is there twice",
    severity=Severity.INFO,
    impact="Disk and memory are taken, and every insert and update writes both",
)
def duplicate_index(ctx: Context, min_megabytes: int = 50) -> Iterator[Finding]:
    """One finding per index that another one makes needless. Rows: both names, sizes, scans, and the definition."""
    need_postgresql(ctx, "Doubled indexes are looked for on PostgreSQL, where they are large enough to matter.")
    for row in ctx.read.execute(text(DUPLICATES)).mappings():
        if row["index_bytes"] < min_megabytes * 2**20:
            continue
        drop = f"DROP INDEX CONCURRENTLY {qualified(row['schema'], row['index'])};"
        yield Finding(
            subject=f"index:{row['index']}", name=row["index"],
            summary=f"{row['index']} on {row['table']} ({bytes_text(row['index_bytes'])}) does what {row['same_as']} does",
            cause=f"Migrations made it twice. Run in psql, after noting its definition: {drop}",
            evidence=ctx.evidence(DUPLICATES.strip(), [row]),
        )  # fmt: skip
