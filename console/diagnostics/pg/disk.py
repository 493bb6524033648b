"""The disk of the database is filling up.

A full disk stops PostgreSQL in the middle of a write: "could not extend file", "No space left on device", then
restarts in circles. Apart from the data itself it is filled by the server's log (WAL) that a failing archive command
or a dead replication slot (`pg.replication_slot`) keeps, by temporary files of sorts that do not fit into memory, and
by room that deleted rows left (`pg.table_bloat`).

Free space is no business of SQL: it is measured when the server's data directory is of this machine and readable, or
taken from `LSCONSOLE_DATABASE_FREE_BYTES`. Where neither can be had (a managed service, another machine) this check
judges the rest alone; have an eye on free space there, or look with `df -h` on the database's host.

Reported are less than `min_free_percent` of what the database takes itself, or less than `min_free_gigabytes` at all;
room that will not last `warn_days_left` days at the pace of the last `growth_days`; an archive whose last attempt
failed; and more than `max_temp_gigabytes_per_day` of temporary files. The pace is taken from the console's own hourly
samples as soon as they span a week; the slower half of the time counts, as one large import is no trend.

Never delete files below `pg_wal` by hand: that destroys the database. Room is made by dropping what is not needed,
after which VACUUM FULL or a larger disk helps.

Source: `pg_stat_archiver`, `pg_stat_database.temp_bytes`, and PostgreSQL's chapter on monitoring disk usage.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import text

from ...amounts import bytes_text, counted
from ...maintenance.disk import SERVER, free_bytes_of
from ...state.growth import Growth, growth
from .. import Context, Finding, Severity, check
from ..memory import remembered
from ..postgresql import need_postgresql

#: Less than this is no time to order a disk.
URGENT_DAYS = 7
USED = """
select pg_database_size(current_database()) as database_bytes, s.temp_files, s.temp_bytes,
       coalesce(s.stats_reset, pg_postmaster_start_time()) as counted_since,
       extract(epoch from now() - coalesce(s.stats_reset, pg_postmaster_start_time())) / 86400 as days
from pg_stat_database s where s.datname = current_database()
"""
ARCHIVE = """
select archived_count, failed_count, last_archived_time, last_failed_time, last_failed_wal
from pg_stat_archiver where last_failed_time > coalesce(last_archived_time, '-infinity')
"""


@check(
    title="Nothing fills the database's disk",
    severity=Severity.WARNING,
    impact="A full disk stops PostgreSQL, and Label Studio with it",
)
def disk(
    ctx: Context, min_free_percent: int = 20, min_free_gigabytes: float = 1, max_temp_gigabytes_per_day: float = 50,
    warn_days_left: int = 30, growth_days: int = 28,
) -> Iterator[Finding]:  # fmt: skip
    """One finding for each: free space, the archive, temporary files. Rows: the numbers behind it."""
    need_postgresql(ctx, "`sqlite.*` looks at the file and its disk.")
    used = dict(ctx.read.execute(text(USED)).mappings().one())
    free, how = free_bytes_of(dict(ctx.read.execute(text(SERVER)).mappings().one()), ctx.settings)
    size = used["database_bytes"]
    grown = _growth(ctx, growth_days) if free is not None else None
    days_left = free / grown.bytes_per_day if free is not None and grown and grown.bytes_per_day > 0 else None
    short = free is not None and (free < min_free_gigabytes * 2**30 or free * 100 < size * min_free_percent)
    if free is not None and (short or (days_left is not None and days_left < warn_days_left)):
        urgent = free < min_free_gigabytes * 2**30 / 2 or (days_left is not None and days_left < URGENT_DAYS)
        numbers = {"database_bytes": size, "free_bytes": free, "how": how} | _grown(grown, days_left)
        yield Finding(
            subject="deployment:disk", name="Disk of the database",
            severity=Severity.ERROR if urgent else Severity.WARNING,
            summary=f"{bytes_text(free)} of disk are left beside a database of {bytes_text(size)} ({how})"
                    f"{_pace(grown, days_left)}",
            cause="The data grew, or the server's log, temporary files or deleted rows hold the disk.",
            evidence=ctx.evidence(USED.strip(), [numbers]),
        )  # fmt: skip
    for row in ctx.read.execute(text(ARCHIVE)).mappings():
        yield Finding(
            subject="deployment:wal-archive", name="Archive of the log", severity=Severity.ERROR,
            summary=f"The server cannot archive its log since {row['last_failed_time']:%Y-%m-%d %H:%M} UTC "
                    f"({row['failed_count']:,} attempts failed)",
            cause="archive_command fails: until it works again the log stays on this disk, and backups have a gap. "
                  "PostgreSQL's own log holds its message.",
            evidence=ctx.evidence(ARCHIVE.strip(), [row]),
        )  # fmt: skip
    per_day = (used["temp_bytes"] or 0) / max(float(used["days"]), 1)
    if per_day > max_temp_gigabytes_per_day * 2**30:
        yield Finding(
            subject="deployment:temporary-files", name="Temporary files", severity=Severity.INFO,
            summary=f"Sorts and joins write {bytes_text(per_day)} of temporary files a day",
            cause="work_mem is small for what is asked (`pg.cache_and_config`), or a filter sorts whole projects.",
            evidence=ctx.evidence(USED.strip(), [used]),
        )  # fmt: skip


def _growth(ctx: Context, days: int) -> Growth | None:
    since = ctx.now - timedelta(days=days)
    return remembered(ctx, lambda store: growth(store, ctx.deployment.identity, since))


def _grown(grown: Growth | None, days_left: float | None) -> dict[str, object]:
    """What the evidence says of the growth; None where the samples are too few."""
    return {
        "growth_bytes_per_day": round(grown.bytes_per_day) if grown else None,
        "days_left": round(days_left, 1) if days_left is not None else None,
        "seen_days": round(grown.days, 1) if grown else None,
    }


def _pace(grown: Growth | None, days_left: float | None) -> str:
    if grown is None or days_left is None:
        return ""
    left = counted(int(days_left), "day") if days_left >= 1 else "less than a day"
    return f"; it grows by {bytes_text(grown.bytes_per_day)} a day, so that this lasts {left}"
