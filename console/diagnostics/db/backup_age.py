"""The continuous archive of the database, which a restore would need, has stopped.

PostgreSQL can keep every change in an archive beside a base backup (`archive_mode`). Then a restore is possible up to the
last archived file, and no further: once archiving stops, every hour without it is an hour that would be lost.

That is all a console can see from within the database. Whether there are dumps, snapshots of the disk or backups of a
cloud provider, whether they hold the media directory, the environment with the secret key, and whether one was ever
restored, only people know; where nothing is archived this check says so and judges nothing. A backup of Label Studio has
four parts, each with its age: the database, the data directory (or bucket), the environment, and the last restore
that was tried.

    pg_dump --format=custom --file=label-studio-$(date +%F).dump DATABASE
    tar -C /label-studio -czf label-studio-data-$(date +%F).tar.gz data

Reported is an archive whose newest file is older than `older_than_hours`, where the server is set to archive at
least as often (`archive_timeout`).

Source: `pg_stat_archiver` and PostgreSQL's chapter on continuous archiving; Label Studio's page on backups.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import text

from .. import Context, Finding, NotApplicable, Severity, check
from ..sqlite_place import file_of

ARCHIVE = """
select current_setting('archive_mode') as archive_mode,
       (select setting::int from pg_settings where name = 'archive_timeout') as archive_timeout_seconds,
       archived_count, last_archived_time, failed_count, last_failed_time, pg_is_in_recovery() as is_standby
from pg_stat_archiver
"""


@check(
    title="The archive of the database, where there is one, is up to date",
    severity=Severity.WARNING,
    impact="After a loss of the disk, everything since the last archived file would be gone",
    cause="The archive command fails, or nothing calls it any more.",
)
def backup_age(ctx: Context, older_than_hours: int = 24) -> Iterator[Finding]:
    """One finding for the database. Row: archive mode, its time-out, last success and last failure."""
    if ctx.schema.dialect == "sqlite":
        path = file_of(ctx)
        raise NotApplicable(
            f"SQLite keeps no record of backups; whether {path.name} is backed up cannot be seen from here."
        )
    row: Any = ctx.read.execute(text(ARCHIVE)).mappings().one()
    if row["is_standby"]:
        raise NotApplicable("This is a standby; its primary archives.")
    if row["archive_mode"] == "off":
        raise NotApplicable(
            "PostgreSQL archives nothing here (archive_mode is off). Whether dumps or snapshots are made elsewhere "
            "cannot be seen from the database."
        )
    every, last = row["archive_timeout_seconds"] or 0, row["last_archived_time"]
    if not 0 < every <= older_than_hours * 3600:
        raise NotApplicable(
            "The archive grows as the database is written (archive_timeout is not set); its age says nothing."
        )
    hours = None if last is None else (ctx.now - last).total_seconds() / 3600
    if hours is not None and hours <= older_than_hours:
        return
    if hours is None and not row["failed_count"]:
        return  # the server's statistics are new
    yield Finding(
        subject="deployment:database", name="Database",
        summary=f"The newest archived file is {hours:,.0f} hours old" if hours is not None
        else f"Nothing was ever archived, and {row['failed_count']:,} attempts failed",
        evidence=ctx.evidence(ARCHIVE.strip(), [row]),
    )  # fmt: skip
