"""pg.disk: what is left, and what fills it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.pg.disk import disk
from console.diagnostics.runner import ask
from console.service import Console
from console.state.models import TableSample
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


GIGABYTE = 2**30


def remember(console: Console, now: datetime, *days_ago_and_gigabytes: tuple[float, float]) -> None:
    with console.store.session() as session:
        for days, gigabytes in days_ago_and_gigabytes:
            for table, size in (("", gigabytes * GIGABYTE), ("task", 77 * GIGABYTE)):
                session.add(TableSample(deployment=console.deployment.identity, at=now - timedelta(days=days),
                                        table_name=table, total_bytes=int(size)))  # fmt: skip


@pytest.fixture
def roomy(settings, ctx: Context) -> Iterator[Context]:
    """200 GB are free, as the operator says."""
    with looking_role(settings, ctx) as looking:
        looking.deployment.settings = looking.settings.with_(database_free_bytes=200 * GIGABYTE)
        looking.deployment.identity = ctx.deployment.identity
        yield looking


def test_growth_tells_how_long_it_lasts(console: Console, roomy: Context) -> None:
    remember(console, roomy.now, (40, 1), (20, 100), (10, 200), (0, 320))
    [finding] = disk.run(roomy)
    assert finding.severity is Severity.WARNING
    assert finding.summary.endswith("; it grows by 10.0 GB a day, so that this lasts 20 days")
    [row] = finding.evidence.rows
    assert (row["growth_bytes_per_day"], row["days_left"], row["seen_days"]) == (10 * GIGABYTE, 20.0, 20.0)
    assert disk.run(limited(roomy, disk, warn_days_left=20)) == []
    roomy.deployment.settings = roomy.settings.with_(database_free_bytes=60 * GIGABYTE)
    [finding] = disk.run(roomy)
    assert finding.severity is Severity.ERROR and finding.summary.endswith("so that this lasts 6 days")


@pytest.mark.parametrize(
    "samples",
    [
        [],
        [(0, 900)],
        [(3, 100), (1, 200), (0, 300)],
        [(20, 100), (10, 100), (0, 900)],
        [(20, 100), (10, 800), (0, 800)],
        [(20, 900), (10, 500), (0, 100)],
        [(20, 100), (0, 900)],
        [(20, 100), (10, 101), (0, 102)],
    ],
    ids=["none", "one", "three days", "one import", "an import long ago", "shrinks", "a gap", "slow"],
)
def test_no_trend_no_alarm(console: Console, roomy: Context, samples: list[tuple[float, float]]) -> None:
    remember(console, roomy.now, *samples)
    assert disk.run(roomy) == []


def test_growth_of_another_database_is_none_of_ours(console: Console, roomy: Context) -> None:
    remember(console, roomy.now, (20, 100), (10, 200), (0, 320))
    roomy.deployment.identity = "another"
    assert disk.run(roomy) == []


def test_without_a_store_the_rest_is_judged(roomy: Context, tmp_path) -> None:
    roomy.deployment.settings = roomy.settings.with_(state_url=f"sqlite:///{tmp_path}/no/such/place.sqlite3")
    assert ask(disk, roomy).outcome == "pass"


def test_temporary_files_are_counted_per_day(ctx: Context) -> None:
    execute(
        ctx, "set work_mem = '64kB'; select count(*) from (select n from generate_series(1, 50000) n order by -n) s"
    )
    [finding] = disk.run(limited(ctx, disk, max_temp_gigabytes_per_day=0))
    assert (finding.subject, finding.severity) == ("deployment:temporary-files", Severity.INFO)
