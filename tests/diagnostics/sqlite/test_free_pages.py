"""sqlite.free_pages: a file that is mostly empty."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

from console.diagnostics.check import Context, Severity
from console.diagnostics.runner import ask
from console.diagnostics.sqlite.free_pages import free_pages
from console.service import Console
from tests.factories import ON_POSTGRESQL

FILL = (
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 9000) "
    "insert into filler select hex(randomblob(500)) from n"
)


@ON_POSTGRESQL
def test_postgresql(ctx: Context) -> None:
    assert ask(free_pages, ctx).outcome == "not_applicable"


def test_a_file_that_is_mostly_empty(console: Console, ctx: Context, path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("create table filler (x)")
    connection.execute(FILL)
    connection.execute("drop table filler")
    connection.commit()
    connection.close()
    assert free_pages.run(ctx) == []  # nine megabytes are not worth a word
    ctx.deployment.settings = replace(ctx.settings, thresholds={"sqlite.free_pages.free_over_mb": 5})
    [finding] = free_pages.run(ctx)
    assert (finding.severity, finding.fixes) == (Severity.INFO, ("rewrite",))
    [row] = finding.evidence
    assert row["file_bytes"] == path.stat().st_size
    assert row["free_bytes"] > 8_000_000
    ctx.close()
    plan = console.plan(finding, "rewrite", by="test")
    assert plan.changes == [
        {
            "op": "maintain",
            "action": "sqlite_vacuum",
            "table": "",
            "index": "",
            "schema": "public",
            "size_bytes": row["file_bytes"],
        }
    ]
    assert path.stat().st_size == row["file_bytes"]
    console.apply(plan.id, by="test", reason="ticket 9")
    assert path.stat().st_size < row["file_bytes"] / 2
    assert free_pages.run(ctx) == []
