"""An extension that Label Studio's migrations need is missing.

The search in annotation results uses trigrams (`pg_trgm`) and an index over numbers and texts together (`btree_gin`).
The migrations create both; on a server where Label Studio's role may not, or whose packages lack them, an upgrade
stops with "permission denied to create extension" or "could not open extension control file". With
`SKIP_TRIGRAM_EXTENSION` or `SKIP_BTREE_GIN_EXTENSION` set to `full` the index is left out: Label Studio runs, and that
search reads whole tables.

Somebody with the right to creates them, once per database, before the next upgrade:

    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE EXTENSION IF NOT EXISTS btree_gin;

Where the server does not know them, its contrib package comes first (Debian and Red Hat: `postgresql-contrib`; managed
services have them). Both are trusted: from PostgreSQL 13 on `GRANT CREATE ON DATABASE labelstudio TO labelstudio` is
enough.

Source: `trigram_migration_operations` and `btree_gin_migration_operations` in Label Studio's core app; `pg_extension`,
`pg_available_extensions`.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import text

from ...amounts import counted
from .. import Context, Finding, Severity, check
from ..postgresql import need_postgresql

EXTENSIONS = """
select w.name, e.extversion as installed, a.default_version as available,
       has_database_privilege(current_database(), 'CREATE') as may_create, current_database() as database
from (values ('pg_trgm'), ('btree_gin')) as w (name)
left join pg_extension e on e.extname = w.name
left join pg_available_extensions a on a.name = w.name
order by w.name
"""


@check(
    title="The extensions for searching are there",
    severity=Severity.WARNING,
    impact="The search in annotation results reads whole tables, and an upgrade may stop at a migration",
    cause="Label Studio's role was not allowed to create them, or the server's contrib package is not installed.",
)
def extensions(ctx: Context) -> Iterator[Finding]:
    """One finding for the database. Rows: each missing extension, what the server has to offer, and the statement."""
    need_postgresql(ctx, "SQLite has no extensions of this kind.")
    rows = [
        dict(row) | {"run": f"CREATE EXTENSION IF NOT EXISTS {row['name']};"}
        for row in ctx.read.execute(text(EXTENSIONS)).mappings()
        if row["installed"] is None
    ]
    if not rows:
        return
    absent = [row["name"] for row in rows if row["available"] is None]
    names = " and ".join(row["name"] for row in rows)
    cause = f"The server's packages lack {' and '.join(absent)}: install its contrib package first. " if absent else ""
    run = " ".join(row["run"] for row in rows)
    yield Finding(
        subject="deployment:database", name="Database", evidence=ctx.evidence(EXTENSIONS.strip(), rows),
        summary=f"{counted(len(rows), 'extension')} of PostgreSQL {'is' if len(rows) == 1 else 'are'} not installed: {names}",
        cause=f"{cause}Somebody who may create extensions runs in psql: {run}",
    )  # fmt: skip
