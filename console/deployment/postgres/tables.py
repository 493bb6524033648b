"""Every table: how large, how many rows dead, when last maintained, and when autovacuum would come.

One statement for all of them. Sizes ask the file system through PostgreSQL and wait for a table's lock, so a table that
somebody locks exclusively (a VACUUM FULL, an ALTER) is told in pages as of its last VACUUM or ANALYZE. One that is
dropped meanwhile has size 0.

Source: PostgreSQL's chapters on routine vacuuming, on storage parameters and on the statistics functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from .freed import Bloat
from .grants import maintain_condition
from .naming import qualified
from .version import major

#: More tables than any release of Label Studio has by far; the largest are read.
MOST_TABLES = 5_000


@dataclass(frozen=True)
class Autovacuum:
    """The settings in force for one table, and the numbers at which autovacuum comes. None: it never comes for that."""

    enabled: bool
    #: dead rows
    vacuum_at: int | None
    #: rows inserted since the last vacuum
    insert_vacuum_at: int | None
    #: rows changed since the last analyze
    analyze_at: int | None
    #: transactions since the oldest unfrozen row; it comes then even when switched off
    freeze_at: int
    #: what the table itself sets, such as {"autovacuum_vacuum_scale_factor": "0.02"}
    own: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TableStats:
    """One table. Rows are PostgreSQL's estimates, sizes bytes, times UTC; None where it does not tell."""

    oid: int
    schema: str
    name: str
    #: "table", "partitioned" (no storage of its own) or "materialized view"
    kind: str
    #: the partitioned table it belongs to, or ""
    partition_of: str
    owner: str
    #: the rows themselves, what bloat is a share of
    main_bytes: int
    #: the same with the free space map and the visibility map
    heap_bytes: int
    index_bytes: int
    toast_bytes: int
    total_bytes: int
    #: somebody holds or awaits an exclusive lock: the sizes are as of the last VACUUM or ANALYZE
    locked: bool
    live_rows: int | None
    dead_rows: int
    inserted_since_vacuum: int
    modified_since_analyze: int
    last_vacuum: datetime | None
    last_autovacuum: datetime | None
    last_analyze: datetime | None
    last_autoanalyze: datetime | None
    seq_scans: int
    #: rows that sequential scans read, in all
    seq_rows: int
    idx_scans: int
    #: transactions since the oldest unfrozen row, with the TOAST table's; None for a partitioned table
    frozen_age: int | None
    autovacuum: Autovacuum
    indexes: int
    toast_oid: int | None
    fillfactor: int
    block_bytes: int
    #: whether the reading role may run VACUUM, ANALYZE and REINDEX on it
    may_maintain: bool
    #: whether the reading role may create and drop its indexes
    owned: bool
    #: the role that was asked with
    reader: str
    #: filled in by `overview.read`, or by whoever asks `bloat.estimate`
    bloat: Bloat | None = None

    @property
    def sql_name(self) -> str:
        """Schema-qualified and quoted."""
        return qualified(self.schema, self.name)

    @property
    def vacuumed(self) -> datetime | None:
        return _later(self.last_vacuum, self.last_autovacuum)

    @property
    def analyzed(self) -> datetime | None:
        return _later(self.last_analyze, self.last_autoanalyze)

    @property
    def dead_percent(self) -> float | None:
        """Dead rows of all rows; None for an empty or unknown table."""
        rows = (self.live_rows or 0) + self.dead_rows
        return 100 * self.dead_rows / rows if self.live_rows is not None and rows else None

    @property
    def stale_percent(self) -> float | None:
        """Rows changed since the last ANALYZE, in percent of the live ones; None for an empty or unknown table."""
        return 100 * self.modified_since_analyze / self.live_rows if self.live_rows else None


@dataclass(frozen=True)
class Tables:
    """`rows` holds all tables of the search path, the largest first; `total` is more only past `MOST_TABLES`."""

    rows: list[TableStats]
    total: int
    total_bytes: int


_TABLES = """
with locked as materialized (
  select distinct relation from pg_locks
  where mode = 'AccessExclusiveLock' and locktype = 'relation'
    and database = (select oid from pg_database where datname = current_database())
), picked as (
  select c.*, n.nspname, l.relation is not null or lt.relation is not null as locked,
         count(*) over () as total
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  left join locked l on l.relation = c.oid
  left join locked lt on lt.relation = c.reltoastrelid
  where c.relkind in ('r', 'p', 'm') and n.nspname = any (current_schemas(false))
  order by c.relpages desc, c.oid limit :most
), per_index as materialized (
  select i.indrelid, count(*) as indexes, sum(pg_stat_get_numscans(i.indexrelid)) as idx_scans,
         sum(x.relpages::bigint) as pages
  from pg_index i join pg_class x on x.oid = i.indexrelid
  where i.indrelid in (select oid from picked)
  group by i.indrelid
)
select c.oid, c.nspname as schema, c.relname as name, c.relkind::text as kind, pg_get_userbyid(c.relowner) as owner,
       coalesce((select p.relname from pg_inherits h join pg_class p on p.oid = h.inhparent
                 where c.relispartition and h.inhrelid = c.oid limit 1), '') as partition_of,
       c.locked, c.total, nullif(c.reltoastrelid, 0) as toast_oid, c.reltuples::bigint as estimated, c.reloptions,
       current_user as reader, coalesce(case when not c.locked then pg_relation_size(c.oid) end, 0) as main_bytes,
       coalesce(case when not c.locked then pg_relation_size(c.oid, 'fsm') + pg_relation_size(c.oid, 'vm')
                                            + pg_relation_size(c.oid, 'init') end, 0) as map_bytes,
       coalesce(case when not c.locked then pg_indexes_size(c.oid) end, 0) as index_bytes,
       coalesce(case when not c.locked then pg_total_relation_size(t.oid) end, 0) as toast_bytes,
       c.relpages::bigint as pages, coalesce(t.relpages, 0)::bigint as toast_pages,
       coalesce(x.pages, 0) as index_pages, coalesce(x.indexes, 0) as indexes, coalesce(x.idx_scans, 0) as idx_scans,
       pg_stat_get_live_tuples(c.oid) as live, pg_stat_get_dead_tuples(c.oid) as dead,
       pg_stat_get_mod_since_analyze(c.oid) as modified, pg_stat_get_ins_since_vacuum(c.oid) as inserted,
       pg_stat_get_last_vacuum_time(c.oid) as last_vacuum, pg_stat_get_last_autovacuum_time(c.oid) as last_autovacuum,
       pg_stat_get_last_analyze_time(c.oid) as last_analyze, pg_stat_get_last_autoanalyze_time(c.oid) as last_autoanalyze,
       pg_stat_get_numscans(c.oid) as seq_scans, pg_stat_get_tuples_returned(c.oid) as seq_rows,
       greatest(case when c.relfrozenxid <> '0' then age(c.relfrozenxid) end,
                case when t.relfrozenxid <> '0' then age(t.relfrozenxid) end) as frozen_age,
       {maintain} as may_maintain, pg_has_role(c.relowner, 'usage') as owned, {frozen} as unfrozen_share
from picked c
left join pg_class t on t.oid = c.reltoastrelid
left join per_index x on x.indrelid = c.oid
"""
_SETTINGS = text("""
select s.name, s.setting from pg_settings s where s.name like 'autovacuum%' or s.name in ('block_size', 'track_counts')
""")
_KINDS = {"r": "table", "p": "partitioned", "m": "materialized view"}


def read(session: Session) -> Tables:
    """All tables of the search path, the largest first. Two statements."""
    version = major(session)
    frozen = (
        "case when c.relpages > 0 then 1 - c.relallfrozen::float / c.relpages end" if version >= 18 else "null::float"
    )
    settings = {row.name: row.setting for row in session.execute(_SETTINGS)}
    statement = text(_TABLES.format(maintain=maintain_condition(version), frozen=frozen))
    rows = session.execute(statement, {"most": MOST_TABLES}).mappings().all()
    found = [_table(row, settings) for row in rows]
    total = rows[0]["total"] if rows else 0
    found.sort(key=lambda table: (-table.total_bytes, table.schema, table.name))
    return Tables(found, total, sum(table.total_bytes for table in found))


#: What `arranged` sorts by, and the order that puts the worst first.
SORTS: dict[str, Any] = {
    "name": lambda table: table.name,
    "total_bytes": lambda table: table.total_bytes,
    "heap_bytes": lambda table: table.heap_bytes,
    "index_bytes": lambda table: table.index_bytes,
    "toast_bytes": lambda table: table.toast_bytes,
    "live_rows": lambda table: _number(table.live_rows),
    "dead_rows": lambda table: table.dead_rows,
    "dead_percent": lambda table: _number(table.dead_percent),
    "modified": lambda table: table.modified_since_analyze,
    "seq_scans": lambda table: table.seq_scans,
    "idx_scans": lambda table: table.idx_scans,
    "frozen_age": lambda table: _number(table.frozen_age),
    "vacuumed": lambda table: table.vacuumed.timestamp() if table.vacuumed else 0.0,
    "analyzed": lambda table: table.analyzed.timestamp() if table.analyzed else 0.0,
    "bloat_bytes": lambda table: _number(table.bloat.bytes if table.bloat else None),
    "bloat_percent": lambda table: _number(table.bloat.percent if table.bloat else None),
}


def arranged(rows: Iterable[TableStats], sort: str = "total_bytes", *, descending: bool = True) -> list[TableStats]:
    """Sorted by one of `SORTS` (an unknown name sorts by size), equal ones by name; what is unknown counts as least."""
    by_name = sorted(rows, key=lambda table: (table.schema, table.name))
    return sorted(by_name, key=SORTS.get(sort, SORTS["total_bytes"]), reverse=descending)


@dataclass(frozen=True)
class Care:
    """Why a table needs care: `kind` is "vacuum", "analyze", "freeze", "autovacuum_off" or "bloat"."""

    kind: str
    text: str


def care(
    table: TableStats, *, min_dead_rows: int = 10_000, min_dead_percent: float = 20, min_rows: int = 10_000,
    min_stale_percent: float = 10, min_bloat_percent: float = 40, min_bloat_bytes: int = 100 * 2**20,
) -> list[Care]:  # fmt: skip
    """What somebody should do about a table, the gravest first; empty for a table that is well kept."""
    found = []
    if table.frozen_age is not None and table.frozen_age > 2 * table.autovacuum.freeze_at:
        found.append(
            Care(
                "freeze",
                f"its oldest row is {table.frozen_age:,} transactions old; autovacuum comes at {table.autovacuum.freeze_at:,}",
            )
        )
    dead = table.dead_percent
    if table.dead_rows >= min_dead_rows and dead is not None and dead >= min_dead_percent:
        found.append(Care("vacuum", f"{table.dead_rows:,} dead rows, {dead:.0f} % of all"))
    rows, stale = table.live_rows or 0, table.stale_percent
    if table.analyzed is None and max(rows, table.modified_since_analyze) >= min_rows:
        found.append(Care("analyze", "never analyzed: the planner guesses"))
    elif rows >= min_rows and stale is not None and stale >= min_stale_percent:
        found.append(
            Care(
                "analyze", f"{table.modified_since_analyze:,} rows changed since the last ANALYZE, {stale:.0f} % of all"
            )
        )
    if not table.autovacuum.enabled and rows >= min_rows:
        found.append(Care("autovacuum_off", "autovacuum is switched off"))
    bloat = table.bloat
    if bloat and (bloat.bytes or 0) >= min_bloat_bytes and (bloat.percent or 0) >= min_bloat_percent:
        found.append(Care("bloat", f"{bloat.percent:.0f} % of the table is empty or dead"))
    return found


def needing_care(rows: Sequence[TableStats]) -> list[TableStats]:
    """Those that `care` has something to say about."""
    return [table for table in rows if care(table)]


def _table(row: Any, settings: dict[str, str]) -> TableStats:
    block = int(settings["block_size"])
    options = options_of(row["reloptions"])
    if row["locked"]:
        heap, toast, index = (row[name] * block for name in ("pages", "toast_pages", "index_pages"))
        main = heap
    else:
        main, toast, index = row["main_bytes"], row["toast_bytes"], row["index_bytes"]
        heap = main + row["map_bytes"]
    maintained = any(row[name] for name in ("last_vacuum", "last_autovacuum", "last_analyze", "last_autoanalyze"))
    live = known_rows(row["estimated"], row["live"], row["dead"], maintained)
    return TableStats(
        oid=row["oid"], schema=row["schema"], name=row["name"], kind=_KINDS[row["kind"]],
        partition_of=row["partition_of"], owner=row["owner"], main_bytes=main, heap_bytes=heap, index_bytes=index, toast_bytes=toast,
        total_bytes=heap + index + toast, locked=row["locked"], live_rows=live, dead_rows=row["dead"],
        inserted_since_vacuum=row["inserted"], modified_since_analyze=row["modified"], last_vacuum=row["last_vacuum"],
        last_autovacuum=row["last_autovacuum"], last_analyze=row["last_analyze"],
        last_autoanalyze=row["last_autoanalyze"], seq_scans=row["seq_scans"], seq_rows=row["seq_rows"],
        idx_scans=int(row["idx_scans"]), frozen_age=row["frozen_age"],
        autovacuum=autovacuum(max(row["estimated"], 0), row["unfrozen_share"], options, settings),
        indexes=row["indexes"], toast_oid=row["toast_oid"], fillfactor=int(options.get("fillfactor", 100)),
        block_bytes=block, reader=row["reader"],
        may_maintain=row["may_maintain"], owned=row["owned"],
    )  # fmt: skip


def known_rows(estimated: int, live: int, dead: int, maintained: bool) -> int | None:
    """Live rows, or None where nothing tells.

    The counters start at nothing after a crash or a restore, and say something about a table only once it was vacuumed
    or analyzed; a change that is counted after the vacuum that cleared it takes its rows away twice. The planner's own
    number survives both; -1 is none.
    """
    if maintained and (live or dead):
        return live
    return max(estimated, live) if estimated >= 0 or live > 0 else None


def options_of(reloptions: Sequence[str] | None) -> dict[str, str]:
    """Storage parameters as a mapping."""
    return dict(option.partition("=")[::2] for option in reloptions or ())


def autovacuum(rows: int, unfrozen: float | None, options: dict[str, str], settings: dict[str, str]) -> Autovacuum:
    """The numbers that autovacuum computes: a threshold and a share of the rows as of the last VACUUM or ANALYZE.

    `options` are the table's storage parameters, `settings` the server's, in PostgreSQL's own words. Since 18 there
    is a largest threshold, and of the rows only those on unfrozen pages count for inserts.
    """

    def value(name: str) -> float:
        return float(options.get(f"autovacuum_{name}", settings.get(f"autovacuum_{name}", "-1")))

    on = settings["autovacuum"] == "on" and settings.get("track_counts", "on") == "on"
    enabled = on and options.get("autovacuum_enabled", "true").lower() in {"true", "on", "yes", "1", "t", "y"}
    vacuum = value("vacuum_threshold") + value("vacuum_scale_factor") * rows
    most = value("vacuum_max_threshold")
    if most >= 0:
        vacuum = min(vacuum, most)
    inserts = value("vacuum_insert_threshold")
    insert_at = inserts + value("vacuum_insert_scale_factor") * rows * (1 if unfrozen is None else unfrozen)
    freeze = min(int(settings["autovacuum_freeze_max_age"]), int(value("freeze_max_age")))
    return Autovacuum(
        enabled=enabled,
        vacuum_at=int(vacuum) + 1 if enabled else None,
        insert_vacuum_at=int(insert_at) + 1 if enabled and inserts >= 0 else None,
        analyze_at=int(value("analyze_threshold") + value("analyze_scale_factor") * rows) + 1 if enabled else None,
        freeze_at=freeze,
        own={name: setting for name, setting in options.items() if name.startswith("autovacuum_")},
    )


def _later(first: datetime | None, second: datetime | None) -> datetime | None:
    return max((time for time in (first, second) if time), default=None)


def _number(value: float | None) -> float:
    return -1.0 if value is None else float(value)
