"""PostgreSQL is older than Label Studio, or its next release, accepts.

Each Label Studio release brings a Django, and each Django refuses to talk to a PostgreSQL below its floor: the
container stops at its start with "PostgreSQL 14 or later is required (found 13.x)". Found out during an upgrade, it
costs the window.

| Label Studio | Django | PostgreSQL at least |
| --- | --- | --- |
| to 1.13.1 | 3.1, 3.2 | 9.6 |
| 1.14, 1.15 | 4.2 | 12 |
| 1.16 to 1.23.0 | 5.1 | 13 |
| from 1.23.1 | 5.2 | 14 |

Upgrade PostgreSQL first, on a copy to begin with: `pg_upgrade`, or a dump and a restore, or the managed service's own
way. Run `ANALYZE` afterwards: the planner's statistics do not come along (before PostgreSQL 18).

An error when the release that made this database would not start, a warning when the newest release would not. A major
version that gets no more corrections is told as a note (each gets them for five years).

Source: the Django that each release's package asks for, Django's `minimum_database_version`, PostgreSQL's versioning
policy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from .. import Context, Finding, NotApplicable, Severity, check
from ..postgresql import need_postgresql

VERSION = "show server_version_num"
#: (first release, its Django, oldest major version of PostgreSQL)
FLOORS = (((1, 23, 1), "5.2", 14), ((1, 16, 0), "5.1", 13), ((1, 14, 0), "4.2", 12), ((0, 0, 0), "3.2", 9))
#: Last day with corrections.
ENDS = {
    9: date(2021, 11, 11), 10: date(2022, 11, 10), 11: date(2023, 11, 9), 12: date(2024, 11, 21), 13: date(2025, 11, 13),
    14: date(2026, 11, 12), 15: date(2027, 11, 11), 16: date(2028, 11, 9), 17: date(2029, 11, 8), 18: date(2030, 11, 14),
}  # fmt: skip


@check(
    title="PostgreSQL is new enough for Label Studio",
    severity=Severity.WARNING,
    impact="Label Studio refuses to start on it: after the next upgrade, or already",
)
def version_floor(ctx: Context) -> Iterator[Finding]:
    """One finding for the server. Rows: PostgreSQL's version, the floors of this and the newest release, end of support."""
    need_postgresql(ctx, "SQLite comes with Python.")
    number = int(ctx.read.connection().exec_driver_sql(VERSION).scalar_one())
    major = number // 10_000
    if not major:
        raise NotApplicable("The server does not tell its version.")
    release = ctx.schema.label_studio_version
    floor, newest = _floor(release), FLOORS[0]
    row = {
        "postgresql": ctx.deployment.database_version, "label_studio": release, "needs": floor[2] if floor else None,
        "newest_django": newest[1], "newest_needs": newest[2], "corrections_until": ENDS.get(major),
    }  # fmt: skip
    ends = ENDS.get(major)
    if floor and major < floor[2]:
        severity = Severity.ERROR
        summary = f"PostgreSQL {major} is too old for Label Studio {release}, which needs {floor[2]} or later"
        cause = f"Django {floor[1]} refuses to use it. Upgrade PostgreSQL to {newest[2]} or later."
    elif major < newest[2]:
        severity = Severity.WARNING
        since = ".".join(map(str, newest[0]))
        summary = f"PostgreSQL {major} is too old for Label Studio {since} and later, which need {newest[2]}"
        cause = f"Django {newest[1]} refuses to use it. Upgrade PostgreSQL before Label Studio."
    elif ends and ctx.now.date() > ends:
        severity = Severity.INFO
        summary = f"PostgreSQL {major} gets no corrections since {ends:%Y-%m-%d}"
        cause = "Each major version is looked after for five years. Plan the upgrade."
    else:
        return
    yield Finding(
        subject="deployment:database", name="Database", severity=severity, summary=summary, cause=cause,
        evidence=ctx.evidence(f"{VERSION};", [row]),
    )  # fmt: skip


def _floor(release: str) -> tuple[tuple[int, ...], str, int] | None:
    """What the release asks for; None when nobody can tell which release it is."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", release)
    if not found:
        return None
    version = tuple(int(part or 0) for part in found.groups())
    return next(floor for floor in FLOORS if version >= floor[0])
