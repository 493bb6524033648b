"""Counters, `is_labeled` and the cohort of tasks with overlap, by Label Studio's rules."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from console.errors import NotFound
from console.labeling import overlap
from console.labeling.db import Db
from tests.factories import BOTH_ENGINES, make_annotation, make_prediction, make_project, make_task, make_tasks
from tests.labeling.conftest import Writing


def stored(db: Db, task_id: int, *names: str) -> tuple[Any, ...]:
    tasks = db.table("task")
    return tuple(db.rows(select(*db.columns("task", *names)).where(tasks.c.id == task_id))[0])


def overlaps(db: Db, project: SimpleNamespace) -> list[int]:
    tasks = db.table("task")
    return db.values(select(tasks.c.overlap).where(tasks.c.project_id == project.id).order_by(tasks.c.id))


@BOTH_ENGINES
def test_two_annotations_of_one_person_do_not_finish_a_task_of_two(writing: Writing, session: Session):
    task = make_task(session, overlap=2)
    make_annotation(session, task=task)
    make_annotation(session, task=task)
    make_annotation(session, task=task, completed_by_id=2, was_cancelled=True)
    with writing() as db:
        overlap.refresh_task(db, task.id, False, updated_by_id=2)
        once = stored(db, task.id, "total_annotations", "cancelled_annotations", "is_labeled", "updated_by_id")
        overlap.refresh_task(db, task.id, True)
        skipped_counts = stored(db, task.id, "is_labeled")
    assert once == (2, 1, False, 2)
    assert skipped_counts == (True,)


@pytest.mark.parametrize(("version", "labeled"), [("1.18.0", True), ("1.23.2", False)])
def test_releases_before_1_22_count_annotations_and_not_people(writing: Writing, session: Session, labeled: bool):
    task = make_task(session, overlap=2)
    make_annotation(session, task=task)
    make_annotation(session, task=task)
    with writing() as db:
        overlap.refresh_task(db, task.id, False)
        assert stored(db, task.id, "total_annotations", "is_labeled") == (2, labeled)


@BOTH_ENGINES
def test_results_and_authors_count_differently_for_one_task_and_for_many(writing: Writing, session: Session):
    project = make_project(session)
    without_author = make_task(session, project=project)
    make_annotation(session, task=without_author, completed_by_id=None)
    without_result = make_task(session, project=project)
    make_annotation(session, task=without_result, result=None)
    with writing() as db:
        for task in (without_author, without_result):
            overlap.refresh_task(db, task.id, False)
        single = [stored(db, task.id, "is_labeled")[0] for task in (without_author, without_result)]
        overlap.recount(db, project.id)
        many = [stored(db, task.id, "is_labeled")[0] for task in (without_author, without_result)]
    assert single == [True, False]
    assert many == [False, True]


@BOTH_ENGINES
def test_recount_mends_only_the_named_tasks(writing: Writing, session: Session):
    project = make_project(session)
    tasks = [make_task(session, project=project, total_annotations=7, is_labeled=True) for _ in range(3)]
    make_annotation(session, task=tasks[0])
    make_prediction(session, task=tasks[0])
    with writing() as db:
        overlap.recount(db, project.id, [tasks[0].id])
        overlap.recount(db, project.id, select(db.table("task").c.id).where(db.table("task").c.id == tasks[1].id))
        columns = ("total_annotations", "total_predictions", "is_labeled")
        assert [stored(db, task.id, *columns) for task in tasks] == [(1, 1, True), (0, 0, False), (7, 0, True)]


@BOTH_ENGINES
def test_a_cohort_takes_finished_tasks_first_then_those_with_most_annotations(writing: Writing, session: Session):
    project = make_project(session, maximum_annotations=2, overlap_cohort_percentage=50)
    make_tasks(session, project, 6)
    with writing() as db:
        table = db.table("task")
        ids = db.values(select(table.c.id).where(table.c.project_id == project.id).order_by(table.c.id))
    for at, people in ((4, (1, 2)), (2, (1,)), (5, (1,))):
        for person in people:
            make_annotation(session, task=SimpleNamespace(id=ids[at], project_id=project.id), completed_by_id=person)
    with writing() as db:
        overlap.rearrange(db, overlap.rules(db, project.id))
        assert overlaps(db, project) == [1, 1, 2, 1, 2, 2]
        assert [stored(db, one, "is_labeled")[0] for one in ids] == [False, False, False, False, True, False]


def test_more_finished_tasks_than_the_cohort_wants_all_keep_overlap(writing: Writing, session: Session):
    project = make_project(session, maximum_annotations=2, overlap_cohort_percentage=20)
    tasks = [make_task(session, project=project) for _ in range(5)]
    for task in tasks[:2]:
        for person in (1, 2):
            make_annotation(session, task=task, completed_by_id=person)
    make_annotation(session, task=tasks[2], ground_truth=True)
    with writing() as db:
        overlap.rearrange(db, overlap.rules(db, project.id))
        assert overlaps(db, project) == [2, 2, 1, 1, 1]


@pytest.mark.parametrize(
    "before, given, changed, after",
    [
        ([1, 1, 1], {"maximum_annotations": 3}, {"maximum": True, "cohort": False}, [3, 3, 3]),
        ([1, 2, 1], {"maximum_annotations": 3}, {"maximum": True, "cohort": False}, [1, 3, 1]),
        ([1, 2, 1], {"maximum_annotations": 1}, {"maximum": True, "cohort": False}, [1, 1, 1]),
        ([1, 2, 2], {"maximum_annotations": 1}, {"maximum": False, "cohort": True}, [1, 2, 2]),
        ([1, 2, 2], {"maximum_annotations": 1}, {"maximum": True, "cohort": True}, [1, 1, 1]),
        ([1, 1, 1], {"maximum_annotations": 2, "overlap_cohort_percentage": 0}, {"maximum": False, "cohort": True}, [1, 1, 1]),
        ([1, 2, 2], {"maximum_annotations": 0}, {"maximum": True, "cohort": False}, [0, 0, 0]),
    ],
)  # fmt: skip
def test_changed_settings_reach_the_tasks(
    writing: Writing, session: Session, before: list[int], given: dict, changed: dict, after: list[int]
):
    project = make_project(session, **{"overlap_cohort_percentage": 100, **given})
    for number in before:
        make_task(session, project=project, overlap=number)
    with writing() as db:
        overlap.settings_changed(db, overlap.rules(db, project.id), **changed)
        assert overlaps(db, project) == after


def test_a_new_maximum_below_a_full_cohort_chooses_it(writing: Writing, session: Session):
    project = make_project(session, maximum_annotations=2, overlap_cohort_percentage=50)
    make_tasks(session, project, 4)
    with writing() as db:
        overlap.settings_changed(db, overlap.rules(db, project.id), maximum=True, cohort=False)
        assert sorted(overlaps(db, project)) == [1, 1, 2, 2]
        overlap.tasks_changed(db, overlap.rules(db, project.id))
        assert sorted(overlaps(db, project)) == [1, 1, 2, 2]


def test_an_unknown_project_has_no_rules(writing: Writing):
    with writing() as db, pytest.raises(NotFound):
        overlap.rules(db, 99_999)


@pytest.mark.parametrize("version", ["1.8.2.post1"])
def test_the_oldest_release_has_the_same_rules(writing: Writing, session: Session, version: str):
    task = make_task(session, overlap=1)
    make_annotation(session, task=task)
    with writing() as db:
        overlap.recount(db, task.project_id)
        assert stored(db, task.id, "total_annotations", "is_labeled") == (1, True)
