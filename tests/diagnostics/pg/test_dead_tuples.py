"""pg.dead_tuples: tables that a vacuum has not visited for too long."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from console.diagnostics.check import Context, Severity
from console.diagnostics.pg.dead_tuples import dead_tuples
from console.diagnostics.runner import ask
from tests.diagnostics.postgresql import applied, looking_role
from tests.factories import ON_POSTGRESQL


def run(ctx: Context, statement: str) -> None:
    """Outside a transaction, as VACUUM demands, and with the statistics told at once."""
    engine = create_engine(ctx.deployment.engine.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
        connection.execute(text("select pg_stat_force_next_flush()"))
    engine.dispose()


@pytest.fixture
def sensitive(ctx: Context) -> Context:
    """The limits low enough for a small database."""
    ctx.deployment.settings = replace(ctx.settings, thresholds={"pg.dead_tuples.min_dead_rows": 100})
    return ctx


def test_sqlite_has_none(ctx: Context) -> None:
    assert ask(dead_tuples, ctx).outcome == "not_applicable"


@ON_POSTGRESQL
def test_a_table_with_more_dead_than_live_rows(console, sensitive: Context, session: Session) -> None:
    ctx = sensitive
    run(ctx, "vacuum analyze task")
    assert dead_tuples.run(ctx) == []
    ctx.close()
    run(ctx, "update task set updated_at = now()")
    [finding] = dead_tuples.run(ctx)
    assert (finding.subject, finding.severity, finding.fixes) == ("table:task", Severity.WARNING, ("vacuum",))
    assert finding.summary == "task holds 267 dead rows beside 267 live ones"
    assert finding.cause.startswith("Last vacuumed 2")
    assert "Autovacuum is switched off." in finding.cause
    assert finding.cause.endswith("VACUUM (ANALYZE, VERBOSE) public.task;")
    [row] = finding.evidence.rows
    assert (row["dead_rows"], row["live_rows"], row["autovacuum_on"]) == (267, 267, False)
    assert row["table_bytes"] > 0
    ctx.close()
    outcome, _ = applied(console, finding, "vacuum")
    assert outcome.status == "applied"
    assert dead_tuples.run(ctx) == []


@ON_POSTGRESQL
def test_a_role_that_owns_nothing_is_told_the_statement(settings, sensitive: Context, session: Session) -> None:
    run(sensitive, "update task set updated_at = now()")
    with looking_role(settings, sensitive) as looking:
        [finding] = dead_tuples.run(looking)
    assert finding.fixes == () and "VACUUM (ANALYZE, VERBOSE) public.task;" in finding.cause


@ON_POSTGRESQL
def test_few_dead_rows_and_small_shares_are_left_to_autovacuum(ctx: Context, session: Session) -> None:
    run(ctx, "analyze task")
    run(ctx, "update task set updated_at = now()")
    assert dead_tuples.run(ctx) == []
    ctx.close()
    thresholds = {"pg.dead_tuples.min_dead_rows": 100, "pg.dead_tuples.min_dead_share_percent": 200}
    ctx.deployment.settings = replace(ctx.settings, thresholds=thresholds)
    assert dead_tuples.run(ctx) == []


@ON_POSTGRESQL
def test_link_tables_count_and_others_do_not(sensitive: Context, session: Session) -> None:
    run(sensitive, "insert into io_storages_s3exportstoragelink (object_exists, created_at, updated_at, annotation_id, "
                   "storage_id) select true, now(), now(), a.id, s.id from task_completion a, "
                   "io_storages_s3exportstorage s where false")  # fmt: skip
    run(sensitive, "create table io_storages_unrelated as select generate_series(1, 1000) as id")
    run(sensitive, "delete from io_storages_unrelated")
    run(sensitive, "update io_storages_localfilesexportstoragelink set updated_at = now()")
    run(sensitive, "update io_storages_localfilesexportstoragelink set updated_at = now()")
    [finding] = dead_tuples.run(sensitive)
    assert finding.subject == "table:io_storages_localfilesexportstoragelink"


@ON_POSTGRESQL
def test_the_scale_factor_of_the_table_is_told(sensitive: Context, session: Session) -> None:
    run(sensitive, "alter table task set (autovacuum_vacuum_scale_factor = 0.02)")
    run(sensitive, "update task set updated_at = now()")
    [finding] = dead_tuples.run(sensitive)
    assert finding.evidence.rows[0]["scale_factor"] == pytest.approx(0.02)
