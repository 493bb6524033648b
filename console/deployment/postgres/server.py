"""The server as a whole: cache, wraparound, replication slots, extensions, version, checkpoints, room on its disk.

Three statements. Numbers of the statistics count from `statistics_since` on: a crash or a reset starts them anew.

Source: PostgreSQL's chapters on monitoring, on preventing transaction ID wraparound and on replication slots; the
versions of Django that Label Studio's packages ask for, and the oldest PostgreSQL that each Django accepts.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from ..releases import catalogue
from ..schema import UNTOLD, Schema
from .naming import quoted
from .version import major

#: Transaction numbers run out here; PostgreSQL stops writing three million before.
WRAPAROUND = 2**31
#: First release of Label Studio that needs it: (release, oldest PostgreSQL, Django), newest first.
FLOORS = (("1.23.1", 14, "5.2"), ("1.16.0", 13, "5.1"), ("1.15.0", 12, "4.2"), ("1.0.0.post3", 10, "3.2"))
#: Blocks that must have been asked for before a share of hits says anything.
FEWEST_BLOCKS = 10_000
#: What Label Studio's indexes need, and what this console can use.
NEEDED = {
    "pg_trgm": "text search in annotations: two indexes of Label Studio need it",
    "btree_gin": "text search in annotations: two indexes of Label Studio need it",
}
USEFUL = {
    "pg_stat_statements": "shows the slowest statements",
    "pgstattuple": "measures bloat instead of estimating it",
}


@dataclass(frozen=True)
class DatabaseAge:
    """Transactions since the oldest unfrozen row of one database of the server."""

    name: str
    age: int
    #: this database, the one Label Studio uses
    own: bool

    @property
    def percent(self) -> float:
        """Of the transaction numbers there are until writing stops."""
        return 100 * self.age / (WRAPAROUND - 3_000_000)


@dataclass(frozen=True)
class Slot:
    """A replication slot. `retained_bytes` of write-ahead log are kept for it; None when that cannot be told."""

    name: str
    #: "physical" or "logical"
    kind: str
    active: bool
    database: str
    retained_bytes: int | None
    #: "reserved", "extended", "unreserved", "lost"; "" when not told
    state: str
    #: transactions since the oldest row that it keeps VACUUM from clearing; None when it keeps none
    snapshot_age: int | None


@dataclass(frozen=True)
class Extension:
    """`needed`: by Label Studio. `statement` installs it; "" when it is there or the server does not have it."""

    name: str
    installed: str
    available: str
    needed: bool
    why: str
    statement: str


@dataclass(frozen=True)
class Checkpoints:
    """Since `statistics_since`: `requested` ones came because the write-ahead log grew full, or somebody asked."""

    timed: int
    requested: int
    write_seconds: float
    since: datetime | None

    @property
    def requested_percent(self) -> float | None:
        whole = self.timed + self.requested
        return 100 * self.requested / whole if whole else None


@dataclass(frozen=True)
class Disk:
    """Room where the database lies, bytes; None and `how` says why where nobody can tell."""

    free_bytes: int | None
    total_bytes: int | None
    how: str


@dataclass(frozen=True)
class Floor:
    """The oldest PostgreSQL that the attached release of Label Studio starts with, and that of the newest known one."""

    release: str
    needed: int
    newest_release: str
    newest_needed: int
    now: int

    @property
    def too_old(self) -> bool:
        return self.now < self.needed

    @property
    def too_old_for_newest(self) -> bool:
        return self.now < self.newest_needed


@dataclass(frozen=True)
class Server:
    """Sizes are bytes, times UTC, ages as their names say; None where the role may not see it."""

    version: str
    major: int
    started_at: datetime
    #: a replica: nothing can be maintained here
    in_recovery: bool
    database: str
    database_bytes: int | None
    #: from the cache, of all blocks asked for; None while too few were
    cache_hit_percent: float | None
    commits: int
    rollbacks: int
    deadlocks: int
    temp_files: int
    temp_bytes: int
    #: the younger of the resets of the database's and of the server's counters
    statistics_since: datetime | None
    statistics_days: float | None
    ages: tuple[DatabaseAge, ...]
    freeze_max_age: int
    slots: tuple[Slot, ...]
    #: oldest snapshot that a standby's feedback holds, in transactions
    standby_snapshot_age: int | None
    #: prepared transactions (two-phase) of this database, and the age of the oldest
    prepared: int
    prepared_seconds: float | None
    extensions: tuple[Extension, ...]
    checkpoints: Checkpoints
    #: why there may be a pooler such as PgBouncer between here and the server, or ""
    pooler: str
    #: statements that would tell what is None
    grants: tuple[str, ...]


_SERVER = """
select current_setting('server_version') as version, pg_postmaster_start_time() as started_at,
       pg_is_in_recovery() as in_recovery, d.datname as database,
       case when has_database_privilege(d.oid, 'CONNECT') or pg_has_role('pg_read_all_stats', 'usage')
            then pg_database_size(d.oid) end as database_bytes,
       s.blks_hit as hits, s.blks_read as reads, s.xact_commit as commits, s.xact_rollback as rollbacks, s.deadlocks,
       s.temp_files, s.temp_bytes, greatest(s.stats_reset, b.stats_reset) as since,
       extract(epoch from now() - coalesce(greatest(s.stats_reset, b.stats_reset), pg_postmaster_start_time()))::float
       / 86400 as days,
       current_setting('autovacuum_freeze_max_age')::int as freeze_max_age,
       (select max(age(backend_xmin)) from pg_stat_replication) as standby_age,
       (select count(*) from pg_prepared_xacts p where p.database = d.datname) as prepared,
       (select extract(epoch from now() - min(prepared))::float from pg_prepared_xacts p where p.database = d.datname)
         as prepared_seconds,
       {checkpoints}, {checkpoints_since} as checkpoints_since,
       coalesce(inet_server_port(), 0) as port, current_setting('port')::int as own_port, current_user as role,
       has_database_privilege(d.oid, 'CREATE') as may_create, pg_has_role('pg_read_all_stats', 'usage') as sees_all
from pg_database d
join pg_stat_database s on s.datid = d.oid
cross join pg_stat_bgwriter b
{checkpointer}
where d.datname = current_database()
"""
_LISTS = text("""
select 'age' as list, datname::text as name, (datname = current_database())::text as a, age(datfrozenxid)::text as b,
       null as c, null as d, null as e, null as f
from pg_database where datallowconn
union all
select 'slot', slot_name::text, slot_type, active::text, coalesce(database::text, ''),
       case when restart_lsn is not null then pg_wal_lsn_diff(
         case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, restart_lsn)::text end,
       coalesce(wal_status, ''), greatest(age(xmin), age(catalog_xmin))::text
from pg_replication_slots
union all
select 'extension', name::text, coalesce(installed_version, ''), coalesce(default_version, ''), null, null, null, null
from pg_available_extensions where name in ('pg_trgm', 'btree_gin', 'pg_stat_statements', 'pgstattuple')
""")
_PLACE = text("""
select current_setting('data_directory') as directory, host(inet_server_addr()) as address,
       extract(epoch from pg_postmaster_start_time())::bigint as started,
       (select pg_tablespace_location(dattablespace) from pg_database where datname = current_database()) as elsewhere
where pg_has_role('pg_read_all_settings', 'usage')
""")


def read(session: Session, *, url_port: int | None = None) -> Server:
    """Two statements. `url_port` is the port the console connects to, for telling a pooler."""
    version = major(session)
    row = session.execute(text(_worded(version))).mappings().one()
    lists: dict[str, list[Any]] = {"age": [], "slot": [], "extension": []}
    for item in session.execute(_LISTS):
        lists[item.list].append(item)
    asked = row["hits"] + row["reads"]
    role = quoted(row["role"])
    return Server(
        version=row["version"], major=version, started_at=row["started_at"], in_recovery=row["in_recovery"],
        database=row["database"], database_bytes=row["database_bytes"],
        cache_hit_percent=100 * row["hits"] / asked if asked >= FEWEST_BLOCKS else None, commits=row["commits"],
        rollbacks=row["rollbacks"], deadlocks=row["deadlocks"], temp_files=row["temp_files"],
        temp_bytes=row["temp_bytes"], statistics_since=row["since"], statistics_days=row["days"],
        ages=tuple(sorted((DatabaseAge(item.name, int(item.b), item.a == "true") for item in lists["age"]),
                          key=lambda found: (-found.age, found.name))),
        freeze_max_age=row["freeze_max_age"], slots=tuple(_slot(item) for item in lists["slot"]),
        standby_snapshot_age=row["standby_age"], prepared=row["prepared"], prepared_seconds=row["prepared_seconds"],
        extensions=_extensions(lists["extension"]),
        checkpoints=Checkpoints(row["timed"], row["requested"], row["write_seconds"], row["checkpoints_since"]),
        pooler=_pooler(row, url_port), grants=() if row["sees_all"] else (f"GRANT pg_read_all_stats TO {role};",),
    )  # fmt: skip


def floor(server: Server, schema: Schema) -> Floor | None:
    """The oldest PostgreSQL for the attached release; None when nobody may tell the release.

    Several releases may have the same migrations; then the one that accepts the older server is meant, as it runs.
    """
    if schema.release == UNTOLD:
        return None
    releases = catalogue().releases
    names = [schema.release.version, *schema.release.alike]
    needed, release = min((_floor_of(name, releases), -releases.index(name)) for name in names)
    newest = releases[-1]
    return Floor(releases[-release], needed, newest, _floor_of(newest, releases), server.major)


def disk(session: Session) -> Disk:
    """Free room of the file system that holds the database, when the server runs here and its directory is readable.

    The directory is believed only if its `postmaster.pid` tells the same start as the server: behind a forwarded port
    the same path here may be somebody else's.
    """
    major(session)
    row = session.execute(_PLACE).mappings().first()
    if row is None:
        role = quoted(str(session.scalar(text("select current_user"))))
        return Disk(
            None, None, f"not told to this role; needs: GRANT pg_read_all_settings TO {role}; or see the server's host"
        )
    directory = Path(row["directory"])
    try:
        lines = (directory / "postmaster.pid").read_text().splitlines()
        same = len(lines) > 2 and abs(int(lines[2]) - row["started"]) <= 2
        found = os.statvfs(row["elsewhere"] or directory) if same else None
    except (OSError, ValueError):
        found = None
    if found is None:
        return Disk(None, None, f"PostgreSQL does not tell; on its host: df -h {directory}")
    return Disk(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize, f"of the file system of {directory}")


def _worded(version: int) -> str:
    """The checkpointer has its own view since 17."""
    if version >= 17:
        return _SERVER.format(
            checkpoints="k.num_timed as timed, k.num_requested as requested, k.write_time / 1000 as write_seconds",
            checkpoints_since="k.stats_reset", checkpointer="cross join pg_stat_checkpointer k",
        )  # fmt: skip
    return _SERVER.format(
        checkpoints="b.checkpoints_timed as timed, b.checkpoints_req as requested, b.checkpoint_write_time / 1000 as write_seconds",
        checkpoints_since="b.stats_reset", checkpointer="",
    )  # fmt: skip


def _floor_of(release: str, releases: tuple[str, ...]) -> int:
    at = releases.index(release)
    return next((needed for since, needed, _ in FLOORS if at >= releases.index(since)), FLOORS[-1][1])


def _slot(item: Any) -> Slot:
    return Slot(
        name=item.name, kind=item.a, active=item.b == "true", database=item.c,
        retained_bytes=None if item.d is None else max(int(float(item.d)), 0), state=item.e,
        snapshot_age=None if item.f is None else int(item.f),
    )  # fmt: skip


def _extensions(rows: list[Any]) -> tuple[Extension, ...]:
    known = {row.name: (row.a, row.b) for row in rows}
    found = []
    for name, why in (NEEDED | USEFUL).items():
        installed, available = known.get(name, ("", ""))
        statement = f"CREATE EXTENSION {name};" if available and not installed else ""
        found.append(Extension(name, installed, available, name in NEEDED, why, statement))
    return tuple(found)


def _pooler(row: Any, url_port: int | None) -> str:
    if not url_port or url_port in {row["port"], row["own_port"]}:
        return ""
    if url_port == 6432:
        return "The console connects to port 6432, PgBouncer's: a pooler shares a few connections among many clients."
    return (
        f"The console connects to port {url_port}, PostgreSQL listens on {row['own_port']}: a pooler or a forwarded port "
        "stands between."
    )
