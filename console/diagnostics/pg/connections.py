"""The server's connections are nearly used up.

Each request opens a connection of its own, each worker holds one or two, and every pod multiplies them: at the busiest
moment replicas × processes × threads + workers. Past `max_connections` new ones are refused with "sorry, too many
clients already" (or "remaining connection slots are reserved"), and users meet random 500 errors, most of all while
pods are replaced and old and new ones run side by side.

Count what the deployment can ask for, then either lower it (`UWSGI_PROCESSES` and replicas), raise `max_connections`
(a restart; each costs some megabytes), or put a pooler (PgBouncer) between. Sessions that hang are
`pg.idle_in_transaction`.

A role or a database may have a limit of its own, which is counted as well. Reported from `warn_percent` on, as an
error from `alarm_percent`. Slots that are reserved for superusers do not count as free.

Source: `pg_stat_activity`, `pg_settings`, `pg_roles.rolconnlimit`; Label Studio's uwsgi settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import text

from .. import Context, Finding, Severity, check
from ..postgresql import need_postgresql

USED = """
select coalesce(a.datname, '') as database, a.usename as "user", a.application_name as application,
       coalesce(a.client_addr::text, '') as client, count(*) as sessions,
       count(*) filter (where a.state = 'idle') as idle,
       count(*) filter (where a.state like 'idle in%') as idle_in_transaction
from pg_stat_activity a
where a.usesysid is not null and coalesce(a.backend_type, 'client backend') = 'client backend'
group by 1, 2, 3, 4
order by sessions desc, 1, 2, 3, 4
"""
LIMITS = text("""
select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
       - coalesce(current_setting('reserved_connections', true)::int, 0) as server,
       (select datconnlimit from pg_database where datname = current_database()) as database,
       current_database() as name
""")
ROLES = text("select rolname, rolconnlimit from pg_roles where rolconnlimit > 0 and not rolsuper")


@check(
    title="There are connections to spare",
    severity=Severity.WARNING,
    impact="New connections are refused: random 500 errors, workers that stop, pods that do not start",
    cause="Replicas × processes × threads and workers, each with a connection of its own; or sessions that hang.",
)
def connections(ctx: Context, warn_percent: int = 80, alarm_percent: int = 95) -> Iterator[Finding]:
    """One finding per limit that is near. Rows: sessions by database, user, application and address."""
    need_postgresql(ctx, "SQLite has no server and no connections.")
    rows = [dict(row) for row in ctx.read.execute(text(USED)).mappings()]
    limits = ctx.read.execute(LIMITS).one()
    yield from _judged(ctx, rows, "connections", "The server", limits.server, warn_percent, alarm_percent)
    if limits.database > 0:
        inside = [row for row in rows if row["database"] == limits.name]
        yield from _judged(ctx, inside, "connections-of-the-database", f"Database {limits.name}", limits.database,
                           warn_percent, alarm_percent)  # fmt: skip
    for role in ctx.read.execute(ROLES):
        inside = [row for row in rows if row["user"] == role.rolname]
        yield from _judged(ctx, inside, f"connections-of-{role.rolname}", f"Role {role.rolname}", role.rolconnlimit,
                           warn_percent, alarm_percent)  # fmt: skip


def _judged(
    ctx: Context, rows: list[dict[str, Any]], subject: str, name: str, limit: int, warn: int, alarm: int
) -> Iterator[Finding]:
    used = sum(row["sessions"] for row in rows)
    if used * 100 < limit * warn:
        return
    yield Finding(
        subject=f"deployment:{subject}", name=name,
        severity=Severity.ERROR if used * 100 >= limit * alarm else Severity.WARNING,
        summary=f"{name} has {used:,} of {limit:,} connections in use",
        evidence=ctx.evidence(USED.strip(), rows),
    )  # fmt: skip
