"""perf.huge_annotations: single results of many megabytes."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from console.diagnostics.check import Context, Scope
from console.diagnostics.perf import huge_annotations as module
from console.diagnostics.perf.huge_annotations import huge_annotations
from console.diagnostics.runner import ask
from tests.factories import (
    BOTH_ENGINES,
    ON_POSTGRESQL,
    make_annotation,
    make_prediction,
    make_project,
    make_row,
    make_task,
)

MEGABYTE = 1024 * 1024


@pytest.fixture
def sensitive(ctx: Context) -> Context:
    ctx.deployment.settings = replace(ctx.settings, thresholds={"perf.huge_annotations.larger_than_mb": 1})
    return ctx


@cache
def mask(megabytes: float) -> list[dict[str, object]]:
    """A brush mask: numbers that compress about as masks do."""
    rle = list(random.Random(7).randbytes(int(megabytes * MEGABYTE / 4.57)))
    return [{"id": "b1", "type": "brushlabels", "value": {"format": "rle", "rle": rle}}]


@BOTH_ENGINES
def test_masks_in_annotations_drafts_and_predictions(sensitive: Context, session: Session) -> None:
    assert huge_annotations.run(sensitive) == []
    if sensitive.schema.dialect == "postgresql":  # Label Studio's search in results takes seconds to learn a mask
        session.execute(text("drop index tasks_annotations_result_proj_gin, tasks_predictions_result_proj_gin"))
        session.commit()
    project = make_project(session, title="Masks")
    task = make_task(session, project=project)
    make_annotation(session, task=task, result=mask(0.2))
    annotation = make_annotation(session, task=task, result=mask(1.3))
    make_prediction(session, task=task, result=mask(1.1))
    now = datetime.now(UTC)
    make_row(session, "tasks_annotationdraft", task_id=task.id, user_id=1, result=mask(1.2), created_at=now, updated_at=now,
             lead_time=1.0, was_postponed=False)  # fmt: skip
    [finding] = huge_annotations.run(sensitive)
    assert (finding.subject, finding.name) == (f"project:{project.id}", "Masks")
    assert finding.summary.startswith("1 annotation, 1 draft and 1 prediction are over 1 MB, the largest 1.3 MB")
    assert finding.summary.endswith(f" in task {task.id}")
    assert [row["kind"] for row in finding.evidence] == ["annotation", "draft", "prediction"]
    assert finding.evidence.rows[0]["id"] == annotation.id
    assert all(row["bytes"] > MEGABYTE and row["task_id"] == task.id for row in finding.evidence)
    sensitive.close()
    sensitive.scope = Scope(project_id=1)
    assert huge_annotations.run(sensitive) == []


@ON_POSTGRESQL
def test_without_the_index_the_newest_rows_are_gone_through(sensitive: Context, session: Session) -> None:
    task = make_task(session)
    make_annotation(session, task=task, result=[{"text": "a" * 2 * MEGABYTE}])  # compresses to next to nothing
    annotation = make_annotation(session, task=task, result=mask(1.1))
    sensitive.close()
    engine = create_engine(sensitive.deployment.engine.url)
    with engine.begin() as connection:
        connection.execute(text("drop index annotation_proj_result_octlen_idx"))
    engine.dispose()
    [finding] = huge_annotations.run(sensitive)
    assert [row["id"] for row in finding.evidence] == [annotation.id]
    assert finding.summary.startswith("1 annotation is over 1 MB")


@pytest.mark.parametrize(("engine", "version"), [("postgresql", "1.8.2.post1"), ("sqlite", "1.8.2.post1")])
def test_older_releases(sensitive: Context, session: Session) -> None:
    task = make_task(session)
    make_annotation(session, task=task, result=mask(1.1))
    assert [finding.subject for finding in huge_annotations.run(sensitive)] == [f"project:{task.project_id}"]


def test_rows_are_gone_through_range_by_range_and_within_the_time(
    sensitive: Context, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make_task(session)
    make_annotation(session, task=task, result=mask(2))
    for _ in range(30):
        make_annotation(session, task=task)
    monkeypatch.setattr(module, "STEP_IDS", 10)
    assert len(huge_annotations.run(sensitive)) == 1
    sensitive.close()
    thresholds = {**sensitive.settings.thresholds, "perf.huge_annotations.within_seconds": -1}
    sensitive.deployment.settings = replace(sensitive.settings, thresholds=thresholds)
    result = ask(huge_annotations, sensitive)
    assert result.outcome == "unknown"
    assert result.reason.startswith("Not looked at within the time: annotations up to id ")
