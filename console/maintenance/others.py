"""What the other sessions of the database do that maintenance meets: locks, long transactions, autovacuum, slots.

Everything here is readable by any role; names and times of other people's sessions are hidden from roles without
`pg_read_all_stats`, and then are said to be.
"""

from __future__ import annotations

from dataclasses import dataclass

from .links import Link

#: Sessions named at most; there may be hundreds.
MOST_NAMED = 5
#: Lock modes that stand in the way of SHARE UPDATE EXCLUSIVE; ACCESS EXCLUSIVE meets every mode.
_STRONG = ("ShareUpdateExclusiveLock", "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock")


@dataclass(frozen=True)
class Session:
    """One session of somebody else. `seconds` since its transaction began; None where this role may not see it."""

    pid: int
    role: str | None
    application: str | None
    kind: str | None
    seconds: float | None
    state: str | None
    query: str

    @property
    def described(self) -> str:
        who = "an autovacuum worker" if self.kind == "autovacuum worker" else self.application or self.role or "hidden"
        since = f", since {_duration(self.seconds)}" if self.seconds is not None else ""
        idle = ", idle in transaction" if self.state == "idle in transaction" else ""
        return f"process {self.pid} ({who}{since}{idle})"


_COLUMNS = """a.usename::text as role, nullif(a.application_name, '') as application, a.backend_type as kind,
    extract(epoch from clock_timestamp() - a.xact_start)::float as seconds, a.state, coalesce(left(a.query, 200), '') as query"""
_HOLDING = f"""
select distinct on (l.pid) l.pid, {_COLUMNS}
from pg_locks l left join pg_stat_activity a on a.pid = l.pid
where l.locktype = 'relation' and l.relation = %(oid)s and l.granted and l.pid <> pg_backend_pid()
  and l.database = (select oid from pg_database where datname = current_database())
  and (%(exclusive)s or l.mode = any (%(modes)s))
order by l.pid limit 50
"""  # noqa: S608  nothing but columns is put in
_LONG = f"""
select a.pid, {_COLUMNS}
from pg_stat_activity a
where a.pid <> pg_backend_pid() and a.datname = current_database()
  and a.backend_type is distinct from 'autovacuum worker'
  and a.xact_start < clock_timestamp() - make_interval(secs => %(seconds)s)
order by a.xact_start limit 50
"""  # noqa: S608  as above


def holding(link: Link, oid: int, *, exclusive: bool) -> list[Session]:
    """Who holds a lock on the relation that stands in the way; `exclusive` is the way of VACUUM FULL."""
    rows = link.run(_HOLDING, {"oid": oid, "exclusive": exclusive, "modes": list(_STRONG)})
    return [Session(**row) for row in rows]


def waiting_for(link: Link, pid: int) -> list[int]:
    """Server processes that wait for a lock of this one."""
    rows = link.run(
        "with ours as (select relation from pg_locks where pid = %(pid)s and granted and locktype = 'relation')"
        " select w.pid from (select distinct pid from pg_locks where not granted and pid <> %(pid)s"
        " and (locktype <> 'relation' or relation in (select relation from ours)) limit 100) w"
        " where %(pid)s = any (pg_blocking_pids(w.pid))", {"pid": pid},
    )  # fmt: skip
    return [row["pid"] for row in rows]


def long_transactions(link: Link, older_than_seconds: float) -> list[Session]:
    """Transactions of this database that are older: they hold vacuum back, and a concurrent REINDEX waits for them."""
    return [Session(**row) for row in link.run(_LONG, {"seconds": older_than_seconds})]


def hidden_sessions(link: Link) -> int:
    """How many sessions of this database this role may not look into."""
    [row] = link.run(
        "select count(*) as hidden from pg_stat_activity where datname = current_database() and backend_type is null"
        " and pid <> pg_backend_pid()"
    )
    return int(row["hidden"])


def held_back_by(link: Link) -> list[str]:
    """Replication slots and prepared transactions that keep dead rows alive, in words."""
    slots = link.run(
        "select slot_name::text as name, active, greatest(age(xmin), age(catalog_xmin)) as age from pg_replication_slots"
        " where xmin is not null or catalog_xmin is not null order by 3 desc nulls last limit 5"
    )
    prepared = link.run(
        "select gid, extract(epoch from clock_timestamp() - prepared)::float as seconds from pg_prepared_xacts"
        " where database = current_database() order by prepared limit 5"
    )
    said = [
        f"Replication slot {row['name']} ({'in use' if row['active'] else 'unused'}) keeps rows of the last "
        f"{row['age']:,} transactions" for row in slots
    ]  # fmt: skip
    return said + [f"Prepared transaction {row['gid']} is open since {_duration(row['seconds'])}" for row in prepared]


def autovacuum_on(link: Link, oid: int) -> bool:
    """Whether autovacuum works on this table right now."""
    return bool(
        link.run(
            "select 1 from pg_stat_progress_vacuum p join pg_stat_activity a on a.pid = p.pid"
            " where p.relid = %(oid)s and a.backend_type = 'autovacuum worker'"
            " and p.datid = (select oid from pg_database where datname = current_database())",
            {"oid": oid},
        )
    )


def other_builds(link: Link) -> list[str]:
    """Index builds of other sessions: relation and phase, in words."""
    rows = link.run(
        "select p.pid, coalesce(c.relname::text, p.relid::text) as relation, p.command, p.phase"
        " from pg_stat_progress_create_index p left join pg_class c on c.oid = p.relid"
        " where p.datid = (select oid from pg_database where datname = current_database()) and p.pid <> pg_backend_pid()"
        " order by p.pid limit 5"
    )
    return [f"{row['command']} on {row['relation']} (process {row['pid']}, {row['phase']})" for row in rows]


def named(sessions: list[Session]) -> str:
    """The first few of them, in words."""
    shown = ", ".join(session.described for session in sessions[:MOST_NAMED])
    more = len(sessions) - MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"
