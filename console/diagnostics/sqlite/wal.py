"""What SQLite keeps beside its file has grown, or was left behind by a crash.

In WAL mode every change goes to the `-wal` file first and is moved over once nobody reads any more; a reader that never
ends keeps it growing, each read gets slower, and a backup of the database file alone lacks everything in it. In
the other modes a `-journal` stands beside the file while somebody writes. One that stays was left by a process that was killed;
the next writer rolls its change back, and whoever copies the file without it gets a damaged one.

Back up with SQLite's own command, never by copying the file of a running Label Studio:

    sqlite3 DATABASE ".backup backup.sqlite3"

A large `-wal` shrinks when Label Studio is stopped, or by

    sqlite3 DATABASE "pragma wal_checkpoint(truncate)"

Reported are a `-wal` of over `wal_over_mb`, and a `-journal` older than `journal_over_minutes` that nobody seems to hold.

Source: SQLite's pages on write-ahead logging and on temporary files.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...amounts import bytes_text
from ...deployment.sqlite_files import beside, holders
from .. import Context, Finding, Severity, check
from ..sqlite_place import file_of


@check(
    title="Nothing large or forgotten stands beside the SQLite file",
    severity=Severity.WARNING,
    impact="Reading gets slower, and a copy of the file alone is no backup",
    cause="A reader that never ends, or a process that was killed while it wrote.",
)
def wal(ctx: Context, wal_over_mb: int = 256, journal_over_minutes: int = 30) -> Iterator[Finding]:
    """One finding for the database. Rows: the files beside it and their sizes."""
    path = file_of(ctx)
    seen = beside(path, ctx.now.timestamp())
    rows, told = [], []
    if seen.wal_bytes is not None and seen.wal_bytes > wal_over_mb * 1024 * 1024:
        rows.append({"file": f"{path.name}-wal", "bytes": seen.wal_bytes})
        told.append(f"the write-ahead log holds {bytes_text(seen.wal_bytes)} that are not in the file yet")
    old = (seen.journal_age_seconds or 0) > journal_over_minutes * 60
    if seen.journal_bytes and old and not any(holder.writes for holder in holders(path)):
        rows.append({"file": f"{path.name}-journal", "bytes": seen.journal_bytes})
        minutes = int((seen.journal_age_seconds or 0) // 60)
        told.append(f"a journal of {bytes_text(seen.journal_bytes)} was last written {minutes:,} minutes ago")
    if not rows:
        return
    yield Finding(
        subject="deployment:database", name="Database", summary=f"Beside the SQLite file {' and '.join(told)}",
        evidence=ctx.evidence(f"files beside {path}", rows),
    )  # fmt: skip
