"""Stored values as JSON text, the same from both databases."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

from sqlalchemy import select

from console.deployment import Deployment
from console.labeling.db import Caller, Db
from console.labeling.exports import fragments
from tests.factories import BOTH_ENGINES, make_annotation, make_project, make_task


def test_times_are_utc_with_a_fraction_only_where_there_is_one():
    assert fragments.moment(datetime(2026, 1, 2, 3, 4, 5, 60, tzinfo=UTC)) == '"2026-01-02T03:04:05.000060Z"'
    assert (
        fragments.moment(datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2)))) == '"2026-01-02T01:04:05Z"'
    )
    assert fragments.moment("2026-01-02 03:04:05.5") == '"2026-01-02T03:04:05.5Z"' and fragments.moment(None) == "null"


def test_values_json_cannot_hold_become_null_or_text():
    assert [fragments.number(value) for value in (42.0, 0.1, float("nan"), float("inf"), None)] == [
        "42.0",
        "0.1",
        "null",
        "null",
        "null",
    ]
    assert fragments.document("[NaN, 1]") == "[null,1]" and fragments.document("half [") == '"half ["'
    assert fragments.uuid("1dd4efa55f0d4457afb0336968a08cc3") == '"1dd4efa5-5f0d-4457-afb0-336968a08cc3"'
    assert fragments.uuid("no uuid") == '"no uuid"' and fragments.quoted('a"\n\ud800') == '"a\\"\\n?"'
    assert fragments.loads('{"a": 12345678901234567890123}') == {"a": 12345678901234567890123}
    assert fragments.dumps({"a": [10**30, float("nan")]}) == '{"a":[' + str(10**30) + ",null]}"


@BOTH_ENGINES
def test_a_row_is_written_alike_by_both_databases(session, deployment: Deployment):
    project = make_project(session)
    task = make_task(session, project=project)
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    stored = ((7.0, 0, None), (1e-7, 120, 'quo"ted'), (123456789.125, 5, "back\\slash"), (None, 1, ""))
    rows = [
        make_annotation(
            session, task=task, lead_time=lead_time, created_at=at + timedelta(microseconds=fraction), last_action=action,
            unique_id=uuid4().hex,
        )
        for lead_time, fraction, action in stored
    ]  # fmt: skip
    parts = [
        fragments.Part("id", "id", fragments.plain), fragments.Part("made", "created_at", fragments.moment),
        fragments.Part("lead", "lead_time", fragments.number), fragments.Part("action", "last_action", fragments.text),
        fragments.Part("skipped", "was_cancelled", fragments.flag), fragments.Part("unique", "unique_id", fragments.uuid),
        fragments.Part("result", "result", fragments.document, is_json=True), fragments.Part("x", "not_in_this_release", fragments.plain),
    ]  # fmt: skip
    with deployment.read() as reading:
        db = Db(reading, deployment.schema, Caller(1, "", 1))
        shape = fragments.template(db, "task_completion", parts)
        table = db.table("task_completion").c
        found = [
            json.loads("{" + shape(row) + "}")
            for row in db.rows(select(*shape.columns).where(table.id.in_([one.id for one in rows])).order_by(table.id))
        ]
    assert [one["lead"] for one in found] == [7.0, 1e-7, 123456789.125, None] and isinstance(found[0]["lead"], float)
    assert [one["made"][19:] for one in found] == ["Z", ".000120Z", ".000005Z", ".000001Z"]
    assert [one["action"] for one in found] == [None, 'quo"ted', "back\\slash", ""]
    assert all(one["skipped"] is False and len(one["unique"]) == 36 and "x" not in one for one in found)
