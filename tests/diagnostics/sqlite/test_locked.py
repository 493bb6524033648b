"""sqlite.locked: many people or many tasks on one file."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from console.deployment.sqlite_files import Holder
from console.diagnostics.check import Context, Severity
from console.diagnostics.runner import ask
from console.diagnostics.sqlite import locked as module
from console.diagnostics.sqlite.locked import locked
from tests.factories import ON_POSTGRESQL, make_user


@ON_POSTGRESQL
def test_postgresql(ctx: Context) -> None:
    assert ask(locked, ctx).outcome == "not_applicable"


@pytest.mark.parametrize("version", ["1.8.2.post1", "1.23.2"])
def test_a_few_people_with_few_tasks(ctx: Context) -> None:
    assert locked.run(ctx) == []


def test_many_people(ctx: Context, session: Session) -> None:
    for _ in range(12):
        make_user(session)
    for _ in range(9):
        make_user(session, last_activity=datetime.now(UTC) - timedelta(days=90))
    [finding] = locked.run(ctx)
    assert finding.severity == Severity.INFO
    number = finding.evidence.rows[0]["number"]
    assert 12 <= number < 21
    assert (
        finding.summary
        == f"One SQLite file (journal mode delete) serves them all: {number} people worked within 7 days"
    )


def test_many_tasks_and_who_writes_now(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    ctx.deployment.settings = replace(ctx.settings, thresholds={"sqlite.locked.tasks_over": 200})
    monkeypatch.setattr(module, "holders", lambda path: [Holder(17, True, "python manage.py"), Holder(18, False, "x")])
    [finding] = locked.run(ctx)
    assert finding.severity == Severity.WARNING
    assert finding.summary.endswith("it holds 267 tasks, and somebody holds it for writing now")
    assert finding.evidence.rows[-1] == {
        "what": "held for writing now by python manage.py",
        "number": 17,
        "limit": None,
    }
