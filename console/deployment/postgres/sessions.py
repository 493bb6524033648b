"""Who is connected to the database, what they do, who waits for whom, and how many more may come.

Three statements. Under a role without pg_read_all_stats PostgreSQL hides what others do: their sessions are counted, the
rest of them is None, and `grant` says what would show it. Who blocks whom is told to everybody.

Source: PostgreSQL's chapters on the cumulative statistics (`pg_stat_activity`) and on `pg_locks`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from ...masking import mask_text
from ..database import APPLICATION_NAME
from .naming import quoted
from .version import major

#: Sessions that are listed, the oldest transactions first; the counts are of all.
MOST_SESSIONS = 500
#: Characters of a statement that are shown.
QUERY_CHARACTERS = 2000
#: How deep a tree of waiting sessions is told; a longer chain is cut.
DEEPEST = 20


@dataclass(frozen=True)
class ServerSession:
    """One connection to this database. Ages are seconds; None where it is not told, or does not apply."""

    pid: int
    #: with `pid` it names the session beyond doubt: a number may come again
    backend_start: datetime | None
    user: str
    application: str
    #: address of the client, or "local"; None when hidden
    client: str | None
    #: "active", "idle", "idle in transaction", "idle in transaction (aborted)" …; None when hidden
    state: str | None
    #: the last statement, secrets masked; None when hidden
    query: str | None
    connected_seconds: float | None
    transaction_seconds: float | None
    query_seconds: float | None
    state_seconds: float | None
    #: "Lock: relation", "Client: ClientRead" …; "" when it waits for nothing
    wait: str
    #: transactions since the oldest snapshot it holds: VACUUM may clear nothing younger
    snapshot_age: int | None
    #: "client backend", "autovacuum worker", "walsender" …; None when hidden
    kind: str | None
    #: sessions it waits for
    blocked_by: tuple[int, ...]
    #: what it waits for: "ShareLock" …, and the table if it is one
    waits_for_mode: str
    waits_for_relation: str
    #: a session of this console
    own: bool
    #: true: the role may not see what it does
    hidden: bool
    #: it waits for a prepared transaction (two-phase), which no session holds: see `pg_prepared_xacts`
    blocked_by_prepared: bool = False
    #: when its transaction began, or, in none, when it fell idle; None when hidden
    unchanged_since: datetime | None = None

    @property
    def idle_in_transaction(self) -> bool:
        return bool(self.state and self.state.startswith("idle in transaction"))


@dataclass(frozen=True)
class Blocked:
    """A session in the tree of who waits for whom. At the root stands one that waits for nobody."""

    session: ServerSession
    waiting: tuple[Blocked, ...] = ()

    @property
    def count(self) -> int:
        """Sessions that wait below it."""
        return sum(1 + child.count for child in self.waiting)

    @property
    def longest_seconds(self) -> float | None:
        """How long the longest wait below it has lasted, as far as it is told."""
        ages = [
            age
            for child in self.waiting
            for age in (child.session.query_seconds, child.longest_seconds)
            if age is not None
        ]
        return max(ages, default=None)


@dataclass(frozen=True)
class Connections:
    """Connections of the whole server against its limit."""

    used: int
    of_this_database: int
    #: `max_connections`
    limit: int
    #: kept for superusers (and from 16 on for members of pg_use_reserved_connections)
    reserved: int
    #: of this database: state -> number, under "hidden" those that the role may not see
    by_state: dict[str, int]
    #: of this database: application -> number, the most first
    by_application: dict[str, int]
    #: the limit of this role or this database when one is set, else None
    role_limit: int | None = None
    database_limit: int | None = None

    @property
    def usable(self) -> int:
        """What an application can use of the server."""
        return max(self.limit - self.reserved, 1)

    @property
    def used_percent(self) -> float:
        return 100 * self.used / self.usable


@dataclass(frozen=True)
class Sessions:
    """`rows` are the sessions of this database, at most `MOST_SESSIONS`, the oldest transactions first."""

    rows: list[ServerSession]
    connections: Connections
    blocked: list[Blocked]
    #: what would show what is hidden, or ""
    grant: str = ""
    now: datetime | None = field(default=None)

    def long(self, seconds: float) -> list[ServerSession]:
        """Active in one transaction for longer than this; our own and PostgreSQL's workers are none of them."""
        return [
            row for row in self.rows
            if row.state == "active" and (row.transaction_seconds or 0) > seconds and not row.own and row.kind == "client backend"
        ]  # fmt: skip

    def idle_in_transaction(self, seconds: float) -> list[ServerSession]:
        """Idle within a transaction for longer than this."""
        return [row for row in self.rows if row.idle_in_transaction and (row.state_seconds or 0) > seconds]


_SESSIONS = """
with waiting as materialized (
  select l.pid, min(l.mode) as mode, min(l.locktype) as locktype,
         min(case when l.database = d.oid then l.relation end) as relation, pg_blocking_pids(l.pid) as blockers
  from pg_locks l cross join (select oid from pg_database where datname = current_database()) d
  where not l.granted group by l.pid
)
select s.pid, s.backend_start, coalesce(s.usename, '') as "user", coalesce(s.application_name, '') as application,
       coalesce(host(s.client_addr), 'local') as client, s.state, left(s.query, :characters) as query,
       extract(epoch from clock_timestamp() - s.backend_start)::float as connected,
       extract(epoch from clock_timestamp() - s.xact_start)::float as in_transaction,
       extract(epoch from clock_timestamp() - s.query_start)::float as in_query,
       extract(epoch from clock_timestamp() - s.state_change)::float as in_state,
       coalesce(s.xact_start, s.state_change) as unchanged_since, s.wait_event_type, s.wait_event, s.backend_type as kind,
       greatest(age(s.backend_xmin), age(s.backend_xid)) as snapshot_age,
       not (pg_has_role(s.usesysid, 'usage') or pg_has_role('pg_read_all_stats', 'usage')) as hidden,
       s.pid = pg_backend_pid() as this_one, w.blockers, w.mode, w.locktype,
       coalesce((select c.relname from pg_class c where c.oid = w.relation), '') as relation, clock_timestamp() as now
from pg_stat_activity s
left join waiting w on w.pid = s.pid
where s.datname = current_database() or s.pid in (select unnest(blockers) from waiting)
order by s.xact_start nulls last, s.pid limit :most
"""
_CONNECTIONS = """
select current_setting('max_connections')::int as "limit",
       current_setting('superuser_reserved_connections')::int
       + coalesce(nullif(current_setting('reserved_connections', true), ''), '0')::int as reserved,
       (select coalesce(sum(numbackends), 0)::int from pg_stat_database) as used,
       (select nullif(datconnlimit, -1) from pg_database where datname = current_database()) as database_limit,
       (select nullif(rolconnlimit, -1) from pg_roles where rolname = current_user) as role_limit,
       current_user as role, pg_has_role('pg_read_all_stats', 'usage') as sees_all, a.*
from (
  select coalesce(jsonb_object_agg(state, number), '{}') as by_state from (
    select coalesce(state, case when pg_has_role('pg_read_all_stats', 'usage') then 'starting' else 'hidden' end) as state,
           count(*) as number
    from pg_stat_activity where datname = current_database() and backend_type is distinct from 'parallel worker'
    group by 1) counted
) a
"""
_APPLICATIONS = text("""
select coalesce(nullif(application_name, ''), '(no name)') as application, count(*) as number
from pg_stat_activity where datname = current_database() group by 1 order by 2 desc, 1 limit 50
""")


def read(session: Session) -> Sessions:
    """Everything about the connections. Three statements."""
    major(session)
    limits = session.execute(text(_CONNECTIONS)).mappings().one()
    named = {row.application: row.number for row in session.execute(_APPLICATIONS)}
    found = session.execute(text(_SESSIONS), {"most": MOST_SESSIONS, "characters": QUERY_CHARACTERS}).mappings().all()
    rows = [_session(row) for row in found]
    by_state = limits["by_state"]
    connections = Connections(
        used=limits["used"], of_this_database=sum(by_state.values()), limit=limits["limit"], reserved=limits["reserved"],
        by_state=by_state, by_application=named, role_limit=limits["role_limit"], database_limit=limits["database_limit"],
    )  # fmt: skip
    grant = "" if limits["sees_all"] else f"GRANT pg_read_all_stats TO {quoted(limits['role'])};"
    return Sessions(rows, connections, tree(rows), grant, found[0]["now"] if found else None)


def tree(rows: Iterable[ServerSession]) -> list[Blocked]:
    """Who waits for whom, one tree for each session that waits for nobody itself; the most waiting first.

    One that waits for a prepared transaction is a root too, as no session holds that. A session that waits for several
    stands under each of them. Sessions that wait for each other in a circle (a deadlock, for the second until
    PostgreSQL ends it) have no root: the circle is cut at its lowest number.
    """
    by_pid = {row.pid: row for row in rows}
    waiting: dict[int, list[int]] = {}
    for row in by_pid.values():
        for pid in row.blocked_by:
            if pid in by_pid:
                waiting.setdefault(pid, []).append(row.pid)
    told: set[int] = set()

    def below(pid: int, above: tuple[int, ...]) -> Blocked:
        told.add(pid)
        children = [child for child in waiting.get(pid, []) if child not in above and child != pid]
        if len(above) >= DEEPEST:
            children = []
        return Blocked(by_pid[pid], tuple(below(child, (*above, pid)) for child in sorted(children)))

    held = {row.pid for row in by_pid.values() if row.blocked_by_prepared}
    roots = [pid for pid in {*waiting, *held} if not any(blocker in by_pid for blocker in by_pid[pid].blocked_by)]
    trees = [below(pid, ()) for pid in sorted(roots)]
    for pid in sorted(waiting):
        if pid not in told:
            trees.append(below(pid, ()))
    return sorted(trees, key=lambda root: (-root.count, root.session.pid))


def _session(row: Any) -> ServerSession:
    hidden = row["hidden"]
    wait = f"{row['wait_event_type']}: {row['wait_event']}" if row["wait_event_type"] else ""
    return ServerSession(
        pid=row["pid"], backend_start=row["backend_start"], user=row["user"], application=mask_text(row["application"]),
        client=None if hidden else row["client"], state=row["state"],
        query=None if hidden or row["query"] is None else mask_text(row["query"]).strip(),
        connected_seconds=row["connected"], transaction_seconds=row["in_transaction"], query_seconds=row["in_query"],
        state_seconds=row["in_state"], wait=wait, snapshot_age=row["snapshot_age"], kind=row["kind"],
        blocked_by=tuple(sorted({pid for pid in row["blockers"] or () if pid})), waits_for_mode=row["mode"] or "",
        waits_for_relation=row["relation"] or (row["locktype"] or "").replace("transactionid", "a transaction's end"),
        own=row["this_one"] or row["application"].startswith(APPLICATION_NAME),
        hidden=bool(hidden), blocked_by_prepared=0 in (row["blockers"] or ()), unchanged_since=row["unchanged_since"],
    )  # fmt: skip
