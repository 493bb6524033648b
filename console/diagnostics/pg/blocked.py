"""Sessions wait for a lock that somebody holds.

One session holds a lock and does not let go, others want it, and whoever comes next queues behind them, readers too if
one of the waiting wants the table for itself (ALTER TABLE, VACUUM FULL). The application seems dead: saving hangs,
pages time out, connections pile up. The session at the root is an idle transaction, a bulk change, a migration, or a
statement typed by hand.

Look at what the root does, then either let it finish, cancel its statement, or end it:

    SELECT pg_cancel_backend(PID);       -- its statement ends, the session stays
    SELECT pg_terminate_backend(PID);    -- needed when it is idle in its transaction

An autovacuum at the root gives way by itself after a second, unless it prevents the transaction counter from running
out: that one has to finish. A prepared transaction has no session; `SELECT gid FROM pg_prepared_xacts` and
`ROLLBACK PREPARED 'gid'` end it.

Reported is each session at the root of a chain in which somebody has waited `waiting_seconds` or more, and, as a note,
a server that broke up more than `max_deadlocks_per_day` deadlocks a day.

Source: `pg_locks`, `pg_blocking_pids`, `pg_stat_database.deadlocks`; Label Studio changes rows of many tasks in one
transaction when it imports and deletes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import text

from ...amounts import counted
from .. import Context, Finding, Severity, Unknown, check
from ..postgresql import ago, hidden_sessions, need_postgresql
from ..server_changes import EndSession
from ..sessions import COLUMNS, end, endable, named, warning

SESSIONS = f"""
with waits as (
    select l.pid, round(extract(epoch from clock_timestamp() - min(l.waitstart))::numeric, 1)::float as waited_seconds,
           pg_blocking_pids(l.pid) as blocked_by, string_agg(distinct coalesce(l.relation::regclass::text, l.locktype), ', ')
               as waits_for
    from pg_locks l where not l.granted group by l.pid
)
select {COLUMNS}, w.waited_seconds, w.blocked_by, w.waits_for
from pg_stat_activity a
left join pg_roles r on r.oid = a.usesysid
left join waits w on w.pid = a.pid
where a.pid in (select pid from waits union select unnest(blocked_by) from waits)
order by a.pid
"""  # noqa: S608  nothing but columns is put in
#: Before 14 nobody noted when a wait began; the statement that waits began earlier still.
WAITSTART = "min(l.waitstart)"
BEFORE_14 = "(select s.query_start from pg_stat_activity s where s.pid = l.pid)"
DEADLOCKS = """
select deadlocks, coalesce(stats_reset, pg_postmaster_start_time()) as counted_since,
       extract(epoch from now() - coalesce(stats_reset, pg_postmaster_start_time())) / 86400 as days
from pg_stat_database where datname = current_database()
"""
Row = Mapping[str, Any]


@check(
    title="Nobody waits long for a lock",
    severity=Severity.ERROR,
    impact="Saving hangs for everybody behind the lock; requests run into their time limit and connections pile up",
)
def blocked(ctx: Context, waiting_seconds: int = 30, max_deadlocks_per_day: int = 50) -> Iterator[Finding | Unknown]:
    """One finding per root of a chain. Rows: the root (depth 0) and everybody behind it, with what each waits for."""
    need_postgresql(ctx, "SQLite has no sessions; `sqlite.locked` looks at its locks.")
    server: Any = ctx.read.connection().dialect.server_version_info
    statement = SESSIONS if server >= (14,) else SESSIONS.replace(WAITSTART, BEFORE_14)
    sessions: dict[int, Row] = {row["pid"]: dict(row) for row in ctx.read.execute(text(statement)).mappings()}
    chains = {root: _chain(root, sessions) for root in _roots(sessions)}
    allowed = endable(ctx, [sessions[root] for root in chains if root in sessions])
    for root, chain in chains.items():
        longest = max((row["waited_seconds"] or 0 for row in chain), default=0)
        if longest >= waiting_seconds:
            yield _finding(ctx, statement, root, chain, longest, root in allowed)
    deadlocks = ctx.read.execute(text(DEADLOCKS)).mappings().one()
    per_day = deadlocks["deadlocks"] / max(float(deadlocks["days"]), 1)
    if per_day > max_deadlocks_per_day:
        yield Finding(
            subject="deployment:deadlocks", name="Deadlocks", severity=Severity.INFO, fixes=(),
            summary=f"{deadlocks['deadlocks']:,} deadlocks since {deadlocks['counted_since']:%Y-%m-%d}, {per_day:,.0f} a day",
            cause="Jobs that change the same tasks in different orders; each was broken up by failing one of the two.",
            evidence=ctx.evidence(DEADLOCKS.strip(), [deadlocks]),
        )  # fmt: skip
    hidden = hidden_sessions(ctx)
    if hidden and chains:
        yield hidden


@blocked.fix(title="Cancel what the session at the root is running", reversible=False)
def cancel(ctx: Context, finding: Finding) -> Iterator[EndSession]:
    """pg_cancel_backend of the root: its statement fails, the session goes on."""
    yield from end(finding, "cancel", depth=0)


@blocked.fix(title="End the session at the root", reversible=False)
def terminate(ctx: Context, finding: Finding) -> Iterator[EndSession]:
    """pg_terminate_backend of the root: its transaction is rolled back and its locks are free."""
    yield from end(finding, "terminate", depth=0)


def _roots(sessions: Mapping[int, Row]) -> list[int]:
    """Who blocks and waits for nobody. 0 stands for a prepared transaction, which has no session."""
    blockers = {pid for row in sessions.values() for pid in row["blocked_by"] or ()}
    return sorted(pid for pid in blockers if pid not in sessions or not sessions[pid]["blocked_by"])


def _chain(root: int, sessions: Mapping[int, Row]) -> list[Row]:
    """Everybody behind a root, nearest first, each with its depth; the root itself at depth 0."""
    found: dict[int, Row] = {root: {"depth": 0} | dict(sessions.get(root, {"pid": root, "blocked_by": None}))}
    level = [root]
    while level:
        behind = [
            pid for pid, row in sessions.items() if pid not in found and set(row["blocked_by"] or ()) & set(level)
        ]
        depth = found[level[0]]["depth"] + 1
        found |= {pid: {"depth": depth} | dict(sessions[pid]) for pid in behind}
        level = behind
    chain = list(found.values())
    return [row | {"waited_seconds": row.get("waited_seconds")} for row in chain]  # type: ignore[operator]


def _finding(ctx: Context, statement: str, root: int, chain: list[Row], longest: float, allowed: bool) -> Finding:
    first, behind = chain[0], len(chain) - 1
    waits = f"{counted(behind, 'session waits', 'sessions wait')} for"
    evidence = ctx.evidence(statement.strip(), chain if root else chain[1:])
    if not root or "user" not in first:
        return Finding(
            subject="deployment:prepared-transaction", name="Prepared transaction", fixes=(), evidence=evidence,
            summary=f"{waits} a prepared transaction, the longest for {ago(longest)}",
            cause="It was prepared and never committed. SELECT gid, prepared FROM pg_prepared_xacts; names it, and "
                  "ROLLBACK PREPARED 'gid'; ends it.",
        )  # fmt: skip
    idle = first["state"].startswith("idle in")
    doing = (
        f"has been {first['state']} for {ago(first['state_seconds'])}"
        if first["state_seconds"] is not None
        else "is at work"
    )
    fixes = (("terminate",) if idle else ("cancel", "terminate")) if allowed else ()
    function = "pg_terminate_backend" if idle else "pg_cancel_backend"
    return Finding(
        subject=f"deployment:session-{root}", name=named(first).capitalize(), evidence=evidence, fixes=fixes,
        summary=f"{waits} {named(first)}, the longest for {ago(longest)}",
        cause=f"Session {root} {doing} and holds the lock.{warning(first)} To free it, run in psql: SELECT {function}({root});",
    )  # fmt: skip
