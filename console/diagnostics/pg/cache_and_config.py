"""PostgreSQL runs with settings that do not fit the database.

Out of the box PostgreSQL is set for a laptop: 128 MB of shared memory, plans for spinning disks. With gigabytes of
tasks every page is read from disk over and over, and the planner prefers to read whole tables. A few switches do harm
at any size: autovacuum or its counting switched off (tables grow without end), `fsync` or `full_page_writes` off (a
power cut loses the database).

What is worth a look stands in the rows with a value to begin with; a superuser writes them, those of memory want a
restart:

    ALTER SYSTEM SET shared_buffers = '4GB';         -- a quarter of the memory of the machine
    ALTER SYSTEM SET effective_cache_size = '12GB';  -- what the machine has for caching in all
    ALTER SYSTEM SET random_page_cost = 1.1;         -- on SSD and cloud disks
    SELECT pg_reload_conf();

Sizes are judged for databases over `min_gigabytes` alone, the share of hits in the cache over `min_reads` blocks read
and below `min_hit_percent`: the operating system's cache, which PostgreSQL cannot see, may answer the rest quickly.
Managed services set most of this themselves.

Source: PostgreSQL's chapters on resource consumption and query planning; `pg_stat_database`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import text

from ...amounts import bytes_text, counted
from .. import Context, Finding, Severity, check
from ..postgresql import need_postgresql

SETTINGS = """
select name, setting, coalesce(unit, '') as unit, source, pending_restart
from pg_settings
where name in ('autovacuum', 'track_counts', 'fsync', 'full_page_writes', 'shared_buffers', 'random_page_cost',
               'work_mem', 'effective_cache_size', 'maintenance_work_mem')
order by name
"""
NUMBERS = text("""
select pg_database_size(current_database()) as bytes, blks_hit, blks_read, temp_files,
       current_setting('block_size')::bigint as block_bytes
from pg_stat_database where datname = current_database()
""")
#: Switches that are on everywhere they should be, and what happens without.
SWITCHES = {
    "autovacuum": "dead rows are never cleared away: tables grow, and get slower, without end",
    "track_counts": "autovacuum does not know where to come: the same as switching it off",
    "fsync": "a power cut or a crash of the machine loses the database",
    "full_page_writes": "a power cut or a crash of the machine may leave half-written pages in the database",
}


@check(
    title="PostgreSQL's settings fit the database",
    severity=Severity.INFO,
    impact="Everything is slower than the machine could be, or less safe than the data deserves",
    cause="PostgreSQL's own defaults are made for small machines, and nobody has changed them since.",
)
def cache_and_config(
    ctx: Context, min_gigabytes: float = 10, min_hit_percent: float = 98, min_reads: int = 10_000_000
) -> Iterator[Finding]:
    """One finding for the server. Rows: setting, its value, one to begin with, and why."""
    need_postgresql(ctx, "SQLite needs no tuning of a server.")
    settings = {row["name"]: row for row in ctx.read.execute(text(SETTINGS)).mappings()}
    numbers = ctx.read.execute(NUMBERS).one()
    rows = [
        {"setting": name, "value": "off", "begin_with": "on", "why": why}
        for name, why in SWITCHES.items()
        if name in settings and settings[name]["setting"] == "off"
    ]
    harmful = len(rows)
    if numbers.bytes >= min_gigabytes * 2**30:
        rows += _sizes(settings, numbers.bytes, numbers.block_bytes)
    blocks = numbers.blks_hit + numbers.blks_read
    if blocks >= min_reads and numbers.blks_hit * 100 < blocks * min_hit_percent:
        share = f"{100 * numbers.blks_hit / blocks:.1f} %"
        rows.append({"setting": "hits in the cache", "value": share, "begin_with": "more shared_buffers",
                     "why": "the rest is read from the operating system or the disk"})  # fmt: skip
    if rows:
        yield Finding(
            subject="deployment:database", name="Database", evidence=ctx.evidence(SETTINGS.strip(), rows),
            severity=Severity.WARNING if harmful else Severity.INFO,
            summary=f"{counted(len(rows), 'setting is', 'settings are')} worth a look: "
                    f"{', '.join(row['setting'] for row in rows)}",
            cause="Somebody has switched them off: for a large import, or for a test." if harmful else "",
        )  # fmt: skip


def _sizes(settings: dict[str, Any], size: int, block: int) -> list[dict[str, Any]]:
    """Settings that still have PostgreSQL's own default, in a database that is large by now."""
    found = []
    buffers = settings["shared_buffers"]
    if int(buffers["setting"]) * block <= 128 * 2**20:
        found.append({"setting": "shared_buffers", "value": bytes_text(int(buffers["setting"]) * block),
                      "begin_with": "a quarter of the machine's memory", "why": f"the database has {bytes_text(size)}"})  # fmt: skip
    if settings["random_page_cost"]["source"] == "default":
        found.append({"setting": "random_page_cost", "value": settings["random_page_cost"]["setting"], "begin_with": "1.1",
                      "why": "on SSD and cloud disks an index is cheaper than the planner thinks"})  # fmt: skip
    if settings["work_mem"]["source"] == "default":
        found.append({"setting": "work_mem", "value": "4 MB", "begin_with": "16 MB to 64 MB",
                      "why": "sorts of large projects go to temporary files"})  # fmt: skip
    return found
