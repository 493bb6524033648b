"""tasks.counters_drift: stored numbers that differ from the rows they count."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy.orm import Session

from console.diagnostics.check import Context, Scope, Severity
from console.diagnostics.tasks.counters_drift import counters_drift
from console.service import Console
from tests.factories import (
    BOTH_ENGINES,
    change_row,
    make_annotation,
    make_prediction,
    make_project,
    make_task,
    make_tasks,
)  # fmt: skip
from tests.round_trip import assert_round_trip
from tests.servers import dump_versions


def test_right_numbers_yield_nothing(ctx: Context, session: Session) -> None:
    task = make_task(session, total_annotations=2, cancelled_annotations=1, total_predictions=1)
    make_annotation(session, task=task)
    make_annotation(session, task=task, ground_truth=True)
    make_annotation(session, task=task, was_cancelled=True)
    make_prediction(session, task=task)
    assert counters_drift.run(ctx) == []


@BOTH_ENGINES
def test_a_stale_counter_is_reported_with_both_numbers(console: Console, ctx: Context, session: Session) -> None:
    project = make_project(session, title="<b>Ünïcode</b> 東京")
    task = make_task(session, project=project, total_annotations=3, total_predictions=0)
    make_annotation(session, task=task)
    make_annotation(session, task=task, was_cancelled=True)
    make_prediction(session, task=task)
    [finding] = counters_drift.run(ctx)
    assert (finding.subject, finding.name) == (f"project:{project.id}", "<b>Ünïcode</b> 東京")
    assert (finding.severity, finding.fixes) == (Severity.ERROR, ("recount",))
    assert finding.summary == "1 task stores a wrong number of annotations or predictions"
    assert finding.evidence.rows == [{
        "id": task.id, "total_annotations": 3, "counted_annotations": 1, "cancelled_annotations": 0,
        "counted_cancelled": 1, "total_predictions": 0, "counted_predictions": 1,
    }]  # fmt: skip
    assert_round_trip(console, ctx, counters_drift, "recount", finding)


@pytest.mark.parametrize("version", dump_versions()[:1])
def test_an_old_release(console: Console, ctx: Context, session: Session) -> None:
    change_row(session, "task", 1, total_predictions=77)
    [finding] = counters_drift.run(ctx)
    assert_round_trip(console, ctx, counters_drift, "recount", finding)


def test_each_project_has_its_own_finding(ctx: Context, session: Session) -> None:
    first, second = make_project(session), make_project(session)
    for project, number in ((first, 12), (second, 3)):
        make_tasks(session, project, number, total_annotations=5)
    assert [(finding.subject, finding.evidence.total) for finding in counters_drift.run(ctx)] == [
        (f"project:{first.id}", 12), (f"project:{second.id}", 3),
    ]  # fmt: skip
    ctx.scope = Scope(project_id=second.id)
    assert [finding.subject for finding in counters_drift.run(ctx)] == [f"project:{second.id}"]


def test_rows_are_bounded_and_the_true_total_is_told(ctx: Context, session: Session) -> None:
    make_tasks(session, make_project(session), 40, cancelled_annotations=1)
    [finding] = counters_drift.run(replace(ctx, evidence_limit=10, _session=None, _open=None))
    assert (len(finding.evidence.rows), finding.evidence.total) == (10, 40)
    assert finding.summary.startswith("40 tasks store")


def test_a_shard_reports_its_own_tasks(ctx: Context, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(session)
    ids = [make_task(session, project=project, total_annotations=1).id for _ in range(5)]
    ctx.scope = Scope(project_id=project.id, task_range=(ids[1], ids[3]))
    [finding] = counters_drift.run(ctx)
    assert [row["id"] for row in finding.evidence] == ids[1:3]
    ctx.scope = Scope()
    monkeypatch.setattr("console.diagnostics.scan.SHARD_IDS", 2)
    [finding] = counters_drift.run(ctx)
    assert [row["id"] for row in finding.evidence] == ids


def test_tasks_of_no_project_are_left_out(ctx: Context, session: Session) -> None:
    make_task(session, project_id=None, total_annotations=9)
    assert counters_drift.run(ctx) == []


def test_a_deployment_without_a_task(ctx: Context, session: Session) -> None:
    ctx.scope = Scope(project_id=make_project(session).id)
    assert counters_drift.run(ctx) == []
