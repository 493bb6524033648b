"""Label Studio's lock on migrations is held, and new pods wait for it at their start.

At its start Label Studio takes an advisory lock (number 1000) on a connection of its own, so that only one pod
migrates; the others try every five seconds and give up after five minutes: their log says "Attempting to acquire the
postgres advisory transaction lock". The holder is idle in its transaction by design, the migrations run on a second
connection from the same place. When that pod dies without a word (a node is lost, a network breaks), the server keeps
the lock until the operating system notices, by default after two hours.

A holder whose program does nothing else for `idle_minutes` is left over: end it, then start the pods again.

    SELECT pg_terminate_backend(PID);

A holder whose program is at work is a long migration: wait. Killing it half-way leaves a schema between two releases.

Source: `locked_migrate` in Label Studio's core app (since 1.11); `pg_locks`.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import text

from .. import Context, Finding, Severity, Unknown, check
from ..postgresql import ago, hidden_sessions, need_postgresql
from ..server_changes import EndSession
from ..sessions import COLUMNS, end, endable, named

HOLDER = f"""
select {COLUMNS},
       (select count(*) from pg_stat_activity o
        where o.datname = a.datname and o.usesysid = a.usesysid and o.client_addr is not distinct from a.client_addr
          and o.pid not in (a.pid, pg_backend_pid()) and o.backend_type = 'client backend'
          and o.application_name is not distinct from a.application_name) as sessions_beside_it,
       (select round(extract(epoch from clock_timestamp() - max(case when o.state = 'active' then clock_timestamp()
               else o.state_change end))::numeric, 1)::float
        from pg_stat_activity o
        where o.datname = a.datname and o.usesysid = a.usesysid and o.client_addr is not distinct from a.client_addr
          and o.pid not in (a.pid, pg_backend_pid()) and o.backend_type = 'client backend'
          and o.application_name is not distinct from a.application_name) as quiet_seconds
from pg_locks l
join pg_stat_activity a on a.pid = l.pid
left join pg_roles r on r.oid = a.usesysid
where l.locktype = 'advisory' and l.classid = 0 and l.objid = 1000 and l.objsubid = 1 and l.granted
  and l.database = (select oid from pg_database where datname = current_database())
"""  # noqa: S608  nothing but columns is put in


@check(
    title="The lock on migrations is free",
    severity=Severity.ERROR,
    impact="Pods that start now wait five minutes for the lock and then stop with a time-out",
)
def migrate_lock(ctx: Context, idle_minutes: float = 5) -> Iterator[Finding | Unknown]:
    """One finding for the lock. Rows: the session that holds it, and how long its program has been quiet."""
    need_postgresql(ctx, "On SQLite Label Studio takes no lock to migrate.")
    for row in [dict(row) for row in ctx.read.execute(text(HOLDER)).mappings()]:
        if row["transaction_seconds"] is None:
            yield hidden_sessions(ctx) or Unknown(
                "The session that holds the lock on migrations cannot be looked into."
            )
            continue
        if row["transaction_seconds"] < idle_minutes * 60:
            continue
        left_over = row["quiet_seconds"] is None or row["quiet_seconds"] >= idle_minutes * 60
        held = f"{named(row).capitalize()} has held the lock on migrations for {ago(row['transaction_seconds'])}"
        if not left_over:
            yield Finding(
                subject="deployment:migrate-lock", name="Lock on migrations", severity=Severity.INFO, fixes=(),
                summary=f"{held}, and its program is at work", evidence=ctx.evidence(HOLDER.strip(), [row]),
                cause="A long migration. Wait for its end; pods that gave up start again by themselves or by hand.",
            )  # fmt: skip
            continue
        allowed = endable(ctx, [row])
        beside = (
            "has no other session"
            if not row["sessions_beside_it"]
            else f"has been quiet for {ago(row['quiet_seconds'])}"
        )
        yield Finding(
            subject="deployment:migrate-lock", name="Lock on migrations", summary=f"{held}, and its program {beside}",
            cause=f"The pod that migrated is gone or hangs. To free the lock, run in psql: "
                  f"SELECT pg_terminate_backend({row['pid']});",
            evidence=ctx.evidence(HOLDER.strip(), [row]), fixes=("terminate",) if allowed else (),
        )  # fmt: skip


@migrate_lock.fix(title="End the session that holds the lock", reversible=False)
def terminate(ctx: Context, finding: Finding) -> Iterator[EndSession]:
    """pg_terminate_backend of the holder; the next pod takes the lock and migrates."""
    yield from end(finding, "terminate")
