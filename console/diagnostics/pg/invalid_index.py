"""An index is there, costs time with every write, and is never used: it is invalid.

`CREATE INDEX CONCURRENTLY` first makes the index, invalid, and fills it afterwards. A worker that is killed meanwhile,
a lock timeout, or two equal rows under a unique index leave it as it is. Label Studio's background migrations say "if
not exists": the next attempt sees the name and builds nothing, so that filters stay slow for ever. Names that end in
`_ccnew` or `_ccold` are what `REINDEX CONCURRENTLY` left behind; the index they stood in for is still there.

The first kind is rebuilt in place, the second dropped; neither stops anybody for longer than a moment:

    REINDEX INDEX CONCURRENTLY task_proj_octlen_idx;
    DROP INDEX CONCURRENTLY task_proj_octlen_idx_ccnew;

A unique index whose rebuild fails with "could not create unique index" has equal rows under it: they go first. An index
of a table that somebody builds an index on, or vacuums, right now is left alone.

Source: `pg_index.indisvalid`, PostgreSQL's pages on CREATE INDEX and REINDEX; the migrations of Label Studio's tasks
and projects apps.
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

INVALID = """
select n.nspname as schema, t.relname as "table", c.relname as "index", i.indisunique as is_unique,
       i.indisready as is_written, pg_relation_size(c.oid) as index_bytes,
       c.relname ~ '_cc(new|old)[0-9]*$' as is_leftover, pg_get_indexdef(c.oid) as definition
from pg_index i
join pg_class c on c.oid = i.indexrelid and c.relkind = 'i'
join pg_class t on t.oid = i.indrelid
join pg_namespace n on n.oid = t.relnamespace and n.nspname = any (current_schemas(false))
where not i.indisvalid
  and not exists (
    select from pg_locks l left join pg_stat_activity a on a.pid = l.pid
    where l.relation = i.indrelid and l.database = (select oid from pg_database where datname = current_database())
      and l.mode = 'ShareUpdateExclusiveLock' and l.granted and a.backend_type is distinct from 'autovacuum worker')
order by t.relname, c.relname
"""


@check(
    title="Every index is valid",
    severity=Severity.WARNING,
    impact="Queries that count on the index read the whole table, and every write still pays for the index",
)
def invalid_index(ctx: Context) -> Iterator[Finding]:
    """One finding per index. Rows: table, size, whether it is a leftover of a REINDEX, and its definition."""
    need_postgresql(ctx, "SQLite has no invalid indexes.")
    rows = ctx.read.execute(text(INVALID)).mappings().all()
    mine = maintainable(ctx, of_database=False)
    for row in rows:
        fix = "drop" if row["is_leftover"] else "rebuild"
        yield Finding(
            subject=f"index:{row['index']}", name=row["index"],
            severity=Severity.ERROR if row["is_unique"] and not row["is_leftover"] else Severity.WARNING,
            summary=f"{row['index']} on {row['table']} is invalid ({bytes_text(row['index_bytes'])})", cause=_why(row),
            evidence=ctx.evidence(INVALID.strip(), [row]), fixes=(fix,) if row["table"] in mine else (),
        )  # fmt: skip


@invalid_index.fix(title="Rebuild the index beside the running application", reversible=False)
def rebuild(ctx: Context, finding: Finding) -> Iterator[Maintain]:
    """REINDEX INDEX CONCURRENTLY, which fills an invalid index anew and makes it valid."""
    for row in finding.evidence:
        yield Maintain("reindex_index", row["table"], row["index"], row["schema"], row["index_bytes"])


@invalid_index.fix(title="Drop the leftover", reversible=False)
def drop(ctx: Context, finding: Finding) -> Iterator[Maintain]:
    """DROP INDEX CONCURRENTLY of an invalid index that a REINDEX left behind."""
    for row in finding.evidence:
        yield Maintain("drop_leftover", row["table"], row["index"], row["schema"], row["index_bytes"])


def _why(row: Any) -> str:
    name = qualified(row["schema"], row["index"])
    if row["is_leftover"]:
        return f"A REINDEX CONCURRENTLY was broken off. Run in psql: DROP INDEX CONCURRENTLY {name};"
    why = "It was built beside the running application, and the build did not end."
    if row["is_unique"]:
        why += " Equal rows may have stopped it: until it is valid, it guards nothing."
    return f"{why} Run in psql: REINDEX INDEX CONCURRENTLY {name};"
