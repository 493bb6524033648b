"""pg.disk: what is left, and what fills it."""

from __future__ import annotations

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.pg.disk import disk
from console.diagnostics.runner import ask
from tests.diagnostics.postgresql import execute, limited, looking_role
from tests.factories import ON_POSTGRESQL

pytestmark = ON_POSTGRESQL


def test_there_is_room(ctx: Context) -> None:
    assert disk.run(ctx) == []


def test_little_room_is_told_with_where_it_was_measured(ctx: Context) -> None:
    [finding] = disk.run(limited(ctx, disk, min_free_percent=10**9))
    assert (finding.subject, finding.severity) == ("deployment:disk", Severity.WARNING)
    assert " of disk are left beside a database of " in finding.summary
    assert finding.evidence.rows[0]["free_bytes"] > 0


def test_what_the_operator_says_counts_where_nothing_can_be_measured(settings, ctx: Context) -> None:
    with looking_role(settings, ctx) as looking:
        assert ask(disk, looking).outcome == "pass", "it may not see where the data is, and nobody told"
        looking.deployment.settings = looking.settings.with_(database_free_bytes=200 * 2**20)
        [finding] = disk.run(looking)
    assert finding.severity is Severity.ERROR and "LSCONSOLE_DATABASE_FREE_BYTES" in finding.summary


def test_temporary_files_are_counted_per_day(ctx: Context) -> None:
    execute(
        ctx, "set work_mem = '64kB'; select count(*) from (select n from generate_series(1, 50000) n order by -n) s"
    )
    [finding] = disk.run(limited(ctx, disk, max_temp_gigabytes_per_day=0))
    assert (finding.subject, finding.severity) == ("deployment:temporary-files", Severity.INFO)
