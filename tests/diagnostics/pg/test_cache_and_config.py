"""pg.cache_and_config: settings that do not fit."""

from __future__ import annotations

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.pg.cache_and_config import cache_and_config
from tests.diagnostics.postgresql import limited
from tests.factories import ON_POSTGRESQL

pytestmark = ON_POSTGRESQL


def test_the_switches_of_the_test_server(ctx: Context) -> None:
    """It runs without autovacuum and fsync: nothing that a deployment should do."""
    [finding] = cache_and_config.run(ctx)
    assert (finding.subject, finding.severity, finding.fixes) == ("deployment:database", Severity.WARNING, ())
    assert finding.summary == "3 settings are worth a look: autovacuum, fsync, full_page_writes"
    assert {row["begin_with"] for row in finding.evidence.rows} == {"on"}


def test_sizes_are_judged_for_large_databases_alone(ctx: Context) -> None:
    [finding] = cache_and_config.run(limited(ctx, cache_and_config, min_gigabytes=0))
    advised = {row["setting"]: row for row in finding.evidence.rows}
    assert {"shared_buffers", "random_page_cost", "work_mem"} <= set(advised)
    assert advised["shared_buffers"]["value"] == "64.0 MB"


def test_hits_in_the_cache(ctx: Context) -> None:
    [finding] = cache_and_config.run(limited(ctx, cache_and_config, min_reads=0, min_hit_percent=101))
    assert "hits in the cache" in finding.summary
