"""The label stream under other people's hands: locks, many tasks, two at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import event, insert, select
from sqlalchemy.orm import Session

from console.deployment import Deployment
from console.errors import NotFound
from console.labeling import locks, next_task
from console.labeling.db import Db
from tests.factories import BOTH_ENGINES, make_annotation, make_project, make_row, make_task, make_tasks
from tests.labeling.conftest import Writing

SETTINGS: dict[str, Any] = {
    "sampling": "Sequential sampling",
    "maximum_annotations": 1,
    "skip_queue": "REQUEUE_FOR_OTHERS",
}


def take(db: Db, project: SimpleNamespace) -> dict[str, Any]:
    return next_task.take(db, project.id, [], [db.table("task").c.id], from_tab=False)


def lock_all_but_the_last(session: Session, project: SimpleNamespace) -> int:
    """By bob, in one statement; the id of the task that stays free."""
    tasks, table = (session.info["schema"].table(name) for name in ("task", "tasks_tasklock"))
    own = select(tasks.c.id).where(tasks.c.project_id == project.id).order_by(tasks.c.id)
    ids = list(session.scalars(own))
    until = datetime.now(UTC) + timedelta(hours=1)
    session.execute(insert(table), [{"task_id": one, "user_id": 2, "expire_at": until} for one in ids[:-1]])
    session.commit()
    return ids[-1]


def lock(session: Session, task: SimpleNamespace, user_id: int, hours: int = 1) -> None:
    until = datetime.now(UTC) + timedelta(hours=hours)
    make_row(session, "tasks_tasklock", task_id=task.id, user_id=user_id, expire_at=until, unique_id=None)


@BOTH_ENGINES
def test_expired_locks_of_the_task_go_and_a_lock_is_lengthened(writing: Writing, session: Session):
    project = make_project(session, **SETTINGS)
    task = make_task(session, project=project)
    lock(session, task, 2, hours=-1)
    lock(session, task, 1, hours=-2)
    with writing() as db:
        shown = take(db, project)
        table = db.table("tasks_tasklock")
        kept = db.rows(select(table.c.user_id, table.c.expire_at).where(table.c.task_id == task.id))
        assert [row.user_id for row in kept] == [1] and kept[0].expire_at > db.now + timedelta(hours=23)
    assert (shown["id"], shown["queue"]) == (task.id, "Sequence queue")


@BOTH_ENGINES
def test_annotations_and_locks_of_others_fill_a_task(writing: Writing, session: Session):
    project = make_project(session, **SETTINGS | {"maximum_annotations": 2})
    full, free = (make_task(session, project=project, overlap=2) for _ in range(2))
    make_annotation(session, task=full, completed_by_id=2)
    lock(session, full, 3)
    with writing() as db:
        assert take(db, project)["id"] == free.id


def test_ground_truths_fill_nothing(writing: Writing, session: Session):
    project = make_project(session, **SETTINGS)
    task = make_task(session, project=project)
    make_annotation(session, task=task, completed_by_id=2, ground_truth=True)
    with writing() as db:
        assert take(db, project)["id"] == task.id


@pytest.mark.parametrize("engine", ["postgresql"])
def test_two_at_once_get_two_tasks(writing: Writing, session: Session):
    project = make_project(session, **SETTINGS)
    make_tasks(session, project, 2)
    with writing() as one, writing(user_id=2) as other:
        first, second = take(one, project)["id"], take(other, project)["id"]
    assert first != second


def test_nothing_left_says_so_and_writes_nothing(writing: Writing, session: Session):
    project = make_project(session, **SETTINGS)
    with pytest.raises(NotFound, match=r"There are no tasks for alice@example\.com"), writing() as db:
        take(db, project)
    with writing() as db:
        table = db.table(next_task.HISTORY)
        assert db.values(select(table.c.id).where(table.c.project_id == project.id)) == []


@BOTH_ENGINES
def test_many_locked_tasks_cost_no_statement_each(deployment: Deployment, writing: Writing, session: Session):
    project = make_project(session, **SETTINGS)
    make_tasks(session, project, 30)
    free = lock_all_but_the_last(session, project)
    statements: list[str] = []
    with writing() as db:

        @event.listens_for(deployment.fix_engine, "before_cursor_execute")
        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            statements.append(statement)

        assert take(db, project)["id"] == free
        event.remove(deployment.fix_engine, "before_cursor_execute", note)
    assert len(statements) <= 12, statements


@BOTH_ENGINES
def test_drawing_finds_the_one_free_task(writing: Writing, session: Session):
    project = make_project(session, **SETTINGS | {"sampling": "Uniform sampling"})
    make_tasks(session, project, 55)
    free = lock_all_but_the_last(session, project)
    with writing() as db:
        shown = take(db, project)
    assert (shown["id"], shown["queue"]) == (free, "Uniform random queue")


def test_the_history_keeps_a_hundred(writing: Writing, session: Session):
    project = make_project(session)
    with writing() as db:
        for number in range(120):
            next_task.remember(db, project.id, number + 1)
        next_task.remember(db, project.id, 120)
        table = db.table(next_task.HISTORY)
        data = db.value(select(table.c.data).where(table.c.project_id == project.id, table.c.user_id == 1))
    assert [item["taskId"] for item in data] == list(range(21, 121))


def test_the_least_solved_cluster_comes_first(writing: Writing, session: Session):
    project = make_project(session, **SETTINGS | {"sampling": "Uncertainty sampling", "model_version": "v1"})
    solved, *left = (make_task(session, project=project) for _ in range(3))
    make_annotation(session, task=solved)
    for task, cluster, score in ((solved, 1, 0.1), (left[0], 1, 0.2), (left[1], 2, 0.9)):
        make_row(
            session, "prediction", task_id=task.id, project_id=project.id, result=[], score=score, model_version="v1",
            cluster=cluster, created_at=datetime.now(UTC), updated_at=datetime.now(UTC),
        )  # fmt: skip
    with writing() as db:
        assert take(db, project)["id"] == left[1].id


@BOTH_ENGINES
def test_releasing_ends_own_and_expired_locks(writing: Writing, session: Session):
    task = make_task(session)
    for user_id, hours in ((1, 1), (2, 1), (3, -1)):
        lock(session, task, user_id, hours)
    with writing() as db:
        locks.release(db, task.id)
        table = db.table("tasks_tasklock")
        assert db.values(select(table.c.user_id).where(table.c.task_id == task.id)) == [2]
