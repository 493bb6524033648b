"""A large table is mostly empty room that deleted and changed rows left behind.

VACUUM makes the room of dead rows free for new ones, and gives it back to the disk only at the very end of the file.
After a project of millions of tasks was deleted, or every annotation changed once, the table keeps its size; scans,
backups and the cache carry the empty pages along until new rows fill them, which may be never.

Only a rewrite gives the room back. VACUUM FULL locks the table against everybody, readers too, for as long as it
writes it anew with all of its indexes, and needs as much free disk as the new copy takes: it wants a window.
`pg_repack`, where it is installed, does the same with short locks. If new rows will come at the old pace, leave it:
the room is used up.

The share is an estimate from the planner's statistics. To know it exactly (reads what is not all visible):

    CREATE EXTENSION IF NOT EXISTS pgstattuple;
    SELECT * FROM pgstattuple_approx('task_completion');

Reported are tables of which `min_percent` and `min_megabytes` would be given back, and that hold few dead rows: those
that do, want a plain VACUUM first (`pg.dead_tuples`).

Source: PostgreSQL's chapter on recovering disk space; `pg_stats`; the layout of pages.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...amounts import bytes_text, counted
from ...deployment.postgres import bloat, tables
from .. import Context, Finding, Severity, Unknown, check
from ..postgresql import maintainable, need_postgresql
from ..server_changes import Maintain

SOURCE = """
select relname, pg_relation_size(oid) as table_bytes, reltuples::bigint as live_rows,
       (select sum((1 - null_frac) * avg_width) from pg_stats where tablename = relname) as average_row_bytes
from pg_class where oid = 'TABLE'::regclass
"""


@check(
    title="Tables are as large as their rows",
    severity=Severity.WARNING,
    impact="Scans, backups and the cache carry empty pages along, and the disk is held",
)
def table_bloat(ctx: Context, min_percent: int = 50, min_megabytes: int = 1000) -> Iterator[Finding | Unknown]:
    """One finding per table. Rows: size, what a rewrite would give back, dead rows, and how the share is known."""
    need_postgresql(ctx, "On SQLite `sqlite.*` looks at free pages.")
    large = [table for table in tables.read(ctx.read).rows if table.heap_bytes >= min_megabytes * 2**20]
    found = bloat.estimate(ctx.read, large)
    mine = maintainable(ctx)
    needs = sorted({found[table.oid].needs for table in large if table.oid in found} - {""})
    for table in large:
        estimated = found.get(table.oid)
        if estimated is None or estimated.bytes is None or estimated.percent is None:
            continue
        if estimated.percent < min_percent or estimated.bytes < min_megabytes * 2**20:
            continue
        dead = table.dead_percent or 0
        row = {
            "schema": table.schema, "table": table.name, "table_bytes": table.heap_bytes, "total_bytes": table.total_bytes,
            "empty_bytes": estimated.bytes, "empty_percent": estimated.percent, "live_rows": table.live_rows,
            "dead_rows": table.dead_rows, "how": estimated.how,
        }  # fmt: skip
        vacuum_first = dead >= 10
        fixes: tuple[str, ...] = ("vacuum",) if vacuum_first else ("rewrite",)
        yield Finding(
            subject=f"table:{table.name}", name=table.name,
            summary=f"{bytes_text(estimated.bytes)} of {table.name} ({bytes_text(table.heap_bytes)}) are empty room or dead "
                    f"rows: about {estimated.percent:.0f} %",
            cause=_why(table, vacuum_first), evidence=ctx.evidence(SOURCE.strip(), [row]),
            fixes=fixes if table.name in mine else (),
        )  # fmt: skip
    if needs:
        yield Unknown(f"{counted(len(needs), 'large table')} cannot be estimated. Needs: {' '.join(needs)}")


@table_bloat.fix(title="Vacuum the table first", reversible=False)
def vacuum(ctx: Context, finding: Finding) -> Iterator[Maintain]:
    """VACUUM (ANALYZE): dead rows become free room, beside the running application."""
    for row in finding.evidence:
        yield Maintain("vacuum_analyze", row["table"], schema=row["schema"], size_bytes=row["total_bytes"])


@table_bloat.fix(title="Rewrite the table (VACUUM FULL): locks it for everybody meanwhile", reversible=False)
def rewrite(ctx: Context, finding: Finding) -> Iterator[Maintain]:
    """VACUUM FULL of the one table. For a maintenance window; it is refused where free disk space is short."""
    for row in finding.evidence:
        yield Maintain("vacuum_full", row["table"], schema=row["schema"], size_bytes=row["total_bytes"])


def _why(table: tables.TableStats, vacuum_first: bool) -> str:
    if vacuum_first:
        return (
            f"Rows were deleted or changed in bulk, {table.dead_rows:,} dead ones are still there. "
            f"Run in psql first: VACUUM (ANALYZE) {table.sql_name};"
        )
    return (
        "Rows were deleted or changed in bulk; the vacuum came, and gives no room back to the disk. In a window, with "
        f"Label Studio stopped, run in psql: VACUUM (FULL, ANALYZE) {table.sql_name};"
    )
