"""Deleting rows takes along what refers to them, as the database's own foreign keys say."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from console.labeling.tasks_cascade import delete_rows, references
from tests.factories import BOTH_ENGINES
from tests.labeling.conftest import Writing


@pytest.mark.parametrize("version", ["1.8.2.post1", "1.23.2"])
@BOTH_ENGINES
def test_a_task_goes_with_everything(writing: Writing, version: str):
    with writing() as db:
        links = {(one.table, one.column) for one in references(db) if one.target == "task"}
        before = _count(db, "task_completion")
        assert delete_rows(db, "task", [6, 7]) == 2
        for table, column in links:
            assert db.value(select(func.count()).where(db.table(table).c[column].in_([6, 7]))) == 0, table
        assert _count(db, "task_completion") == before - 4
    assert {("task_completion", "task_id"), ("tasks_tasklock", "task_id"), ("prediction", "task_id")} <= links


@BOTH_ENGINES
def test_what_may_be_empty_is_emptied(writing: Writing):
    with writing() as db:
        annotations = db.table("task_completion")
        db.update("task_completion", annotations.c.id == 4, {"parent_annotation_id": 3, "parent_prediction_id": 1})
        delete_rows(db, "task_completion", select(annotations.c.id).where(annotations.c.id == 3))
        delete_rows(db, "prediction", [1])
        kept = db.first(
            select(annotations.c.parent_annotation_id, annotations.c.parent_prediction_id).where(annotations.c.id == 4)
        )
    assert kept is not None
    assert tuple(kept) == (None, None)


def _count(db: object, table: str) -> int:
    return db.value(select(func.count()).select_from(db.table(table)))  # type: ignore[attr-defined,no-any-return]
