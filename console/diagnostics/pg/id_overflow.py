"""The ids of a table are running out.

Label Studio's ids are 32-bit numbers in most tables: they end at 2,147,483,647. Rows that were deleted, and every
import that failed half-way, used up their ids as well. At the end each new row is refused with "integer out of range"
(or `nextval: reached maximum value of sequence`), and widening the column then means a rewrite of the whole table
under an exclusive lock, at the worst moment. The time to plan it is now.

In a maintenance window, with Label Studio stopped and free disk space for the table and its indexes once more:

    ALTER TABLE task ALTER COLUMN id TYPE bigint;
    ALTER SEQUENCE task_id_seq AS bigint;

and the same `ALTER COLUMN` for every column that refers to it (`\\d task` lists them under "Referenced by").

Reported are sequences past `min_used_percent` of what the column or the sequence itself can hold, as an error from
`alarm_used_percent` on.

Source: the column types in the catalogue; `DEFAULT_AUTO_FIELD` in Label Studio's settings is Django's 32-bit one.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...deployment.postgres.naming import qualified, quoted
from .. import Context, Finding, Severity, Unknown, check
from ..postgresql import need_postgresql, role
from ..sequences import not_seen, read_state, sequences, statement_of


@check(
    title="Ids are far from their end",
    severity=Severity.WARNING,
    impact="When the last id is given, every import and annotation that needs a new one fails",
    cause="32-bit ids end at 2,147,483,647; deleted rows and failed imports used up theirs too.",
)
def id_overflow(
    ctx: Context, min_used_percent: float = 70, alarm_used_percent: float = 90
) -> Iterator[Finding | Unknown]:
    """One finding per table. Rows: where the sequence stands, the last id there is, and the statements to widen it."""
    need_postgresql(ctx, "SQLite's ids are 64-bit numbers.")
    every = sequences(ctx.read)
    seen = [item for item in every if item.readable and item.indexed]
    states = read_state(ctx.read, seen)
    for item in seen:
        given = max(states[item.key])
        used = 100 * given / item.most
        if used < min_used_percent:
            continue
        table, column = qualified(item.table_schema, item.table), quoted(item.column)
        row = {
            "table": item.table, "column": item.column, "type": item.type, "given": given, "most": item.most,
            "used_percent": round(used, 1),
            "alter_column": f"ALTER TABLE {table} ALTER COLUMN {column} TYPE bigint;",
            "alter_sequence": f"ALTER SEQUENCE {qualified(item.schema, item.name)} AS bigint;",
        }  # fmt: skip
        yield Finding(
            subject=f"table:{item.table}", name=item.table,
            severity=Severity.ERROR if used >= alarm_used_percent else Severity.WARNING,
            summary=f"{item.table}.{item.column} has used {used:.0f} % of its ids: {given:,} of {item.most:,}",
            evidence=ctx.evidence(statement_of([item]), [row]),
        )  # fmt: skip
    hidden = not_seen(every, role(ctx))
    if hidden:
        yield hidden
