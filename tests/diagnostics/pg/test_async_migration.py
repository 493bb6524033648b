"""pg.async_migration: background migrations that failed or stopped moving."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from console.diagnostics.check import Context, Severity
from console.diagnostics.pg.async_migration import async_migration
from console.diagnostics.runner import ask
from console.service import Console
from tests.diagnostics.postgresql import connected, execute
from tests.factories import BOTH_ENGINES, ON_POSTGRESQL, make_row
from tests.round_trip import assert_round_trip
from tests.servers import dump_versions


def state(session: Session, name: str, status: str, *, minutes: int = 180, **values: Any) -> None:
    then = datetime.now(UTC) - timedelta(minutes=minutes)
    defaults = {"project_id": None, "meta": {}, "created_at": then, "updated_at": then}
    make_row(session, "core_asyncmigrationstatus", **defaults | {"name": name, "status": status} | values)


@pytest.mark.parametrize("version", dump_versions())
def test_every_dump_is_through(ctx: Context) -> None:
    assert async_migration.run(ctx) == []


@BOTH_ENGINES
def test_one_finding_with_all_rows_and_the_worst_severity(ctx: Context, session: Session) -> None:
    state(session, "0054_add_brin_index", "STARTED")
    state(session, "0033_soft_delete", "IN PROGRESS")
    [finding] = async_migration.run(ctx)
    assert (finding.subject, finding.severity) == ("deployment:database", Severity.WARNING)
    assert "background migrations 2 stopped moving over 1 h ago" in finding.summary

    state(session, "0056_<b>gin</b>_ö", "ERROR", minutes=0, meta={"error": "operator class does not exist" + "x" * 900})
    [finding] = async_migration.run(ctx)
    assert finding.severity == Severity.ERROR
    assert "1 ended in an error and 2 stopped moving over 1 h ago" in finding.summary
    assert [row["status"] for row in finding.evidence] == ["ERROR", "STARTED", "IN PROGRESS"]
    assert finding.evidence.rows[0]["error"].startswith("operator class does not exist")
    assert len(finding.evidence.rows[0]["error"]) == 500


def test_young_scheduled_and_finished_rows_are_no_fault(ctx: Context, session: Session) -> None:
    state(session, "young", "STARTED", minutes=59)
    state(session, "wanted", "SCHEDULED")
    state(session, "done", "FINISHED")
    assert async_migration.run(ctx) == []


def test_the_newest_row_of_a_name_and_project_counts(ctx: Context, session: Session) -> None:
    state(session, "again", "ERROR")
    state(session, "again", "FINISHED")
    state(session, "0018_counters", "FINISHED", project_id=1)
    assert async_migration.run(ctx) == []
    state(session, "0018_counters", "STARTED", project_id=2)
    [finding] = async_migration.run(ctx)
    assert [row["project_id"] for row in finding.evidence] == [2]


@ON_POSTGRESQL
def test_a_row_whose_indexes_are_there_is_recorded_as_finished(
    console: Console, ctx: Context, session: Session
) -> None:
    state(session, "0055_task_proj_octlen_idx_async", "STARTED")
    state(session, "tasks.migrations.0059_task_completion_id_updated_at_idx_async", "ERROR")
    [finding] = async_migration.run(ctx)
    assert {row["indexes"] for row in finding.evidence} == {"all there"}
    assert finding.fixes == ("record",)
    assert_round_trip(console, ctx, async_migration, "record", finding)


@ON_POSTGRESQL
def test_indexes_that_are_missing_invalid_or_under_way(ctx: Context, session: Session) -> None:
    execute(ctx, "drop index task_proj_octlen_idx, tasks_predictions_result_proj_gin")
    execute(ctx, "update pg_index set indisvalid = false where indexrelid = 'task_updated_at_brin_idx'::regclass")
    state(session, "0054_add_brin_index_updated_at", "STARTED")
    state(session, "0055_task_proj_octlen_idx_async", "STARTED")
    state(session, "0056_prediction_result_proj_gin_idx_async", "STARTED")
    [finding] = async_migration.run(ctx)
    told = [row["indexes"] for row in finding.evidence]
    assert told == ["task_updated_at_brin_idx is invalid", "task_proj_octlen_idx is missing",
                    "tasks_predictions_result_proj_gin is missing"]  # fmt: skip
    assert finding.fixes == ()
    with connected(ctx, "rqworker") as worker, worker.cursor() as cursor:
        cursor.execute("lock table task in share update exclusive mode")
        ctx.close()
        [finding] = async_migration.run(ctx)
        assert [row["name"] for row in finding.evidence] == ["0056_prediction_result_proj_gin_idx_async"]
    execute(ctx, *(row["run"] for row in finding.evidence), "reindex index task_updated_at_brin_idx")
    [finding] = async_migration.run(ctx)
    assert [row["indexes"] for row in finding.evidence] == ["all there", "task_proj_octlen_idx is missing", "all there"]


def test_an_error_without_words(ctx: Context, session: Session) -> None:
    state(session, "0028_quiet", "ERROR")
    [finding] = async_migration.run(ctx)
    assert [row["error"] for row in finding.evidence] == [""]


def test_a_release_without_the_table(console: Console, session: Session) -> None:
    session.execute(text("drop table core_asyncmigrationstatus"))
    session.commit()
    result = ask(async_migration, Context(console.reattach(), probes=None))  # type: ignore[arg-type]
    assert (result.outcome, "has no table core_asyncmigrationstatus" in result.reason) == ("not_applicable", True)


@ON_POSTGRESQL
def test_a_missing_extension_is_the_cause_and_a_new_word_no_cure(ctx: Context, session: Session) -> None:
    error = {"error": 'operator class "gin_trgm_ops" does not exist for access method "gin"'}
    state(session, "0055_task_proj_octlen_idx_async", "STARTED")
    state(session, "0056_prediction_result_proj_gin_idx_async", "ERROR", meta=error)
    [finding] = async_migration.run(ctx)
    assert finding.fixes == ("record",) and "lacks" not in finding.evidence.rows[0], "both indexes are there by now"
    execute(ctx, "drop extension pg_trgm cascade")
    [finding] = async_migration.run(ctx)
    assert finding.fixes == () and "CREATE EXTENSION IF NOT EXISTS pg_trgm;" in finding.cause
    assert finding.evidence.rows[0]["lacks"] == "pg_trgm"
    assert finding.evidence.rows[0]["run"].startswith("CREATE EXTENSION IF NOT EXISTS pg_trgm; CREATE INDEX")
