"""The twin itself: the first requests of every client, and that a wrong answer or row does not pass."""

from __future__ import annotations

import pytest

from tests.twin.twin import Twin


def test_who_am_i(twin: Twin):
    twin.get("/api/current-user/whoami", as_user="bob", expect=200)
    twin.rows()


def test_both_serve_the_same_database(twin: Twin):
    twin.execute("UPDATE project SET title = 'Renamed' WHERE id = 1")
    found = twin.get("/api/projects/1/", expect=200)
    assert found["title"] == "Renamed"
    twin.rows()


def test_a_wrong_answer_is_noticed(twin: Twin, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tests.twin.twin.KEEP_GOING", False)
    _, ours = twin.sides
    with ours.database.begin() as connection:
        connection.exec_driver_sql("UPDATE project SET title = 'Only here' WHERE id = 1")
    with pytest.raises(AssertionError, match="title: 'Review sentiment' in Label Studio, 'Only here' in the console"):
        twin.get("/api/projects/1/")
    with pytest.raises(AssertionError, match="project 1 title: 'Review sentiment' in Label Studio, 'Only here'"):
        twin.rows()


def test_a_difference_on_purpose_must_be_one(twin: Twin):
    with pytest.raises(AssertionError, match="nothing differs"):
        twin.get("/api/current-user/whoami", differs="html-404")
    with pytest.raises(AssertionError, match="has no row in docs/api-differences"):
        twin.get("/api/current-user/whoami", differs="never-told")


def test_projects_and_tasks_of_the_dump(twin: Twin):
    twin.get("/api/projects/", expect=200)
    twin.get("/api/projects/1/", expect=200)
    twin.get("/api/tasks/", params={"project": 1, "page_size": 100}, expect=200)
    twin.get("/api/tasks/1/", expect=200)
    twin.rows()


def test_an_annotation_leaves_the_same_rows(twin: Twin):
    result = [
        {"id": "r1", "from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": ["Positive"]}}
    ]
    made = twin.post("/api/tasks/50/annotations/", json={"result": result, "lead_time": 2.5}, expect=201)
    assert made["result"] == result
    twin.get("/api/tasks/50/", expect=200)
    twin.rows()
