"""Migrations of Label Studio are missing: the program is newer than the database.

Pages and API answer 500 with "column … does not exist" (SQLite: "no such column") wherever the new program meets the
old table. It happens when the container started without its migrate step, when that step died half-way, or when a
backup of an older release was restored under a newer program.

Back up the database, stop the web and worker containers, and run with the environment of the Label Studio container
(elsewhere `manage.py` lies in the installed `label_studio` package):

    python3 /label-studio/label_studio/manage.py migrate
    python3 /label-studio/label_studio/manage.py showmigrations    # every line has an [X]

A row that is missing alone, with later ones present, may also have been deleted by hand: then `migrate` stops with
"already exists", and `migrate APP NAME --fake` records it, once the table was seen to have what the migration adds.

Source: the migrations shipped with every Label Studio release, compared with `django_migrations`.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from ...deployment.models import Migration
from ...deployment.releases import release_of
from .. import Context, Finding, Severity, Unknown, check

APPLIED = select(Migration.app, Migration.name)


@check(
    title="Every migration of the release is applied",
    severity=Severity.ERROR,
    impact="Pages and API calls that need the missing columns answer with an error (500)",
    cause="The program was started on a database that was not migrated, or not to the end.",
)
def pending_migrations(ctx: Context) -> Iterator[Finding]:
    """One finding for the database. Rows: each missing migration and the first release that ships it."""
    release = ctx.schema.release
    if release.version == "unknown":
        grant = f'GRANT SELECT ON django_migrations TO "{ctx.deployment.role}";'
        raise Unknown(f"Not permitted to read django_migrations. Needs: {grant}")
    if not release.pending:
        return
    rows = []
    for migration in release.pending:
        app, _, name = migration.partition(".")
        rows.append({"app": app, "name": name, "since_release": release_of(migration)})
    number = len(rows)
    cause = "Migrations that come after them are applied: these rows were lost, or taken away by hand."
    if release.version != release.reached:
        cause = (
            f"Only {release.version} is complete, with parts of releases up to {release.reached}: the upgrade did not "
            "run to its end, or rows were lost."
        )
    if release.at_least:
        cause += " The database is newer than any release known here, which may have dropped them."
    yield Finding(
        subject="deployment:database", name="Database", evidence=ctx.evidence(APPLIED, rows),
        summary=f"{number} {'migration' if number == 1 else 'migrations'} of Label Studio {release.reached} "
                f"{'is' if number == 1 else 'are'} not applied",
        cause=cause,
    )  # fmt: skip
