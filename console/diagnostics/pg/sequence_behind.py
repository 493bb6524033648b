"""A sequence stands behind the ids it counts, so that new rows collide with old ones.

Rows that bring their own ids (a restore of data alone, a move from SQLite, a COPY by hand) do not advance the sequence
that gives ids to new rows. Label Studio then fails with `duplicate key value violates unique constraint "task_pkey"`
whenever it adds one, each attempt moves the sequence on by one, and after as many failures as there are rows it works
again: that is why the error seems to heal by itself and comes back on another table.

Setting a sequence to the largest id in use is safe at any time and stops nobody:

    SELECT setval('task_id_seq', (SELECT max(id) FROM task));

Every serial and identity column that leads an index is looked at, so that the largest id is one step away.

Source: the catalogue's dependencies of sequences on columns, and PostgreSQL's sequence functions; `setval` in Django's
`sqlsequencereset`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...amounts import counted
from .. import Context, Finding, Severity, Unknown, check
from ..postgresql import need_postgresql, role, writable_sequences
from ..sequences import Sequence, not_seen, read_state, sequences, statement_of
from ..server_changes import SetSequence


@check(
    title="Every sequence is past the largest id",
    severity=Severity.ERROR,
    impact="Adding a row fails with “duplicate key value violates unique constraint”, again and again",
    cause="Rows were brought in with their ids, by a restore or a copy, and the sequences were not moved on.",
)
def sequence_behind(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding for the database. Rows: table, column, largest id, where the sequence stands, and the statement."""
    need_postgresql(ctx, "SQLite counts ids by the table itself.")
    every = sequences(ctx.read)
    seen = [item for item in every if item.readable and item.indexed]
    states = read_state(ctx.read, seen)
    behind = [(item, *states[item.key]) for item in seen if states[item.key][0] > states[item.key][1]]
    hidden = not_seen(every, role(ctx))
    if hidden:
        yield hidden
    if not behind:
        return
    writable = writable_sequences(ctx)
    first, largest, value = behind[0]
    summary = f"{counted(len(behind), 'sequence')} {'is' if len(behind) == 1 else 'are'} behind the ids in use"
    yield Finding(
        subject="deployment:sequences", name="Sequences",
        summary=f"{summary}: {first.table} holds id {largest:,}, its sequence stands at {value:,}",
        evidence=ctx.evidence(statement_of([item for item, *_ in behind]), [_row(item, top, at) for item, top, at in behind]),
        fixes=("advance",) if all(item.key in writable for item, *_ in behind) else (),
    )  # fmt: skip


@sequence_behind.fix(title="Move the sequences on to the largest ids")
def advance(ctx: Context, finding: Finding) -> Iterator[SetSequence]:
    """Each sequence is set to the largest id in use; undo brings it back to where it stood."""
    for row in finding.evidence:
        yield SetSequence(
            row["schema"], row["sequence"], row["table"], row["column"], row["stands_at"], row["largest_id"]
        )


def _row(item: Sequence, largest: int, value: int) -> dict[str, object]:
    return {
        "table": item.table, "column": item.column, "largest_id": largest, "stands_at": value, "schema": item.schema,
        "sequence": item.name, "run": item.setval,
    }  # fmt: skip
