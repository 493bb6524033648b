"""Sessions of the database server, as findings show them, and which of them a fix may end.

What a session runs may hold anything that somebody typed, passwords too: texts between quotes are left out of what is
shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ..deployment.database import APPLICATION_NAME
from .check import Context, Finding
from .postgresql import may_signal
from .server_changes import EndSession

#: Programs whose sessions somebody waits for through the night.
BACKUPS = ("pg_dump", "pg_dumpall", "pg_basebackup", "barman", "pgbackrest", "wal-g", "pg_receivewal")
#: Columns of a session `a` of pg_stat_activity, joined with its role `r` of pg_roles. Ages in seconds.
COLUMNS = """a.pid, a.usename as "user", coalesce(r.rolsuper, false) as is_superuser, a.application_name as application,
       a.client_addr::text as client, coalesce(a.backend_type, '') as kind, coalesce(a.state, 'hidden') as state,
       round(extract(epoch from clock_timestamp() - a.state_change)::numeric, 1)::float as state_seconds,
       round(extract(epoch from clock_timestamp() - a.xact_start)::numeric, 1)::float as transaction_seconds, a.backend_start,
       coalesce(a.xact_start, a.state_change) as unchanged_since,
       regexp_replace(left(a.query, 600), '''[^'']*(''|$)', '''…''', 'g') as statement"""


def endable(ctx: Context, rows: Sequence[Mapping[str, Any]]) -> set[int]:
    """Process ids among these sessions that the fixing role may end: never ours, never a process of the server's own."""
    anybody, superuser, own = may_signal(ctx)
    found = set()
    for row in rows:
        ours = (row["application"] or "").startswith(APPLICATION_NAME)
        allowed = superuser or (not row["is_superuser"] and (anybody or row["user"] in own))
        if allowed and not ours and row["kind"] == "client backend" and row["backend_start"]:
            found.add(row["pid"])
    return found


def end(finding: Finding, how: str, *, depth: int | None = None) -> Iterator[EndSession]:
    """The change that ends the session of a finding; with `depth`, of the rows at that depth of a chain alone.

    Evidence that an older console kept does not tell in which transaction the session was.
    """
    for row in finding.evidence:
        if depth is None or row["depth"] == depth:
            yield EndSession(
                row["pid"], _iso(row["backend_start"]), row["user"], row["application"] or "", how,
                _iso(row.get("unchanged_since")),
            )  # fmt: skip


def _iso(time: datetime | str | None) -> str:
    """A time of fresh evidence, or of evidence that was kept."""
    return time.isoformat() if isinstance(time, datetime) else time or ""


def named(row: Mapping[str, Any]) -> str:
    """How a finding calls a session: `session 4711 (labelstudio, gunicorn, 10.0.0.3)`."""
    parts = [part for part in (row["user"], row["application"], row["client"]) if part]
    return f"session {row['pid']}" + (f" ({', '.join(parts)})" if parts else "")


def warning(row: Mapping[str, Any]) -> str:
    """What has to be said before somebody ends this session; empty for an ordinary one."""
    application = (row["application"] or "").lower()
    if application.startswith(APPLICATION_NAME):
        return " It is this console's own: stop its job on the page of jobs."
    if application.startswith(BACKUPS):
        return " It is a backup: ended, it has to start over, and until then there is none."
    if row["kind"] and row["kind"] != "client backend":
        return f" It is the server's own process ({row['kind']}), which is not ended from here."
    if row["is_superuser"]:
        return " It belongs to a superuser: ask whoever runs the server first."
    return ""
