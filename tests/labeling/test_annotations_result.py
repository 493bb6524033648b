"""Results: what is counted, stored and refused."""

from __future__ import annotations

import json

import pytest

from console.errors import Invalid
from console.labeling import annotations_result
from tests.factories import BOTH_ENGINES
from tests.labeling.conftest import Writing


def test_regions_are_counted_by_their_ids():
    assert annotations_result.count([{"id": "a"}, {"id": "a"}, {"id": "b"}, {}, {"type": "relation"}]) == 3
    assert [annotations_result.count(value) for value in ([], None, {"id": 1}, "text")] == [0, 0, 0, 0]


def test_text_that_no_database_takes_is_refused():
    for value in ("\ud800", {"a": ["\udfff"]}, {"\ud83d": 1}):
        with pytest.raises(Invalid):
            annotations_result.text(value)
    assert json.loads(annotations_result.text({"n": 2**200, "t": "ü"})) == {"n": 2**200, "t": "ü"}


@BOTH_ENGINES
def test_sqlite_is_given_label_studios_own_format(writing: Writing, engine: str):
    with writing() as db:
        stored = annotations_result.stored(db, [{"id": "ä"}])
        assert annotations_result.stored(db, None) is None
    assert stored == ('[{"id": "\\u00e4"}]' if engine == "sqlite" else '[{"id":"ä"}]')


def test_a_result_that_is_no_list_has_no_regions():
    assert annotations_result.problem("text") is None
    assert annotations_result.problem([{"type": "relation", "from_id": "a", "to_id": "b"}]) is None
    assert annotations_result.parsed("not json") is None
