"""The project summary follows what happens to tasks, annotations and drafts."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.labeling import summary
from tests.factories import BOTH_ENGINES, make_annotation, make_project, make_row, make_task
from tests.labeling.conftest import Writing

pytestmark = BOTH_ENGINES


def region(*labels: Any, name: str = "label", kind: str = "labels", **more: Any) -> dict[str, Any]:
    return {"id": "r", "from_name": name, "to_name": "text", "type": kind, "value": {kind: list(labels)}} | more


@pytest.fixture
def project_id(session: Session) -> int:
    return make_project(session).id


def test_data_keys_are_counted_and_taken_back(writing: Writing, project_id: int):
    with writing() as db:
        summary.tasks_added(db, project_id, {("text",): 3, ("text", "id"): 2})
        first = summary.read(db, project_id)
        summary.tasks_added(db, project_id, {("text", "more"): 1})
        summary.tasks_removed(db, project_id, {"text": 4, "id": 2, "never": 1})
        second = summary.read(db, project_id)
        summary.tasks_removed(db, project_id, {"text": 2, "more": 1})
        third = summary.read(db, project_id)
    assert (first["all_data_columns"], first["common_data_columns"]) == ({"text": 5, "id": 2}, ["text"])
    assert (second["all_data_columns"], second["common_data_columns"]) == ({"text": 2, "more": 1}, ["text"])
    assert (third["all_data_columns"], third["common_data_columns"]) == ({}, [])


def test_results_count_controls_and_labels(writing: Writing, project_id: int):
    result = [
        region("A"), region("B", "A"), region("x", kind="relation"), region("y", kind=None),
        region(["Life", "Cat"], "Stone", name="tax", kind="taxonomy"),
        region("word", name="ta", kind="textarea", value={"text": ["word"]}),
        region(name="box", kind="videorectangle", value={"labels": ["Man"]}),
        region("free", name="t", kind="text"),
        region("both", name="pw", kind="choices", to_name=["one", "two"]),
        {"type": "labels", "value": {"labels": ["nameless"]}}, "nonsense", None,
    ]  # fmt: skip
    with writing() as db:
        summary.annotations_added(db, project_id, [result, None, "odd", {"from_name": "x"}])
        stored = summary.read(db, project_id)
    assert stored["created_annotations"] == {
        "label|text|labels": 2, "tax|text|taxonomy": 1, "ta|text|textarea": 1, "box|text|videorectangle": 1,
        "t|text|text": 1, "pw|one,two|choices": 1,
    }  # fmt: skip
    assert stored["created_labels"] == {
        "label": {"A": 2, "B": 1}, "tax": {"Life": 1, "Cat": 1, "Stone": 1}, "ta": {}, "box": {"Man": 1}, "t": {},
        "pw": {"both": 1},
    }  # fmt: skip
    assert stored["created_labels_drafts"] == {}


def test_a_changed_annotation_takes_its_old_labels_back(writing: Writing, session: Session, project_id: int):
    make_annotation(session, task=make_task(session, project_id=project_id))
    with writing() as db:
        summary.annotations_added(db, project_id, [[region("A"), region("B")], [region("A")]])
        summary.change(
            db, project_id, annotations_removed=[[region("A"), region("B")]], annotations_added=[[region("C")]]
        )
        changed = summary.read(db, project_id)
        summary.annotations_removed(db, project_id, [[region("A")]])
        removed = summary.read(db, project_id)
    assert changed["created_annotations"] == {"label|text|labels": 2}
    assert changed["created_labels"] == {"label": {"A": 1, "C": 1}}
    assert removed["created_annotations"] == {"label|text|labels": 1}
    assert removed["created_labels"] == {"label": {"C": 1}}


def test_without_annotations_nothing_stays_counted(writing: Writing, project_id: int):
    with writing() as db:
        summary.annotations_added(db, project_id, [[region("A")], [region("B")]])
        summary.drafts_added(db, project_id, [[region("A")]])
        summary.annotations_removed(db, project_id, [[region("A")]])
        stored = summary.read(db, project_id)
    assert (stored["created_annotations"], stored["created_labels"]) == ({}, {})
    assert stored["created_labels_drafts"] == {"label": {"A": 1}}


def test_drafts_have_numbers_of_their_own(writing: Writing, session: Session, project_id: int):
    task = make_task(session, project_id=project_id)
    with writing() as db:
        db.insert("tasks_annotationdraft", {"task_id": task.id, "user_id": 1, "result": [], "was_postponed": False})
        summary.drafts_added(db, project_id, [[region("A"), region("B", kind=None)], [region("A")]])
        summary.change(db, project_id, drafts_removed=[[region("A")]], drafts_added=[[region("Z")]])
        summary.drafts_removed(db, project_id, [[region("Q")]])
        first = summary.read(db, project_id)
        db.delete("tasks_annotationdraft", db.table("tasks_annotationdraft").c.task_id == task.id)
        summary.drafts_removed(db, project_id, [[region("Z")]])
        last = summary.read(db, project_id)
    assert first["created_labels_drafts"] == {"label": {"A": 1, "Z": 1}}
    assert first["created_labels"] == last["created_labels_drafts"] == {}


def test_counting_anew_gives_what_the_rows_have(writing: Writing, session: Session, project_id: int):
    task = make_task(session, project_id=project_id, data={"text": "a", "id": 1})
    make_task(session, project_id=project_id, data={"text": "b"})
    make_task(session, project_id=project_id, data=["no", "object"])
    make_annotation(session, task=task, result=[region("A"), region("B")])
    make_annotation(session, task=task, result=None)
    make_row(session, "tasks_annotationdraft", task_id=task.id, user_id=1, result=[region("D")], was_postponed=False)
    with writing() as db:
        counted = summary.recount(db, project_id)
        stored = summary.read(db, project_id)
    assert counted == {name: stored[name] for name in counted}
    assert (stored["all_data_columns"], stored["common_data_columns"]) == ({"text": 2, "id": 1}, [])
    assert stored["created_annotations"] == {"label|text|labels": 2}
    assert stored["created_labels"] == {"label": {"A": 1, "B": 1}}
    assert stored["created_labels_drafts"] == {"label": {"D": 1}}


def test_reset_if_idle_empties_what_nothing_stands_for(writing: Writing, session: Session, project_id: int):
    with writing() as db:
        summary.change(db, project_id, tasks_added={("text",): 1}, annotations_added=[[region("A")]])
    task = make_task(session, project_id=project_id)
    with writing() as db:
        summary.reset_if_idle(db, project_id)
        idle = summary.read(db, project_id)
        db.delete("task", db.table("task").c.id == task.id)
        summary.reset_if_idle(db, project_id)
        empty = summary.read(db, project_id)
    assert (idle["all_data_columns"], idle["created_annotations"]) == ({"text": 1}, {})
    assert (empty["all_data_columns"], empty["common_data_columns"]) == ({}, [])


def test_a_missing_row_is_made(writing: Writing, project_id: int):
    with writing() as db:
        db.delete(summary.SUMMARY, db.table(summary.SUMMARY).c.project_id == project_id)
        assert summary.read(db, project_id) == {}
        summary.tasks_added(db, project_id, {("a",): 1})
        summary.tasks_added(db, project_id, {})
        assert summary.read(db, project_id)["all_data_columns"] == {"a": 1}
