"""perf.imports_too_often: many small imports, one right after another."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from console.diagnostics.change import InsertRow
from console.diagnostics.change import apply as write_changes
from console.diagnostics.check import Context, Scope
from console.diagnostics.perf.imports_too_often import imports_too_often
from tests.factories import BOTH_ENGINES, _task_values, make_project

NOW = datetime.now(UTC)


@pytest.fixture
def sensitive(ctx: Context) -> Context:
    ctx.deployment.settings = replace(ctx.settings, thresholds={"perf.imports_too_often.quick_imports": 20})
    return ctx


def make_imports(session: Session, project_id: int, number: int, *, apart: float, tasks: int = 1) -> None:
    rows = [
        InsertRow("projects_projectimport", {
            "project_id": project_id, "created_at": NOW - timedelta(seconds=apart * at), "task_count": tasks,
            "status": "completed", "file_upload_ids": [], "found_formats": {}, "data_columns": [], "task_ids": [],
        }, unless={})
        for at in range(number)
    ]  # fmt: skip
    write_changes(session, session.info["schema"], rows)
    session.commit()


def make_task_calls(session: Session, project_id: int, calls: int, *, apart: float, each: int = 1) -> None:
    values = _task_values(session, project_id)
    rows = [
        InsertRow("task", values | {"inner_id": at * each + of,
                                    "created_at": NOW - timedelta(seconds=apart * (calls - at) - of / 1000)}, unless={})
        for at in range(calls) for of in range(each)
    ]  # fmt: skip
    write_changes(session, session.info["schema"], rows)
    session.commit()


@BOTH_ENGINES
def test_imports_with_a_row_each(sensitive: Context, session: Session) -> None:
    assert imports_too_often.run(sensitive) == []
    project = make_project(session, title="Stream")
    make_imports(session, project.id, 40, apart=5)
    [finding] = imports_too_often.run(sensitive)
    assert (finding.subject, finding.name) == (f"project:{project.id}", "Stream")
    assert finding.summary == (
        "39 imports within 24 h came less than 30 s after the one before, with 1.0 tasks each on average"
    )
    [row] = finding.evidence
    assert (row["imports"], row["too_soon"], row["tasks_per_import"]) == (40, 39, 1.0)
    sensitive.scope = Scope(project_id=1)
    assert imports_too_often.run(sensitive) == []


def test_batches_and_slow_imports_are_no_finding(sensitive: Context, session: Session) -> None:
    make_imports(session, make_project(session).id, 40, apart=5, tasks=500)
    make_imports(session, make_project(session).id, 40, apart=60)
    make_imports(session, make_project(session).id, 10, apart=1)
    assert imports_too_often.run(sensitive) == []


@BOTH_ENGINES
def test_tasks_tell_where_imports_leave_no_row(sensitive: Context, session: Session) -> None:
    project = make_project(session, title="One by one")
    make_task_calls(session, project.id, 40, apart=2, each=2)
    [finding] = imports_too_often.run(sensitive)
    assert finding.subject == f"project:{project.id}"
    assert (finding.evidence.rows[0]["imports"], finding.evidence.rows[0]["tasks_per_import"]) == (40, 2.0)


def test_one_large_import_and_a_storage_are_no_finding(sensitive: Context, session: Session) -> None:
    make_task_calls(session, make_project(session).id, 1, apart=2, each=300)
    project = make_project(session)
    make_task_calls(session, project.id, 40, apart=2)
    tasks = session.info["schema"].table("task")
    links = [
        InsertRow("io_storages_s3importstoragelink", {
            "task_id": task_id, "storage_id": 1, "key": f"k{task_id}", "object_exists": True, "created_at": NOW,
        }, unless={})
        for task_id in session.execute(tasks.select().where(tasks.c.project_id == project.id)).scalars()
    ]  # fmt: skip
    write_changes(session, session.info["schema"], links)
    session.commit()
    assert imports_too_often.run(sensitive) == []
