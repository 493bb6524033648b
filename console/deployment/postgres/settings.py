"""Settings of the server that are worth a look, each with its value now, why, and what to try.

A setting is told only when something seen supports it: the default of 128 MB for the cache is right for a small
database. One statement; the rest is arithmetic over what `server.py` and `tables.py` read.

Source: PostgreSQL's chapters on resource consumption, automatic vacuuming and write-ahead log settings.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from .server import Server
from .version import major

GIGABYTE = 2**30
UNITS = {"B": 1, "kB": 1024, "8kB": 8192, "MB": 2**20, "GB": GIGABYTE, "": 1, "s": 1, "ms": 1, "min": 1}
_ASKED = text("""
select name, setting, coalesce(unit, '') as unit, vartype, source, pending_restart, current_setting(name) as shown
from pg_settings where name in (
  'shared_buffers', 'effective_cache_size', 'work_mem', 'maintenance_work_mem', 'random_page_cost', 'autovacuum',
  'track_counts', 'track_activities', 'max_wal_size', 'idle_in_transaction_session_timeout', 'statement_timeout', 'fsync',
  'full_page_writes', 'synchronous_commit', 'autovacuum_vacuum_cost_delay', 'autovacuum_max_workers',
  'max_slot_wal_keep_size', 'autovacuum_vacuum_scale_factor')
""")


@dataclass(frozen=True)
class Setting:
    """`now` in PostgreSQL's own words. `grave`: data or speed is at stake whatever the load.

    `hint`: a matter of taste, which the check pg.cache_and_config does not count.
    """

    name: str
    now: str
    why: str
    suggestion: str
    grave: bool = False
    hint: bool = True


@dataclass(frozen=True)
class Value:
    """`number` is bytes for memory, the bare number otherwise, 1 and 0 for on and off, -1 for words."""

    number: float
    shown: str
    source: str
    pending_restart: bool


def read(session: Session) -> dict[str, Value]:
    """The settings that matter here, by name. One statement, for any role."""
    major(session)
    return {row.name: Value(_number(row.setting, row.unit, row.vartype), row.shown, row.source, row.pending_restart)
            for row in session.execute(_ASKED)}  # fmt: skip


def worth_a_look(values: dict[str, Value], server: Server, *, largest_table_rows: int = 0) -> list[Setting]:
    """What somebody should look at, the grave ones first."""
    size = server.database_bytes or 0
    found: list[Setting] = []

    def tell(name: str, why: str, suggestion: str, *, grave: bool = False, hint: bool = True) -> None:
        found.append(Setting(name, values[name].shown, why, suggestion, grave, hint and not grave))

    def value(name: str) -> float:
        return values[name].number if name in values else -1

    if value("autovacuum") == 0 or value("track_counts") == 0:
        name = "autovacuum" if value("autovacuum") == 0 else "track_counts"
        tell(
            name,
            "Dead rows pile up and statistics grow old unless somebody vacuums by hand",
            f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();",
            grave=True,
        )
    for name in ("fsync", "full_page_writes"):
        if value(name) == 0:
            tell(
                name,
                "A crash of the host may leave the database damaged beyond repair",
                f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();",
                grave=True,
            )
    if size > 10 * GIGABYTE and 0 < value("shared_buffers") <= 128 * 2**20:
        tell(
            "shared_buffers",
            f"The default, while the database has {size / GIGABYTE:.0f} GB",
            "About a quarter of the host's memory, such as 4GB; needs a restart",
            hint=False,
        )
    elif server.cache_hit_percent is not None and server.cache_hit_percent < 98 and value("shared_buffers") < size:
        tell(
            "shared_buffers",
            f"Only {server.cache_hit_percent:.1f} % of the blocks came from the cache",
            "About a quarter of the host's memory; needs a restart",
            hint=False,
        )
    if size > 10 * GIGABYTE and 0 < value("maintenance_work_mem") <= 64 * 2**20:
        tell(
            "maintenance_work_mem",
            "VACUUM and index builds of large tables go over the data more than once",
            "512MB to 1GB",
        )
    large = size >= 10 * GIGABYTE
    spilled = server.temp_bytes > 10 * GIGABYTE
    if 0 < value("work_mem") <= 4 * 2**20 and (spilled or (large and values["work_mem"].source == "default")):
        tell(
            "work_mem",
            f"Sorting wrote {server.temp_bytes / GIGABYTE:.0f} GB to temporary files since the counters began"
            if spilled else "The default: sorts of large projects go to temporary files",
            "16MB to 64MB: it counts for each sort of each connection",
            hint=not (large and values["work_mem"].source == "default"),
        )  # fmt: skip
    if value("random_page_cost") >= 4 and size > GIGABYTE:
        tell(
            "random_page_cost", "Fit for spinning disks: on SSD the planner shuns indexes that would help", "1.1 on SSD",
            hint=not (large and values["random_page_cost"].source == "default"),
        )  # fmt: skip
    early = _early_checkpoints(server)
    if early and value("max_wal_size") <= GIGABYTE:
        tell("max_wal_size", early, "4GB or more")
    if value("idle_in_transaction_session_timeout") == 0:
        tell(
            "idle_in_transaction_session_timeout",
            "A killed client may hold its locks, and VACUUM, for hours",
            "'1h' for Label Studio's role: longer than its longest export",
        )
    if largest_table_rows > 1_000_000 and value("autovacuum_vacuum_scale_factor") >= 0.2:
        tell(
            "autovacuum_vacuum_scale_factor",
            f"Autovacuum waits for a fifth of {largest_table_rows:,} rows to be dead",
            "0.02 on the large tables (ALTER TABLE … SET)",
        )
    if server.slots and value("max_slot_wal_keep_size") == -1:
        tell(
            "max_slot_wal_keep_size",
            "A replication slot that nobody reads fills the disk",
            "A bound the disk can bear, such as 20GB",
        )
    found += [Setting(name, setting.shown, "Changed, and waiting for a restart", "Restart PostgreSQL in a quiet hour")
              for name, setting in sorted(values.items()) if setting.pending_restart]  # fmt: skip
    return sorted(found, key=lambda setting: not setting.grave)


def _early_checkpoints(server: Server) -> str:
    """A new database or a backup asks for a checkpoint too: only a steady stream of them is the log's."""
    share, days = server.checkpoints.requested_percent or 0, server.statistics_days or 0
    if days < 1 or share <= 50 or server.checkpoints.requested < 24 * days:
        return ""
    return f"{share:.0f} % of the checkpoints came early, mostly because the write-ahead log was full"


def _number(setting: str, unit: str, kind: str) -> float:
    if kind == "bool":
        return float(setting == "on")
    try:
        number = float(setting)
    except ValueError:
        return -1.0
    return number if number < 0 else number * UNITS.get(unit, 1)
