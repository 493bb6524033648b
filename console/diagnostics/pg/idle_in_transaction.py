"""A session began a transaction and does nothing in it.

It keeps every lock it took, so that others wait for it, and it keeps VACUUM from clearing anything that died since it
began: tables grow and get slower although autovacuum runs. It comes from a client that was killed or hangs, from a
psql left open after BEGIN, or from a program that calls something slow in the middle of a transaction. An export in
Label Studio works inside of one transaction and may be silent for a minute or two between its statements.

A transaction that is at work for hours is no fault by itself (a backup, a long export), but it holds VACUUM off just
the same; it is told as a note.

Ending the session rolls its transaction back; the program sees a lost connection. That it does not happen again:

    ALTER ROLE labelstudio SET idle_in_transaction_session_timeout = '10min';

Reported are sessions idle in their transaction for `idle_minutes`, and transactions at work for `busy_hours`. The
session that holds Label Studio's lock on migrations is left to `pg.migrate_lock`: it waits by design.

Source: `pg_stat_activity`; Label Studio's export of a snapshot, which is one transaction.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import text

from .. import Context, Finding, Severity, Unknown, check
from ..postgresql import ago, hidden_sessions, need_postgresql
from ..server_changes import EndSession
from ..sessions import COLUMNS, end, endable, named, warning

OPEN = f"""
select {COLUMNS}, age(a.backend_xmin) as holds_back_transactions,
       exists (select from pg_locks w where not w.granted and a.pid = any (pg_blocking_pids(w.pid))) as somebody_waits
from pg_stat_activity a
left join pg_roles r on r.oid = a.usesysid
where a.datname = current_database() and a.pid <> pg_backend_pid() and a.xact_start is not null
  and a.backend_type = 'client backend'
  and not exists (select from pg_locks l where l.pid = a.pid and l.locktype = 'advisory' and l.objid = 1000
                  and l.classid = 0 and l.objsubid = 1)
order by a.xact_start, a.pid
"""  # noqa: S608  nothing but columns is put in


@check(
    title="No transaction is left open",
    severity=Severity.WARNING,
    impact="Locks are kept and VACUUM clears nothing that died since: others wait, tables grow",
)
def idle_in_transaction(ctx: Context, idle_minutes: float = 5, busy_hours: float = 3) -> Iterator[Finding | Unknown]:
    """One finding per session. Rows: who, since when, what it last ran, and whether somebody waits for it."""
    need_postgresql(ctx, "SQLite has no sessions.")
    rows = [dict(row) for row in ctx.read.execute(text(OPEN)).mappings()]
    idle = [row for row in rows if row["state"].startswith("idle in") and row["state_seconds"] >= idle_minutes * 60]
    busy = [row for row in rows if row["state"] == "active" and row["transaction_seconds"] >= busy_hours * 3600]
    allowed = endable(ctx, idle)
    for row in idle:
        yield Finding(
            subject=f"deployment:session-{row['pid']}", name=named(row).capitalize(),
            severity=Severity.ERROR if row["somebody_waits"] else Severity.WARNING,
            summary=f"{named(row).capitalize()} has done nothing for {ago(row['state_seconds'])} in the middle of a "
                    f"transaction{', and others wait for it' if row['somebody_waits'] else ''}",
            cause=f"Its program hangs, was killed, or forgot to commit.{warning(row)} To end it, run in psql: "
                  f"SELECT pg_terminate_backend({row['pid']});",
            evidence=ctx.evidence(OPEN.strip(), [row]), fixes=("terminate",) if row["pid"] in allowed else (),
        )  # fmt: skip
    for row in busy:
        yield Finding(
            subject=f"deployment:session-{row['pid']}", name=named(row).capitalize(), severity=Severity.INFO,
            summary=f"{named(row).capitalize()} has been at work in one transaction for {ago(row['transaction_seconds'])}",
            cause=f"A backup, an export or a large change; until it ends, VACUUM clears nothing.{warning(row)}",
            evidence=ctx.evidence(OPEN.strip(), [row]), fixes=(),
        )  # fmt: skip
    hidden = hidden_sessions(ctx)
    if hidden:
        yield hidden


@idle_in_transaction.fix(title="End the session", reversible=False)
def terminate(ctx: Context, finding: Finding) -> Iterator[EndSession]:
    """pg_terminate_backend: its transaction is rolled back and its locks are free."""
    yield from end(finding, "terminate")
