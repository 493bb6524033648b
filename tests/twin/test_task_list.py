"""The task list: every column with every operator, orderings, pages and shapes, on Label Studio and on the console."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import requests

from tests.twin.compare import Matcher
from tests.twin.twin import Twin

OPERATORS = ("equal", "not_equal", "less", "greater", "less_or_equal", "greater_or_equal", "in", "not_in", "in_list",
             "not_in_list", "empty", "contains", "not_contains", "regex", "starts_with", "not_exists")  # fmt: skip
#: Project, column, type of the filter, two values.
COLUMNS = (
    (1, "id", "Number", 5, 20), (1, "inner_id", "Number", 5, 20.5), (1, "total_annotations", "Number", 1, 2),
    (1, "cancelled_annotations", "Number", 1, 2), (1, "total_predictions", "Number", 1, 1),
    (1, "data.text", "String", "great", "headset"), (1, "data.order_id", "Number", 1003, 1010),
    (1, "data.order_id", "Unknown", 1003, 1010), (1, "data.missing", "String", "a", "b"),
    (1, "completed_at", "Datetime", "2026-11-22T04:26:48.489607Z", "2026-11-22T04:26:49.489607Z"),
    (1, "created_at", "Datetime", "2026-11-22T04:26:47.831945Z", "2026-11-22T04:26:49.489607Z"),
    (1, "updated_by", "List", 1, 2), (1, "annotators", "List", 1, 2),
    (1, "annotations_results", "String", "Neg", "Pos"), (1, "predictions_results", "String", "Neg", "Pos"),
    (1, "annotations_ids", "String", "3 4,9", "5"), (1, "predictions_score", "Number", 0.7, 0.8),
    (1, "avg_lead_time", "Number", 40.8805, 60), (1, "file_upload", "String", "csv", "upload/1"),
    (1, "storage_filename", "String", "tasks/review-001.json;;;;", "z"), (1, "draft_exists", "Boolean", "true", "false"),
    (1, "is_labeled", "Boolean", True, False), (2, "data.text", "String", "東京", "ö"),
    (3, "data.image", "Image", "https", "s3"), (1, "ground_truth", "Boolean", True, False),
)  # fmt: skip
#: What Label Studio computes by accident: equality of joined text, comparison of arrays, patterns over times.
ODD = {
    ("annotations_results", "in_list"), ("annotations_results", "not_in_list"), ("predictions_results", "in_list"),
    ("predictions_results", "not_in_list"), ("completed_at", "regex"), ("created_at", "regex"),
}  # fmt: skip
NAMES = ("id", "inner_id", "total_annotations", "cancelled_annotations", "total_predictions", "data.text",
         "data.order_id", "data.missing", "completed_at", "created_at", "updated_at", "updated_by", "annotators",
         "annotations_results", "predictions_results", "predictions_score", "avg_lead_time", "file_upload",
         "storage_filename", "draft_exists", "is_labeled", "nosuch")  # fmt: skip
SHAPES: tuple[Mapping[str, Any], ...] = (
    {"fields": "all"}, {"fields": "all", "page_size": 7, "page": 3}, {"fields": "all", "resolve_uri": "false"},
    {"fields": "all", "review": "true"}, {"review": "1"}, {"page": 2, "page_size": 10}, {"page": "last", "page_size": 10},
    {"page_size": -1}, {"page_size": "x"}, {"page_size": 0}, {"include": "id"}, {"include": "id,data,nosuch"},
    {"omit": "data,meta"}, {"page": 50}, {"page": 0}, {"page": "x"}, {"page": ""}, {"resolve_uri": "maybe"},
)  # fmt: skip


def line(column: str, operator: str, kind: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value, **more}


def filters(*lines: Mapping[str, Any], conjunction: str = "and") -> dict[str, Any]:
    return {"filters": {"conjunction": conjunction, "items": list(lines)}}


def value_of(operator: str, low: Any, high: Any) -> Any:
    if operator in ("in", "not_in"):
        return {"min": low, "max": high}
    if operator.endswith("in_list"):
        return [low, high]
    return low


def grid() -> Iterator[tuple[int, dict[str, Any]]]:
    for project, column, kind, low, high in COLUMNS:
        for operator in OPERATORS:
            if (column, operator) in ODD:
                continue
            values = [True, "false"] if operator == "empty" else [value_of(operator, low, high)]
            for value in values:
                yield project, filters(line(column, operator, kind, value))
    for kind, column in (("List", "predictions_model_versions"),):
        for operator in ("contains", "not_contains", "empty"):
            yield 1, filters(line(column, operator, kind, ["v1-b"] if operator != "empty" else "yes"))


def combinations() -> Iterator[tuple[int, dict[str, Any]]]:
    """Pairs of filters, without those that Label Studio answers with repeated tasks."""
    lines = (
        line("data.order_id", "greater", "Number", 1010), line("annotators", "contains", "List", 1),
        line("data.text", "contains", "String", "great"), line("completed_at", "empty", "Datetime", True),
        line("predictions_model_versions", "contains", "List", []), line("annotations_results", "equal", "String", "no"),
        line("id", "less", "Number", 30, child_filter=line("data.source", "equal", "String", "api")),
    )  # fmt: skip
    for left in lines:
        for right in lines:
            if left is not right:
                for conjunction in ("and", "or"):
                    yield 1, filters(left, right, conjunction=conjunction)


def broken() -> Iterator[tuple[int, dict[str, Any]]]:
    one = {"all": True, "excluded": [1, 2, 3]}
    for selected in (one, {"all": False, "included": [1, 2, 999, 207]}, {"all": False, "included": []}, {"all": True},
                     {"all": "false", "included": ["5"]}, {"all": True, "included": [1]}, "x", [1], {}, None,
                     {"all": "maybe"}, {"all": True, "excluded": ["x"]}, json.dumps(one)):  # fmt: skip
        yield 1, {"selectedItems": selected}
    for given in ({}, {"conjunction": "xor", "items": []}, {"conjunction": "and"}, [], "x", 5,
                  {"conjunction": "and", "items": [{}]}, {"conjunction": "and", "items": [5]}):  # fmt: skip
        yield 1, {"filters": given}
    for item in (
        line("id", "equal", "Number", None), line("id", "equal", "Number", {}), line("id", "equal", "Number", "x"),
        line("project__organization__id", "equal", "Number", 1), line("id", "in", "Number", 5),
        line("id", "in_list", "Number", 5), line("annotators", "contains", "List", "x"),
        line("data.text", "regex", "String", "("), line("data.text", "empty", "String", "maybe"),
        line("-id", "equal", "Number", 5), line("data.text", "regex", "String", "(?i)GREAT"),
        line("data.text", "contains", "String", "100%_"), line("data.text", "in_list", "String", "abc"),
        line("nosuch", "equal", "String", "a"), line("created_at", "less", "Datetime", "yesterday"),
        {"filter": "filter:annotations:id", "operator": "equal", "type": "Number", "value": 1},
    ):  # fmt: skip
        yield 1, filters(item)
    for ordering in (["tasks:project__organization__title"], {}, "id", [5]):
        yield 1, {"ordering": ordering}


def ask(twin: Twin, params: Mapping[str, Any]) -> list[requests.Response]:
    return [
        requests.get(f"{side.url}/api/tasks/", params=dict(params), timeout=60,
                     headers={"Authorization": f"Token {twin.tokens['alice']}"})
        for side in twin.sides
    ]  # fmt: skip


def differences(twin: Twin, params: Mapping[str, Any], *, ordered: bool = True) -> list[str]:
    """What differs between the answers; where Label Studio fails, the console has to name what is wrong."""
    theirs, ours = ask(twin, params)
    if theirs.status_code == 500:
        said = ours.json() if ours.status_code == 400 else {}
        return [] if said.get("validation_errors") else [f"{params}: 400 was expected, not {ours.status_code}"]
    left, right = theirs.json(), ours.json()
    if not ordered and "tasks" in left and "tasks" in right:
        for body in (left, right):
            body["tasks"].sort(key=lambda task: task.get("id", 0))
            for task in body["tasks"]:  # PostgreSQL hands Label Studio the rows of a task in any order
                for related in ("annotations", "predictions"):
                    task.get(related, []).sort(key=lambda item: item["id"])
    matcher = Matcher()
    found = [] if theirs.status_code == ours.status_code else [f"{theirs.status_code}, ours {ours.status_code}"]
    found += matcher.differences(left, right, ignore=("id",) if "status_code" in left else ())
    return [f"{params}: {difference}" for difference in found]


def compare(twin: Twin, cases: Iterator[tuple[int, dict[str, Any]]], *, ordered: bool = True) -> int:
    """Compare many queries; how many there were. The totals tell which tasks were found, a few tasks how they are shown."""
    found: list[str] = []
    number = 0
    for number, (project, query) in enumerate(cases, 1):  # noqa: B007
        params = {"project": project, "page_size": 1000 if not ordered else 4, "query": json.dumps(query)}
        found += differences(twin, params, ordered=ordered)
    assert not found, f"{len(found)} of {number}:\n" + "\n".join(found[:30])
    return number


def test_every_column_with_every_operator(twin: Twin):
    assert compare(twin, grid()) > 390


def test_filters_together(twin: Twin):
    assert compare(twin, combinations()) == 84


def test_broken_queries_and_selections(twin: Twin):
    assert compare(twin, broken()) > 30


def test_orderings(twin: Twin):
    """Equal values may come in any order, so the tasks are compared, and the order by a column without equal ones."""
    orders = ([f"{sign}tasks:{name}"] for name in NAMES for sign in ("", "-"))
    assert compare(twin, ((1, {"ordering": order}) for order in orders), ordered=False) == 2 * len(NAMES)
    strict = ("id", "-id", "inner_id", "-inner_id", "data.text", "-data.text", "data.order_id", "-data.order_id")
    numeric = {"columnsDisplayType": {"tasks:data.order_id": "Number", "-tasks:data.order_id": "Number"}}
    only = filters(line("id", "less", "Number", 57)) | numeric
    assert compare(twin, ((1, only | {"ordering": [f"tasks:{name}"]}) for name in strict)) == len(strict)


def test_shapes_and_pages(twin: Twin):
    found: list[str] = []
    for project in (1, 2, 3, 5):
        for shape in SHAPES:
            found += differences(twin, {"project": project} | dict(shape), ordered=False)
    hidden = ["tasks:annotators", "tasks:completed_at"]
    for query in ({"explore": [], "labeling": []}, {"explore": hidden, "labeling": hidden}):
        found += differences(twin, {"project": 1, "query": json.dumps({"hiddenColumns": query})})
    for params in ({}, {"view": 1}, {"view": 4}, {"project": 1, "view": 4, "fields": "all"}, {"view": 999},
                   {"project": 3, "view": 4}, {"project": ""}, {"project": "x"}, {"view": "x"}, {"project": 999},
                   {"project": 1, "query": "no json"}):  # fmt: skip
        found += differences(twin, params, ordered=False)
    assert not found, "\n".join(found[:30])


def test_another_organizations_project(twin: Twin):
    twin.probe("GET", "/api/tasks/?project=4", refused="other-organization")
