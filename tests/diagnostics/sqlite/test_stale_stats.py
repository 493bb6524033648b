"""sqlite.stale_stats: statistics that are missing or of long ago."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

from console.diagnostics.check import Context
from console.diagnostics.runner import ask
from console.diagnostics.sqlite.stale_stats import stale_stats
from console.service import Console
from tests.factories import ON_POSTGRESQL


@ON_POSTGRESQL
def test_postgresql(ctx: Context) -> None:
    assert ask(stale_stats, ctx).outcome == "not_applicable"


def test_statistics_missing_collected_and_outgrown(console: Console, ctx: Context, path: Path) -> None:
    assert stale_stats.run(ctx) == []  # few tasks do without
    ctx.deployment.settings = replace(ctx.settings, thresholds={"sqlite.stale_stats.tasks_over": 100})
    [finding] = stale_stats.run(ctx)
    assert finding.summary == "SQLite has no statistics of its 267 tasks"
    ctx.close()
    plan = console.plan(finding, "analyze", by="test")
    console.apply(plan.id, by="test", reason="ticket 10")
    assert stale_stats.run(ctx) == []
    ctx.close()
    connection = sqlite3.connect(path)
    connection.execute("update sqlite_stat1 set stat = '40 20 1' where tbl = 'task'")
    connection.commit()
    connection.close()
    [finding] = stale_stats.run(ctx)
    assert finding.summary == "SQLite's statistics are of 40 tasks, and there are 267"


def test_broken_statistics_count_as_none(ctx: Context, path: Path) -> None:
    ctx.deployment.settings = replace(ctx.settings, thresholds={"sqlite.stale_stats.tasks_over": 100})
    connection = sqlite3.connect(path)
    connection.execute("analyze")
    connection.execute("update sqlite_stat1 set stat = null")
    connection.commit()
    connection.close()
    [finding] = stale_stats.run(ctx)
    assert "no statistics" in finding.summary
