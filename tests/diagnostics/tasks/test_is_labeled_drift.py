"""tasks.is_labeled_drift: tasks marked finished that are not, and the other way round."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.diagnostics.check import Context, Scope, Severity
from console.diagnostics.tasks.is_labeled_drift import is_labeled_drift
from console.service import Console
from tests.factories import BOTH_ENGINES, make_annotation, make_project, make_task, make_tasks
from tests.round_trip import assert_round_trip
from tests.servers import dump_versions

ALICE, BOB = 1, 2
REQUEUE = "REQUEUE_FOR_OTHERS"


def plant(session: Session, *annotations: dict[str, Any], skip_queue: str | None = REQUEUE, **task: Any) -> int:
    """A task with these annotations in a project of its own; returns the project's id."""
    project = make_project(session, skip_queue=skip_queue)
    planted = make_task(session, project=project, **task)
    for values in annotations:
        make_annotation(session, task=planted, **values)
    return project.id


def by(user_id: int | None, **values: Any) -> dict[str, Any]:
    return {"completed_by_id": user_id} | values


SKIPPED = {"was_cancelled": True}


@pytest.mark.parametrize("skip_queue", ["REQUEUE_FOR_OTHERS", "REQUEUE_FOR_ME", None])
def test_right_marks_yield_nothing(ctx: Context, session: Session, skip_queue: str | None) -> None:
    plant(session, by(ALICE), by(BOB), overlap=2, is_labeled=True, skip_queue=skip_queue)
    plant(session, by(ALICE), overlap=2, skip_queue=skip_queue)
    plant(session, by(ALICE), by(ALICE), overlap=2, skip_queue=skip_queue)
    plant(session, by(ALICE), by(BOB, **SKIPPED), overlap=2, skip_queue=skip_queue)
    plant(session, overlap=1, skip_queue=skip_queue)
    plant(session, overlap=0, is_labeled=True, skip_queue=skip_queue)
    assert is_labeled_drift.run(ctx) == []


@BOTH_ENGINES
def test_a_finished_task_that_is_served_again(console: Console, ctx: Context, session: Session) -> None:
    project_id = plant(session, by(ALICE), by(BOB), by(BOB, **SKIPPED), overlap=2)
    [finding] = is_labeled_drift.run(ctx)
    assert (finding.subject, finding.severity) == (f"project:{project_id}", Severity.ERROR)
    assert finding.summary == "1 task stores a wrong mark of being finished (is_labeled)"
    [row] = finding.evidence.rows
    assert (row["overlap"], row["annotators"], row["annotations"], row["skipped"]) == (2, 2, 2, 1)
    assert (row["stored"], row["expected"]) == (False, True)
    assert_round_trip(console, ctx, is_labeled_drift, "relabel", finding)


@BOTH_ENGINES
def test_a_task_marked_finished_too_early(console: Console, ctx: Context, session: Session) -> None:
    plant(session, by(ALICE), overlap=2, is_labeled=True, skip_queue=None)
    [finding] = is_labeled_drift.run(ctx)
    assert [(row["stored"], row["expected"]) for row in finding.evidence] == [(True, False)]
    assert_round_trip(console, ctx, is_labeled_drift, "relabel", finding)


def test_skipped_ones_count_where_the_project_ignores_skips(ctx: Context, session: Session) -> None:
    project_id = plant(session, by(ALICE, **SKIPPED), overlap=1, skip_queue="IGNORE_SKIPPED")
    plant(session, by(ALICE, **SKIPPED), overlap=1, is_labeled=True, skip_queue="IGNORE_SKIPPED")
    assert [finding.subject for finding in is_labeled_drift.run(ctx)] == [f"project:{project_id}"]


def test_one_person_twice_is_one_person_since_1_22(ctx: Context, session: Session) -> None:
    plant(session, by(ALICE), by(ALICE), overlap=2, is_labeled=True)
    [finding] = is_labeled_drift.run(ctx)
    assert [(row["annotators"], row["annotations"]) for row in finding.evidence] == [(1, 2)]
    assert finding.severity is Severity.WARNING
    assert "an upgrade recounts nothing" in finding.cause


def test_what_an_upgrade_left_hides_nothing_worse(ctx: Context, session: Session) -> None:
    project = make_project(session, skip_queue=REQUEUE)
    twice = make_task(session, project=project, overlap=2, is_labeled=True)
    for _ in range(2):
        make_annotation(session, task=twice, completed_by_id=ALICE)
    make_task(session, project=project, overlap=2, is_labeled=True)
    [finding] = is_labeled_drift.run(ctx)
    assert (len(finding.evidence.rows), finding.severity) == (2, Severity.ERROR)


@pytest.mark.parametrize("version", [name for name in ("1.8.2.post1", "1.18.0") if name in dump_versions()])
def test_before_1_22_both_rules_have_to_agree(console: Console, ctx: Context, session: Session) -> None:
    plant(session, by(ALICE), by(ALICE), overlap=2, is_labeled=True)
    plant(session, by(ALICE), by(ALICE), overlap=2, is_labeled=False)
    assert is_labeled_drift.run(ctx) == []
    plant(session, by(ALICE), by(BOB), overlap=2)
    plant(session, by(ALICE), overlap=2, is_labeled=True)
    found = is_labeled_drift.run(ctx)
    assert [row["expected"] for finding in found for row in finding.evidence] == [True, False]
    assert_round_trip(console, ctx, is_labeled_drift, "relabel", found[0])


@pytest.mark.parametrize("version", [name for name in ("1.8.2.post1", "1.13.1") if name in dump_versions()])
def test_before_1_16_a_bulk_recount_may_have_left_skips_out(ctx: Context, session: Session) -> None:
    plant(session, by(ALICE), by(BOB, **SKIPPED), overlap=2, skip_queue="IGNORE_SKIPPED")
    plant(session, by(ALICE), by(BOB, **SKIPPED), overlap=2, is_labeled=True, skip_queue="IGNORE_SKIPPED")
    assert is_labeled_drift.run(ctx) == []
    open_task = plant(session, by(ALICE), by(BOB), overlap=2, skip_queue="IGNORE_SKIPPED")
    early = plant(session, by(ALICE, **SKIPPED), overlap=2, is_labeled=True, skip_queue="IGNORE_SKIPPED")
    assert [found.subject for found in is_labeled_drift.run(ctx)] == [f"project:{open_task}", f"project:{early}"]


def test_what_label_studio_itself_may_have_stored_is_left_alone(ctx: Context, session: Session) -> None:
    plant(session, by(ALICE, **SKIPPED), overlap=1, is_labeled=True)  # imported like that
    plant(session, by(None), overlap=1, is_labeled=True)  # an author counts or not, depending on the code path
    plant(session, by(None), overlap=1, is_labeled=False)
    plant(session, by(ALICE, result=None), overlap=1, is_labeled=True)  # so does an empty result
    plant(session, by(ALICE, result=None), overlap=1, is_labeled=False)
    assert is_labeled_drift.run(ctx) == []


def test_skips_alone_do_not_excuse_too_few_annotations(ctx: Context, session: Session) -> None:
    plant(session, by(ALICE, **SKIPPED), overlap=2, is_labeled=True)
    assert len(is_labeled_drift.run(ctx)) == 1


def test_a_run_for_one_project_and_one_shard(ctx: Context, session: Session) -> None:
    project = make_project(session)
    make_tasks(session, project, 6, is_labeled=True)
    plant(session, overlap=1, is_labeled=True)
    [finding] = (found for found in is_labeled_drift.run(ctx) if found.subject == f"project:{project.id}")
    ids = [row["id"] for row in finding.evidence]
    assert len(ids) == 6
    ctx.scope = Scope(project_id=project.id, task_range=(ids[2], ids[4]))
    [finding] = is_labeled_drift.run(ctx)
    assert [row["id"] for row in finding.evidence] == ids[2:4]


def test_tasks_of_no_project_are_left_out(ctx: Context, session: Session) -> None:
    make_task(session, project_id=None, is_labeled=True)
    assert is_labeled_drift.run(ctx) == []
