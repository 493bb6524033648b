"""db.backup_age: the archive of the database, as far as the server tells."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from console.diagnostics.check import Context, Severity
from console.diagnostics.db import backup_age as module
from console.diagnostics.db.backup_age import backup_age
from console.diagnostics.runner import ask
from tests.factories import ON_POSTGRESQL


def test_sqlite_keeps_no_record(ctx: Context) -> None:
    result = ask(backup_age, ctx)
    assert result.outcome == "not_applicable"
    assert "cannot be seen from here" in result.reason


@ON_POSTGRESQL
def test_a_server_that_archives_nothing_is_not_judged(ctx: Context) -> None:
    result = ask(backup_age, ctx)
    assert result.outcome == "not_applicable"
    assert "archive_mode is off" in result.reason


def told(**values: Any) -> str:
    """What the server would tell, as a statement."""
    columns = {"archive_mode": "'on'", "archive_timeout_seconds": "600", "archived_count": "7",
               "last_archived_time": "now()", "failed_count": "0", "last_failed_time": "null::timestamptz",
               "is_standby": "false"} | values  # fmt: skip
    return "select " + ", ".join(f"{value} as {name}" for name, value in columns.items())


@ON_POSTGRESQL
@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        ({}, "pass"),
        ({"is_standby": "true"}, "not_applicable"),
        ({"archive_timeout_seconds": "0"}, "not_applicable"),
        ({"last_archived_time": "null::timestamptz"}, "pass"),
        ({"last_archived_time": "null::timestamptz", "failed_count": "1234"}, "findings"),
        ({"last_archived_time": "now() - interval '3 days'"}, "findings"),
    ],
)
def test_the_age_of_the_archive(
    ctx: Context, monkeypatch: pytest.MonkeyPatch, values: dict[str, str], outcome: str
) -> None:
    monkeypatch.setattr(module, "ARCHIVE", told(**values))
    result = ask(backup_age, ctx)
    assert result.outcome == outcome
    for finding in result.findings:
        assert finding.severity == Severity.WARNING
        assert finding.summary in {
            "The newest archived file is 72 hours old", "Nothing was ever archived, and 1,234 attempts failed",
        }  # fmt: skip


@ON_POSTGRESQL
def test_the_real_statement_has_all_columns(ctx: Context) -> None:
    from sqlalchemy import text

    row = ctx.read.execute(text(module.ARCHIVE)).mappings().one()
    assert row["archive_mode"] == "off"
    assert row["archive_timeout_seconds"] == timedelta(0).seconds
