"""Queries of the Data Manager before they are SQL, and the texts of its list."""

from __future__ import annotations

import json
from typing import Any

import pytest

from console.errors import Invalid
from console.labeling.data_manager import shown
from console.labeling.data_manager.query import Filter, Range, Selection, bare_name, parse
from console.labeling.data_manager.values import as_pattern, cast_by_type, fit, truth


def line(value: Any, kind: str = "Number", operator: str = "equal") -> Filter:
    return Filter("filter:tasks:id", operator, kind, value)


@pytest.mark.parametrize(
    ("name", "bare", "ascending"),
    [
        ("tasks:id", "id", True), ("-tasks:id", "id", False), ("tasks:-id", "id", False), ("-tasks:-id", "-id", False),
        ("filter:tasks:data.a", "data.a", True), ("id", "id", True), ("data.tasks:x", "data.tasks:x", True),
    ],
)  # fmt: skip
def test_prefixes_and_signs_are_cut_at_the_start_alone(name: str, bare: str, ascending: bool):
    assert bare_name(name) == (bare, ascending)


def test_a_whole_query():
    item = {"filter": "filter:tasks:data.n", "operator": "in", "type": "Number", "value": {"min": 1, "max": "2"}}
    query = parse({
        "filters": {"conjunction": "or", "items": [item | {"child_filter": item | {"value": [1]}}]},
        "ordering": ["-tasks:id", "tasks:data.n"], "selectedItems": json.dumps({"all": "False", "included": [1, "2"]}),
    })  # fmt: skip
    [found] = query.filters
    assert (found.value, found.child and found.child.value) == (Range(1, "2"), [1])
    assert query.conjunction == "or"
    assert query.selection == Selection(False, (1, 2), ())
    assert query.names == {"data.n", "id"}


@pytest.mark.parametrize("name", ["tasks:project__title", "-tasks:a__b", "filter:tasks:updated_by__password"])
def test_other_tables_are_out_of_reach(name: str):
    with pytest.raises(Invalid):
        parse({"ordering": [name]})
    with pytest.raises(Invalid):
        parse({"filters": {"conjunction": "and", "items": [
            {"filter": f"filter:tasks:{bare_name(name)[0]}", "operator": "equal", "type": "String", "value": "x"}
        ]}})  # fmt: skip


def test_values_are_cast_by_the_type_of_the_filter():
    assert cast_by_type(line("1.5")) == 1.5
    assert cast_by_type(line(Range("1", 2))) == Range(1.0, 2.0)
    assert cast_by_type(line("yes", "Boolean")) is True
    assert cast_by_type(line("2026-01-02T03:04:05.600Z", "Datetime")).isoformat() == "2026-01-02T03:04:05.600000+00:00"
    assert truth(line("off")) is False
    for wrong in (line("x"), line([1]), line("soon", "Datetime"), line("maybe", "Boolean")):
        with pytest.raises(Invalid):
            cast_by_type(wrong)


@pytest.mark.parametrize(
    ("kind", "value", "up", "fitted"),
    [
        ("integer", 1.5, False, 1), ("integer", 1.5, True, 2), ("integer", "7", False, 7), ("integer", 10**30, False, 2**63 - 1),
        ("number", True, False, 1.0), ("flag", "t", False, True), ("text", 5, False, "5"),
    ],
)  # fmt: skip
def test_values_are_fitted_to_the_column(kind: str, value: Any, up: bool, fitted: Any):
    assert fit(line(value), kind, value, up=up) == fitted


@pytest.mark.parametrize(("kind", "value"), [("integer", "x"), ("integer", float("nan")), ("flag", "2"), ("moment", 5)])
def test_values_that_do_not_fit_are_named(kind: str, value: Any):
    with pytest.raises(Invalid) as refusal:
        fit(line(value), kind, value)
    assert "filter:tasks:id" in str(refusal.value.fields)


def test_patterns_look_for_signs_as_they_are():
    assert as_pattern("50%_\\") == "%50\\%\\_\\\\%"


def test_results_are_shown_in_one_line():
    text = json.dumps([{"value": {"x": 1.23456, "text": ["a/b"]}}])
    assert shown.results_text([text, text], True) == "[{value:{x:1.23, text:[a\\/b]}}] [{value:{x:1.23, text:[a\\/b]}}]"
    assert shown.results_text([text], False) == "[{value: {x: 1.23456, text: [a/b]}}]"
    assert len(shown.results_text([json.dumps(["x" * 900])], True)) == 499
    assert shown.versions_text(["b", "a", "b"], True) == "a, b"
    assert shown.versions_text(["b", "a"], False) == "a,b"
