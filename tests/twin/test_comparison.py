"""The comparison notices what differs, and lets pass only what nobody could make equal."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.servers import sqlite_dump
from tests.twin.compare import Matcher
from tests.twin.rows import engine_of, primary_keys, read_rows, row_differences
from tests.twin.twin import Each, _of, known_differences

START = datetime.now(UTC)
NOW = datetime.now(UTC).isoformat().replace("+00:00", "Z")
LATER = datetime.now(UTC).isoformat().replace("+00:00", "Z")
ID, OTHER_ID = "0c2c4f4e-52a7-4be3-8b13-1d2f50d5e8b0", "aaaaaaaa-52a7-4be3-8b13-1d2f50d5e8b0"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"a": 1}, {"a": 1, "b": None}),
        ({"a": 1}, {}),
        ([1, 2], [2, 1]),
        ([1], [1, 1]),
        (1, 1.0),
        (1, True),
        (0, False),
        ("1", 1),
        (None, ""),
        ("text", "Text"),
        ("2024-01-01T00:00:00.123456Z", "2024-01-01T00:00:01.123456Z"),  # both from the database
        ("2024-01-01T00:00:00.123456Z", NOW),
        (NOW, NOW.replace("Z", "+00:00")),
        (NOW, NOW[:19] + "Z"),
        (ID, "0c2c4f4e52a74be38b131d2f50d5e8b0"),
        ({"created_ago": "0\xa0minutes"}, {"created_ago": "0 minutes"}),
        ({"created_ago": "1\xa0hour, 2\xa0minutes"}, {"created_ago": "2\xa0minutes"}),
        ({"duration": 0.2}, {"duration": 1}),
        ({"lead_time": 0.2}, {"lead_time": 0.3}),
        ({"label_config_hash": 5}, {"label_config_hash": None}),
        ({"annotations_ids": "3,4"}, {"annotations_ids": "3,5"}),
        ({"all_data_columns": {"text": 4}}, {"all_data_columns": {"text": 5}}),
        ({"annotations": [{"id": 2, "a": 1}, {"id": 1}]}, {"annotations": [{"id": 1, "a": 1}, {"id": 2}]}),
        ({"tasks": [{"id": 2}, {"id": 1}]}, {"tasks": [{"id": 1}, {"id": 2}]}),
        ({"all_data_columns": {}}, {"all_data_columns": {"text": 5}}),
        ([ID, ID], [ID, OTHER_ID]),
        ([ID, ID], [OTHER_ID, ID]),
    ],
    ids=lambda _: "value",
)
def test_a_difference_is_noticed(theirs, ours):
    assert list(Matcher(since=START).differences(theirs, ours))


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"a": 1, "b": [None, "x"]}, {"b": [None, "x"], "a": 1}),
        (NOW, LATER),
        ({"id": ID, "again": [ID]}, {"id": OTHER_ID, "again": [OTHER_ID]}),
        ({"duration": 0.2}, {"duration": 1.5}),
        ({"created_ago": "0\xa0minutes"}, {"created_ago": "1\xa0minute"}),
        ("upload/1/01234567-a.csv", "upload/1/89abcdef-a.csv"),
        ("project-1-at-2024-01-01-10-10-01234567.json", "project-1-at-2024-01-01-10-11-89abcdef.json"),
        ({"token": "0" * 40}, {"token": "1" * 40}),
        ({"label_config_hash": 5}, {"label_config_hash": -7}),
        ({"annotations_ids": "3,4"}, {"annotations_ids": "4,3"}),
        ({"all_data_columns": {"text": 5, "gone": 1}}, {"all_data_columns": {"text": 4}}),
        ({"annotations": [{"id": 2}, {"id": 1}]}, {"annotations": [{"id": 1}, {"id": 2}]}),
        ({"created_labels_drafts": {"mood": {"Bad": 1}}}, {"created_labels_drafts": {}}),
    ],
    ids=lambda _: "value",
)
def test_what_no_two_servers_share_passes(theirs, ours):
    assert not list(Matcher(since=START).differences(theirs, ours))


def test_a_difference_says_where_and_what():
    [line] = Matcher().differences({"tasks": [{"data": {"text": "a"}}]}, {"tasks": [{"data": {"text": "b"}}]})
    assert line == "tasks.0.data.text: 'a' in Label Studio, 'b' in the console"


@pytest.mark.parametrize("pattern", ["text", "tasks.*.text", "tasks.0.text", "tasks"])
def test_places_can_be_left_out(pattern):
    theirs, ours = {"tasks": [{"text": "a"}]}, {"tasks": [{"text": "b"}]}
    assert not list(Matcher().differences(theirs, ours, ignore=[pattern]))
    assert list(Matcher().differences(theirs, ours, ignore=["other"]))


def test_a_value_that_stood_for_another_has_to_stand_for_it_in_rows_too():
    matcher = Matcher()
    assert matcher.same(ID, OTHER_ID)
    assert not matcher.same(ID, ID)
    assert matcher.same(ID, OTHER_ID)


def test_rows_are_compared_to_the_last_column(tmp_path: Path):
    left, right = (engine_of(sqlite_dump("1.23.2", tmp_path)) for _ in range(2))
    tables = primary_keys(left)
    assert len(tables) > 60 and tables["task"] == ["id"]

    def differences(**ignore: str) -> list[str]:
        return list(row_differences(read_rows(left, tables), read_rows(right, tables), Matcher(), ignore))

    assert not differences()
    with right.begin() as connection:
        connection.execute(
            text("UPDATE task SET total_predictions = 9, updated_at = '2026-01-01 00:00:00' WHERE id = 7")
        )
        connection.execute(text("UPDATE project SET control_weights = '{}' WHERE id = 1"))
        connection.execute(text("DELETE FROM tasks_tasklock WHERE id = 1"))
    found = "\n".join(differences())
    assert "task 7 total_predictions: 1 in Label Studio, 9 in the console" in found
    assert "task 7 updated_at" in found
    assert "project 1 control_weights.sentiment: {" in found and "(absent) in the console" in found
    assert "tasks_tasklock 1: only Label Studio has this row" in found
    left_over = differences(project="reason", tasks_tasklock="reason", **{"task.updated_at": "reason"})
    assert left_over == ["task 7 total_predictions: 1 in Label Studio, 9 in the console"]


def test_values_of_one_side_go_to_that_side_alone():
    value = {"refresh": Each("theirs", "ours"), "list": [Each(1, 2)]}
    assert _of(value, 0) == {"refresh": "theirs", "list": [1]}
    assert _of(value, 1) == {"refresh": "ours", "list": [2]}


def test_every_deliberate_difference_is_told():
    assert known_differences()
