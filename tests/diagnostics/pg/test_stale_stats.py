"""pg.stale_stats: tables that the planner knows wrongly, or not at all."""

from __future__ import annotations

from console.diagnostics.check import Context
from console.diagnostics.pg.stale_stats import stale_stats
from tests.diagnostics.postgresql import applied, execute, limited, looking_role
from tests.factories import ON_POSTGRESQL

pytestmark = ON_POSTGRESQL


def test_small_tables_are_left_alone(ctx: Context) -> None:
    assert stale_stats.run(ctx) == []


def test_a_table_that_was_never_analyzed(console, ctx: Context) -> None:
    limited(ctx, stale_stats, min_rows=300)
    execute(ctx, "create table copied as select id from generate_series(1, 500) id")
    found = {finding.subject: finding for finding in stale_stats.run(ctx)}
    finding = found["table:copied"]
    assert finding.summary == "copied (500 rows) was never analyzed: the planner guesses"
    assert finding.cause.endswith("Run in psql: ANALYZE public.copied;")
    outcome, _ = applied(console, finding, "analyze")
    assert outcome.status == "applied"
    assert "table:copied" not in {finding.subject for finding in stale_stats.run(ctx)}


def test_a_table_that_changed_since(ctx: Context) -> None:
    limited(ctx, stale_stats, min_rows=200, min_changed_rows=50)
    execute(ctx, "analyze", "update task set updated_at = now() where id % 10 = 0")
    assert stale_stats.run(ctx) == []
    execute(ctx, "update task set updated_at = now() where id % 3 = 0")
    [finding] = stale_stats.run(ctx)
    assert finding.subject == "table:task"
    assert "rows of task changed since its statistics were taken, beside 267 live ones" in finding.summary
    assert finding.cause.startswith("Last analyzed 2")


def test_counters_lost_in_a_crash_are_no_fault(ctx: Context) -> None:
    """The server forgets when it analyzed, not what it found."""
    limited(ctx, stale_stats, min_rows=200, min_megabytes=0)
    execute(ctx, "analyze", "select pg_stat_reset()")
    assert stale_stats.run(ctx) == []


def test_a_role_that_owns_nothing_is_told_the_statement(settings, ctx: Context) -> None:
    limited(ctx, stale_stats, min_rows=200, min_changed_rows=50)
    execute(ctx, "analyze", "update task set updated_at = now()")
    with looking_role(settings, ctx) as looking:
        [finding] = stale_stats.run(looking)
    assert finding.fixes == () and "ANALYZE public.task;" in finding.cause
