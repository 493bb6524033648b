"""import.failed: what failed, why, and how much had arrived."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from console.diagnostics import registry
from console.diagnostics.check import Context
from console.diagnostics.row_failures import of_import
from tests.diagnostics.under_way import make_import, make_reimport
from tests.factories import BOTH_ENGINES

failed = registry.get("import.failed")


@BOTH_ENGINES
def test_the_reason_and_what_arrived(ctx: Context, session: Session) -> None:
    assert failed.run(ctx) == []
    told = "Prediction validation failed (2 errors):\n- Task 0, prediction 0: no such label\n" + "- more\n" * 9000
    row = make_import(session, status="failed", error=told, traceback="NoneType: None")
    [finding] = failed.run(ctx)
    assert finding.summary == f"Import {row.id} failed: predictions do not fit the labeling configuration"
    [evidence] = finding.evidence
    assert evidence["arrived"] == 5 and evidence["what"] == "import"


def test_a_reimport_has_no_time(ctx: Context, session: Session) -> None:
    row = make_reimport(
        session, status="failed", traceback="Traceback\nUnicodeDecodeError: 'utf-8' codec can't decode byte"
    )
    [finding] = failed.run(ctx)
    assert finding.summary == f"Reimport {row.id} failed: the file is not UTF-8"


def test_what_a_later_one_made_good(ctx: Context, session: Session) -> None:
    make_import(session, status="failed", error="x")
    make_reimport(session, status="failed", error="x")
    make_import(session, status="completed")
    make_reimport(session, status="completed", project_id=4)
    [finding] = failed.run(ctx)
    assert [row["what"] for row in finding.evidence] == ["reimport"]


def test_old_failures_are_history(ctx: Context, session: Session) -> None:
    make_import(session, status="failed", hours=24 * 15)
    assert failed.run(ctx) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Work-horse terminated unexpectedly; waitpid returned None", "memory"),
        ("\"data\" key is missing in task 3", "missing key"),
        ("'$image' key is expected in task data", "missing key"),
        ("The provided URL was not valid: it is a reserved network address.", "address refused"),
        ("'utf-8' codec can't decode byte 0xe9", "encoding"),
        ("Failed to parse input file a.json: lexical error", "broken file"),
        (".exe extensions are not supported", "file type"),
        ("FileUpload matching query does not exist.", "file gone"),
        ("HTTPSConnectionPool: Max retries exceeded", "unreachable"),
        ("Error creating tasks: deadlock detected", "database"),
        ("LS Console marked this import failed: no job of it is in Redis.", "lost job"),
    ],
)  # fmt: skip
def test_known_failures(text: str, name: str) -> None:
    assert of_import(text).name == name
