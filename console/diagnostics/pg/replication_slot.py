"""A replication slot that nobody reads keeps the server's log (WAL) on disk.

A slot promises its reader that nothing it has not read is thrown away. When the replica, the change-data pipeline or
the migration service behind it is gone, the promise stands: the log grows with every write until the disk is full and
PostgreSQL stops. A slot of a reader that is only slow looks the same, but is active.

First make sure that nobody will come back for it (a replica that is being restarted would have to be built anew), then:

    SELECT pg_drop_replication_slot('SLOT');

A lasting guard is `max_slot_wal_keep_size` (PostgreSQL 13 and later): past it the slot is given up instead of the
server.

Reported are inactive slots that keep `min_megabytes`, active ones that keep `min_active_gigabytes`, and slots that the
server has given up already (`lost`).

Source: `pg_replication_slots`, and PostgreSQL's chapter on replication slots.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import text

from ...amounts import bytes_text
from .. import Context, Finding, Severity, check
from ..postgresql import literal, need_postgresql

SLOTS = """
select slot_name, slot_type, coalesce(database, '') as database, active, coalesce(wal_status, '') as wal_status,
       greatest(pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end,
                                restart_lsn), 0)::bigint as kept_bytes,
       greatest(age(xmin), age(catalog_xmin)) as holds_back_transactions, coalesce(active_pid, 0) as active_pid
from pg_replication_slots
where not temporary
order by kept_bytes desc nulls last, slot_name
"""


@check(
    title="Every replication slot is read",
    severity=Severity.WARNING,
    impact="The server's log grows until the disk is full, and PostgreSQL stops with it",
)
def replication_slot(ctx: Context, min_megabytes: int = 1024, min_active_gigabytes: int = 20) -> Iterator[Finding]:
    """One finding per slot. Rows: kind, whether it is read, what it keeps on disk, and what it holds back from VACUUM."""
    need_postgresql(ctx, "SQLite has no replication.")
    for row in ctx.read.execute(text(SLOTS)).mappings():
        judged = _judged(row, min_megabytes * 2**20, min_active_gigabytes * 2**30)
        if judged is None:
            continue
        severity, summary, cause = judged
        yield Finding(
            subject=f"deployment:slot-{row['slot_name']}", name=f"Slot {row['slot_name']}", severity=severity,
            summary=summary, cause=cause, evidence=ctx.evidence(SLOTS.strip(), [row]),
        )  # fmt: skip


def _judged(row: Any, idle_bytes: int, active_bytes: int) -> tuple[Severity, str, str] | None:
    name, kept = row["slot_name"], row["kept_bytes"] or 0
    drop = f"SELECT pg_drop_replication_slot({literal(name)});"
    if row["wal_status"] == "lost":
        return (
            Severity.INFO,
            f"Slot {name} was given up: its reader came too late",
            f"It is of no use any more. Run in psql: {drop}",
        )
    if not row["active"] and kept >= idle_bytes:
        text_ = f"Slot {name} keeps {bytes_text(kept)} of the log on disk, and nobody reads it"
        return Severity.ERROR, text_, f"Its reader is gone. If for good, run in psql: {drop}"
    if row["active"] and kept >= active_bytes:
        text_ = f"Slot {name} keeps {bytes_text(kept)} of the log on disk: its reader is that far behind"
        return Severity.WARNING, text_, "The replica or pipeline behind it is too slow, or its network is."
    return None
