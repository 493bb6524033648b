"""Rows by the thousand: every kind of value arrives as it was, on both databases and in old releases."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import exc, text

from console.labeling.bulk import BulkInsert
from console.labeling.db import Caller, Db
from tests.factories import BOTH_ENGINES

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
TEXTS = ["plain", "tab\tline\nreturn\rback\\slash \\N \\.", "ü 東京 😀 'quote' \"double\"", ""]


@pytest.fixture
def db(deployment):
    with deployment.write() as session:
        yield Db(session, deployment.schema, Caller(1, "alice@example.com", 1), NOW)


@BOTH_ENGINES
def test_every_kind_of_value(db):
    rows = BulkInsert(db, "prediction", ("result", "score", "model_version", "task_id", "no_such_column"),
                      {"project_id": 1, "created_at": NOW, "updated_at": NOW, "mislabeling": 0.5, "nor_this": 1})  # fmt: skip
    for number, value in enumerate(TEXTS):
        rows.add(json.dumps([{"t": value}]).encode(), number / 3 or None, value, 1, object())
    rows.flush()
    assert rows.count == len(TEXTS)
    table = db.table("prediction")
    stored = db.rows(table.select().order_by(table.c.id.desc()).limit(len(TEXTS)))[::-1]
    assert [row.result for row in stored] == [[{"t": value}] for value in TEXTS]
    assert [row.model_version for row in stored] == TEXTS
    assert [row.score for row in stored] == [None, 1 / 3, 2 / 3, 1.0]
    assert all(row.created_at == NOW and row.mislabeling == 0.5 and row.cluster is None for row in stored)


@BOTH_ENGINES
def test_truth_values_and_unique_ids(db):
    key = UUID(int=7)
    same = {"task_id": 1, "project_id": 1, "created_at": NOW, "updated_at": NOW, "result_count": 0, "prediction": {}}
    rows = BulkInsert(db, "task_completion", ("was_cancelled", "ground_truth", "unique_id", "import_id"), same)
    rows.add(True, False, key, 2**62)
    rows.flush()
    table = db.table("task_completion")
    [row] = db.rows(table.select().where(table.c.import_id == 2**62))
    assert (bool(row.was_cancelled), bool(row.ground_truth)) == (True, False)
    assert UUID(str(row.unique_id)) == key


@BOTH_ENGINES
def test_ids_are_reserved_and_never_given_again(db):
    rows = BulkInsert(db, "task", ("id", "data"), {"project_id": 1, "created_at": NOW, "updated_at": NOW, "overlap": 1})
    first, second = list(rows.reserve(3)), list(rows.reserve(2))
    used = db.value(text("select max(id) from task"))
    assert sorted({*first, *second}) == first + second and first[0] > used
    for task_id in second:
        rows.add(task_id, b"{}")
    rows.flush()
    other = db.insert("task", {"data": {}, "project_id": 1, "created_at": NOW, "updated_at": NOW, "is_labeled": False,
                               "overlap": 1, "total_annotations": 0, "cancelled_annotations": 0, "total_predictions": 0,
                               "comment_count": 0, "unresolved_comment_count": 0})  # fmt: skip
    assert other > second[-1]
    assert db.values(text("select total_annotations from task order by id desc limit 1")) == [0]


@pytest.mark.parametrize("version", ["1.8.2.post1"])
@BOTH_ENGINES
def test_an_old_release(db):
    rows = BulkInsert(db, "task", ("id", "data", "allow_skip"), {"project_id": 1, "created_at": NOW, "updated_at": NOW})
    [task_id] = rows.reserve(1)
    rows.add(task_id, b'{"text": "x"}', True)
    rows.flush()
    table = db.table("task")
    [row] = db.rows(table.select().where(table.c.id == task_id))
    assert row.data == {"text": "x"} and row.overlap == 0


@BOTH_ENGINES
def test_what_the_database_refuses_is_sqlalchemys_error(db):
    rows = BulkInsert(db, "task", ("id", "data"), {"project_id": 1, "created_at": NOW, "updated_at": NOW, "overlap": 1})
    rows.add(1, b"{}")
    with pytest.raises(exc.IntegrityError) as refused:
        rows.flush()
    assert "secret" not in str(refused.value)
    db.session.rollback()


@pytest.mark.parametrize("engine", ["postgresql"])
def test_a_null_character_never_reaches_postgresql(db):
    rows = BulkInsert(
        db, "prediction", ("model_version",), {"task_id": 1, "created_at": NOW, "updated_at": NOW, "mislabeling": 0}
    )
    with pytest.raises(ValueError, match="NUL"):
        rows.add("a\0b")
