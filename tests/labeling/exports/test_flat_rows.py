"""JSON_MIN, CSV and TSV from tasks: columns, values, order."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from console.labeling.exports import flat_rows
from console.labeling.label_config import parse_stored

SENTIMENT = parse_stored(
    '<View><Text name="text" value="$text"/><Choices name="sentiment" toName="text"><Choice value="A"/></Choices>'
    '<TextArea name="comment" toName="text"/></View>'
).controls
REPEATER = parse_stored(
    '<View><Repeater on="$pages" indexFlag="{{idx}}"><Image name="page_{{idx}}" value="$pages[{{idx}}].url"/>'
    '<Choices name="kind_{{idx}}" toName="page_{{idx}}"><Choice value="A"/></Choices></Repeater></View>'
).controls


def choice(*labels: str, name: str = "sentiment") -> dict[str, Any]:
    return {"from_name": name, "to_name": "text", "type": "choices", "value": {"choices": list(labels)}}


def task(*results: Any, data: Any = None, **more: Any) -> dict[str, Any]:
    annotations = [
        {"id": number, "completed_by": 7, "created_at": f"2026-01-0{number}T00:00:00Z", "updated_at": None, "lead_time": 1.5,
         "was_cancelled": False, "result": result} | more
        for number, result in enumerate(results, 1)
    ]  # fmt: skip
    return {"id": 3, "data": {"text": "t"} if data is None else data, "annotations": annotations}


def table(*tasks: Any, controls: Any = SENTIMENT, delimiter: str = ",") -> list[dict[str, str]]:
    written = b"".join(flat_rows.delimited(lambda: tasks, controls, delimiter)).decode()
    return list(csv.DictReader(io.StringIO(written), delimiter=delimiter))


def flat(*tasks: Any, controls: Any = SENTIMENT) -> Any:
    return json.loads(b"".join(flat_rows.json_min(tasks, controls)))


def test_one_value_stands_bare_and_several_in_a_list():
    [one] = flat(task([choice("A")]))
    assert one["sentiment"] == "A" and one["id"] == 3 and one["annotation_id"] == 1 and one["annotator"] == 7
    [several] = flat(task([choice("A", "B")]))
    assert several["sentiment"] == {"choices": ["A", "B"]}
    [twice] = flat(task([choice("A"), choice("B")]))
    assert twice["sentiment"] == ["A", "B"]


def test_newest_annotation_first_and_skipped_ones_dropped():
    assert [row["annotation_id"] for row in flat(task([], [choice("A")], []))] == [3, 2, 1]
    assert flat(task([choice("A")], was_cancelled=True)) == []
    [alone] = flat(task())
    assert (alone["annotation_id"], alone["annotator"], alone["text"]) == (None, None, "t")


def test_columns_are_those_of_all_rows_sorted():
    rows = table(task([choice("A")]), task(data={"text": "u", "extra": 1}))
    assert list(rows[0]) == [
        "annotation_id",
        "annotator",
        "created_at",
        "extra",
        "id",
        "lead_time",
        "sentiment",
        "text",
        "updated_at",
    ]
    assert (rows[0]["extra"], rows[1]["extra"], rows[1]["sentiment"]) == ("", "1", "")
    assert b"".join(flat_rows.delimited(lambda: (), SENTIMENT, ",")) == (
        b'"annotation_id","annotator","created_at","lead_time","updated_at"\r\n'
    )


def test_a_key_of_the_data_named_as_a_control_moves_aside():
    [row] = table(task([choice("A")], data={"text": "t", "sentiment": "mine"}))
    assert (row["sentiment"], row["_data_sentiment"]) == ("A", "mine")


def test_numbers_stand_bare_and_text_in_quotes():
    written = b"".join(
        flat_rows.delimited(
            lambda: (task([], data={"n": 1.0, "i": 5, "s": "5", "b": True, "x": None}),), SENTIMENT, "\t"
        )
    )
    header, row = written.decode().splitlines()
    assert dict(zip(header.split("\t"), row.split("\t"), strict=True)) == {
        '"annotation_id"': "1", '"annotator"': '"7"', '"b"': "True", '"created_at"': '"2026-01-01T00:00:00Z"', '"i"': "5",
        '"id"': "3", '"lead_time"': "1.5", '"n"': "1.0", '"s"': '"5"', '"updated_at"': '""', '"x"': '""',
    }  # fmt: skip


def test_objects_in_cells_are_json_with_escaped_slashes():
    [row] = table(task([choice("A", "B")], data={"urls": ["http://a/b"]}))
    assert row["urls"] == '["http:\\/\\/a\\/b"]' and json.loads(row["sentiment"]) == {"choices": ["A", "B"]}


def test_names_of_a_repeater_are_patterns():
    [row] = flat(
        task([choice("A", name="kind_0"), choice("B", name="kind_12"), choice("C", name="other")]), controls=REPEATER
    )
    assert (row["kind_0"], row["kind_12"]) == ("A", "B") and "other" not in row


def test_without_controls_every_named_region_is_kept():
    [row] = flat(task([{"from_name": "free", "type": "mine", "value": {"x": 1}, "original_width": 5}]), controls={})
    assert row["free"] == [{"x": 1, "original_width": 5}]


def test_a_chat_has_a_transcript():
    said = [{"from_name": "chat", "type": "chatmessage", "value": {"chatmessage": {"role": role, "content": content}}}
            for role, content in (("user", "hi"), ("", "alone"), ("bot", ""))]  # fmt: skip
    [row] = table(task(said))
    assert row["chat_transcript"] == "user: hi\nalone\nbot:" and json.loads(row["chat"])[0] == {
        "role": "user",
        "content": "hi",
    }


def test_integers_of_any_length_and_half_characters():
    [row] = table(task([], data={"big": 10**40, "nested": {"big": 10**40}, "half": "\ud800"}))
    assert row["big"] == str(10**40) and json.loads(row["nested"]) == {"big": 10**40} and row["half"] == "?"
    assert flat(task([], data={"big": 10**40, "half": "\ud800"}))[0]["big"] == 10**40


def test_people_in_full_are_told_by_e_mail_and_nobody_as_none():
    assert flat(task([], completed_by={"id": 1, "email": "a@example.com"}))[0]["annotator"] == "a@example.com"
    assert flat(task([], completed_by=None))[0]["annotator"] == "None"
