"""An index is far larger than its entries.

Every change of a row writes new entries, and a page of an index becomes free again only when all of its entries are
gone. A table that is changed all over (counters of tasks, a re-import) leaves indexes of which most is air: they take
memory that the useful pages need, and a VACUUM has to walk through all of it.

A rebuild beside the running application puts it right. It needs the room of the new index on top of the old one
until it is done, so one after the other, and free disk of 1.2 times the largest:

    REINDEX INDEX CONCURRENTLY task_completion_task_id_b9049fbc;

The share is an estimate for b-trees from the planner's statistics; GIN, GiST, BRIN and hash indexes cannot be
estimated. To know it exactly: `SELECT * FROM pgstatindex('INDEX')` of the extension pgstattuple. A b-tree that grew at
random is rightly a quarter to a third empty.

Reported are indexes of which `min_percent` and `min_megabytes` would be given back.

Source: PostgreSQL's chapter on routine reindexing; `pg_stats`; the layout of b-tree pages.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...amounts import bytes_text
from ...deployment.postgres import bloat, indexes, tables
from .. import Context, Finding, Severity, Unknown, check
from ..postgresql import maintainable, need_postgresql
from ..server_changes import Maintain

SOURCE = """
select c.relname as "index", pg_relation_size(c.oid) as index_bytes, c.reltuples::bigint as entries,
       pg_relation_size(c.oid) / nullif(c.reltuples::bigint, 0) as bytes_per_entry
from pg_class c where c.oid = 'INDEX'::regclass
"""


@check(
    title="Indexes are as large as their entries",
    severity=Severity.WARNING,
    impact="Memory and disk hold empty pages, and every vacuum walks through them",
    cause="Rows were changed or deleted in bulk; an index does not shrink by itself.",
)
def index_bloat(ctx: Context, min_percent: int = 45, min_megabytes: int = 100) -> Iterator[Finding | Unknown]:
    """One finding per index. Rows: size, what a rebuild would give back, and how the share is known."""
    need_postgresql(ctx, "On SQLite `sqlite.*` looks at free pages.")
    large = [index for index in indexes.read(ctx.read) if index.size_bytes >= min_megabytes * 2**20 and index.valid]
    if not large:
        return
    found = bloat.estimate(ctx.read, [], large, all_tables=tables.read(ctx.read).rows)
    mine = maintainable(ctx, of_database=False)
    for index in large:
        estimated = found.get(index.oid)
        if estimated is None or estimated.bytes is None or estimated.percent is None:
            continue
        if estimated.percent < min_percent or estimated.bytes < min_megabytes * 2**20:
            continue
        row = {
            "schema": index.schema, "table": index.table, "index": index.name, "index_bytes": index.size_bytes,
            "empty_bytes": estimated.bytes, "empty_percent": estimated.percent, "scans": index.scans, "how": estimated.how,
        }  # fmt: skip
        yield Finding(
            subject=f"index:{index.name}", name=index.name,
            summary=f"{bytes_text(estimated.bytes)} of {index.name} ({bytes_text(index.size_bytes)}) on {index.table} are "
                    f"empty: about {estimated.percent:.0f} %",
            cause=f"Rows were changed or deleted in bulk; an index does not shrink by itself. Run in psql: "
                  f"REINDEX INDEX CONCURRENTLY {index.sql_name};",
            evidence=ctx.evidence(SOURCE.strip(), [row]), fixes=("rebuild",) if index.table in mine else (),
        )  # fmt: skip
    needs = sorted({found[index.oid].needs for index in large if index.oid in found} - {""})
    if needs:
        yield Unknown(f"Some large indexes cannot be estimated. Needs: {' '.join(needs)}")


@index_bloat.fix(title="Rebuild the index beside the running application", reversible=False)
def rebuild(ctx: Context, finding: Finding) -> Iterator[Maintain]:
    """REINDEX INDEX CONCURRENTLY: a new index is built, the old one is used until it is ready."""
    for row in finding.evidence:
        yield Maintain("reindex_index", row["table"], row["index"], row["schema"], row["index_bytes"])
