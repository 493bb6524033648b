"""sqlite.integrity: damage, and references that lead nowhere."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from console.diagnostics.check import Context, Severity
from console.diagnostics.runner import ask
from console.diagnostics.sqlite.integrity import integrity
from tests.factories import ON_POSTGRESQL
from tests.servers import dump_versions


@ON_POSTGRESQL
def test_postgresql(ctx: Context) -> None:
    assert ask(integrity, ctx).outcome == "not_applicable"


@pytest.mark.parametrize("version", dump_versions())
def test_the_dumps_are_whole(ctx: Context) -> None:
    assert integrity.run(ctx) == []
    ctx.deep = True
    assert integrity.run(ctx) == []


def test_references_that_lead_nowhere(ctx: Context, path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("pragma foreign_keys = off")
    connection.execute("delete from htx_user where id = 3")
    connection.commit()
    connection.close()
    [finding] = integrity.run(ctx)
    assert (finding.subject, finding.severity) == ("table:references", Severity.WARNING)
    assert "refer to rows that are not there, most of them in " in finding.summary
    assert {row["refers_to"] for row in finding.evidence} == {"htx_user"}
    assert sum(row["rows"] for row in finding.evidence) > 10


def test_damage_is_told_in_sqlites_own_words(ctx: Context, path: Path) -> None:
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        page = connection.scalar(text("select rootpage from sqlite_master where name = 'task_completion'"))
        size = connection.scalar(text("pragma page_size"))
    engine.dispose()
    with path.open("r+b") as file:
        file.seek((page - 1) * size + 8)
        file.write(b"\xff" * 64)
    result = ask(integrity, ctx)
    [finding] = result.findings
    assert finding.severity == Severity.CRITICAL
    assert finding.summary.startswith("SQLite finds ")
    assert finding.evidence.rows[0]["error"]


def test_a_large_file_is_read_when_asked(ctx: Context) -> None:
    ctx.deployment.settings = replace(ctx.settings, thresholds={"sqlite.integrity.larger_than_mb": 0})
    result = ask(integrity, ctx)
    assert result.outcome == "unknown"
    assert "--deep" in result.reason
    ctx.deep = True
    assert ask(integrity, ctx).outcome == "pass"
