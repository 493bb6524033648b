"""The Data Manager's task list: pages, filters, what is refused, and what it costs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from console.app import build
from console.config import Settings
from console.service import Console
from tests.api.statements import at_most
from tests.api_client import ApiClient, client_of
from tests.factories import BOTH_ENGINES

OLDEST = pytest.mark.parametrize("version", ["1.8.2.post1"])
TASK_FIELDS = [
    "id", "drafts", "annotators", "inner_id", "cancelled_annotations", "total_annotations", "total_predictions",
    "annotations_results", "predictions_results", "file_upload", "storage_filename", "annotations_ids",
    "predictions_model_versions", "updated_by", "data", "meta", "created_at", "updated_at", "is_labeled", "overlap",
    "comment_count", "unresolved_comment_count", "last_comment_updated_at", "project", "comment_authors",
]  # fmt: skip


def line(column: str, operator: str, kind: str, value: Any) -> dict[str, Any]:
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}


def ask(client: ApiClient, *lines: dict[str, Any], status: int = 200, project: int = 1, **more: Any) -> dict[str, Any]:
    """The list of a project under these filters."""
    conjunction = more.pop("conjunction", "and")
    query = more.pop("data", {}) | {"filters": {"conjunction": conjunction, "items": list(lines)}}
    asked = {"project": project, "query": json.dumps(query), "page_size": 1000} | more
    answer = client.get("/api/tasks/", query_string=asked)
    assert answer.status_code == status, answer.get_data(as_text=True)[:500]
    return answer.get_json()


def ids(body: dict[str, Any]) -> list[int]:
    return [task["id"] for task in body["tasks"]]


@BOTH_ENGINES
def test_a_page(alice: ApiClient, console: Console):
    with at_most(console, 3):
        first = alice.get("/api/tasks/?project=1&page_size=10").get_json()
    assert [first["total"], first["total_annotations"], first["total_predictions"]] == [85, 92, 38]
    assert ids(first) == list(range(1, 11))
    assert list(first["tasks"][0]) == TASK_FIELDS
    assert first["tasks"][0]["data"]["order_id"] == 1000
    last = alice.get("/api/tasks/?project=1&page_size=10&page=last").get_json()
    assert ids(last) == ids(alice.get("/api/tasks/?project=1&page_size=10&page=9").get_json())


@BOTH_ENGINES
def test_everything_about_a_page_in_few_statements(alice: ApiClient, console: Console):
    with at_most(console, 6):
        body = alice.get("/api/tasks/?project=1&fields=all").get_json()
    task = body["tasks"][0]
    assert [item["completed_by"] for item in task["annotations"]] == [1, 2]
    assert task["predictions"][0]["score"] == 0.7321
    assert task["avg_lead_time"] == pytest.approx(40.8805)
    assert task["annotators"] == [1, 2]
    assert sorted(task["annotations_ids"].split(",")) == ["3", "4"]
    assert task["annotations_results"].startswith("[{id")
    assert len(task["annotations_results"]) <= 500
    with at_most(console, 5):
        blobs = alice.get("/api/tasks/?project=3&page=last&page_size=20").get_json()
    assert blobs["tasks"][0]["data"]["image"].startswith("/tasks/")
    assert blobs["tasks"][0]["storage_filename"].startswith("img/")


@OLDEST
@BOTH_ENGINES
def test_the_oldest_release(alice: ApiClient):
    body = alice.get("/api/tasks/?project=1&fields=all&page_size=5").get_json()
    assert body["total"] == 85
    assert body["tasks"][0]["annotations"]
    found = ask(alice, line("annotators", "contains", "List", 1), line("predictions_score", "greater", "Number", 0.7))
    assert 0 < found["total"] < 85
    assert alice.get("/api/tasks/?view=4").get_json()["total"] == 35


FILTERS = (
    (line("id", "greater", "Number", 57), 28), (line("data.text", "contains", "String", "great"), 8),
    (line("data.order_id", "in", "Number", {"min": 1001, "max": 1003}), 3),
    (line("annotators", "contains", "List", 1), 25), (line("annotators", "empty", "List", "true"), 31),
    (line("annotations_results", "contains", "String", "Neg"), 28), (line("draft_exists", "equal", "Boolean", True), 6),
    (line("annotations_ids", "contains", "String", "3 4"), 1), (line("total_annotations", "empty", "Number", True), 35),
    (line("data.text", "regex", "String", "gr.at;"), 8), (line("data.text", "regex", "String", "(?=great)gr"), 8),
    (line("data.text", "regex", "String", "("), 0), (line("file_upload", "contains", "String", "csv"), 5),
    (line("storage_filename", "contains", "String", "json"), 20), (line("id", "in_list", "Number", [1, 2, 999]), 2),
    (line("data.missing__deep__0", "empty", "String", True), 85), (line("id", "equal", "Number", 10**30), 0),
    (line("data.order_id", "greater", "Unknown", 10**30), 0),
    (line("completed_at", "greater", "Datetime", "2026-01-01T00:00:00.000Z"), 42),
)  # fmt: skip


@BOTH_ENGINES
def test_filters(alice: ApiClient):
    for item, count in FILTERS:
        body = ask(alice, item)
        assert body["total"] == len(body["tasks"]) == count, item


@pytest.mark.parametrize("engine", ["postgresql"])
@pytest.mark.parametrize("pattern", ["(?P<a>x)", "(?P<a>x)y(?P=a)"])
def test_patterns_that_only_python_knows_are_refused_by_name(alice: ApiClient, pattern: str):
    said = ask(alice, line("data.text", "regex", "String", pattern), status=400)
    assert "regular expression" in said["validation_errors"]["filters"][0]


@BOTH_ENGINES
def test_a_number_among_texts_is_found(alice: ApiClient, console: Console):
    """PostgreSQL cannot cast `abc`; that task does not match, and the others are found."""
    with console.deployment.write() as session:
        session.execute(text('update task set data = \'{"n": "abc"}\' where id = 1'))
        session.execute(text('update task set data = \'{"n": "7.5"}\' where id = 2'))
        session.execute(text("update task set data = '{\"n\": 1e300}' where id = 3"))
        session.execute(text("update task set data = '{\"n\": true}' where id = 4"))
    assert ids(ask(alice, line("data.n", "greater", "Number", 7), line("data.n", "less", "Number", 8))) == [2]
    typed = {"columnsDisplayType": {"tasks:data.n": "Number"}, "ordering": ["tasks:data.n"]}
    assert 2 in ids(ask(alice, data=typed))[:4]


def test_filters_are_joined_by_or_without_repeating_tasks(alice: ApiClient):
    annotated, sure = line("annotators", "contains", "List", 1), line("predictions_score", "greater", "Number", 0.5)
    body = ask(alice, annotated, sure, conjunction="or")
    assert body["total"] == len(set(ids(body))) == 40


@BOTH_ENGINES
def test_orders_are_total(alice: ApiClient):
    """Equal values are ordered by id, so that pages neither overlap nor miss a task."""
    seen: list[int] = []
    for page in range(1, 10):
        asked = {"project": 1, "page": page, "page_size": 10, "query": json.dumps({"ordering": ["-tasks:is_labeled"]})}
        seen += ids(alice.get("/api/tasks/", query_string=asked).get_json())
    assert len(seen) == len(set(seen)) == 85
    by_text = ask(alice, data={"ordering": ["tasks:data.text"]})["tasks"]
    texts = [task["data"]["text"] for task in by_text]
    assert len(texts) == 85


BROKEN: tuple[Any, ...] = (
    "no json", "[1]", "5", "null", {"filters": 5}, {"filters": {"conjunction": "xor", "items": []}},
    {"filters": {"conjunction": "and", "items": [5]}}, {"ordering": "id"}, {"ordering": [["id"]]},
    {"selectedItems": None}, {"selectedItems": {"all": True, "excluded": [{}]}}, {"ordering": ["tasks:a__b"]},
    {"filters": {"conjunction": "and", "items": [line("project__title", "equal", "String", "x")]}},
    {"filters": {"conjunction": "and", "items": [line("nosuch", "equal", "String", "x")]}},
    {"filters": {"conjunction": "and", "items": [line("created_at", "less", "Datetime", "soon")]}},
    {"filters": {"conjunction": "and", "items": [line("id", "equal", "Number", "x")]}},
    {"filters": {"conjunction": "and", "items": [line("data.text", "regex", "String", 5)]}},
    {"filters": {"conjunction": "and", "items": [line("id", "equal", "Number", 1)] * 300}},
)  # fmt: skip


def test_broken_queries_are_refused_by_name(alice: ApiClient):
    for query in BROKEN:
        text_of = query if isinstance(query, str) else json.dumps(query)
        answer = alice.get("/api/tasks/", query_string={"project": 1, "query": text_of})
        assert answer.status_code == 400, (query, answer.get_data(as_text=True))
        assert answer.get_json()["validation_errors"]


@BOTH_ENGINES
def test_hostile_values_are_values(alice: ApiClient):
    for value in ("\x00", "'; drop table task; --", "%_\\", "\ud800", "😀" * 500, "x" * 100_000):
        for operator, column in (("equal", "data.text"), ("contains", "annotations_results"), ("regex", "data.text"),
                                 ("not_contains", f"data.{value[:50]}"), ("in_list", "file_upload")):  # fmt: skip
            query = {"filters": {"conjunction": "and", "items": [line(column, operator, "String", value)]}}
            answer = alice.get("/api/tasks/", query_string={"project": 1, "query": json.dumps(query)})
            assert answer.status_code in (200, 400), (column, operator, answer.get_data(as_text=True)[:300])


@BOTH_ENGINES
def test_a_pattern_that_explodes_hangs_nobody(alice: ApiClient, console: Console):
    with console.deployment.write() as session:
        session.execute(
            text("update task set data = :data where id = 1"), {"data": json.dumps({"text": "a" * 3000 + "!"})}
        )
    query = {"filters": {"conjunction": "and", "items": [line("data.text", "regex", "String", r"(?=a)(a+)+$")]}}
    answer = alice.get("/api/tasks/", query_string={"project": 1, "query": json.dumps(query)})
    assert answer.status_code in (200, 400)


REFUSED = (
    ("", 404, "Neither project nor view id specified"), ("?project=999", 404, "No Project matches the given query."),
    ("?project=4", 404, "No Project matches the given query."), ("?view=999", 404, "No View matches the given query."),
    ("?view=3", 404, "No Project matches the given query."), ("?project=1&page=99", 404, "Invalid page."),
    ("?project=1&page=x", 404, "Invalid page."), ("?project=x", 400, "Validation error"),
    (f"?project={10**40}", 404, "No Project matches the given query."), ("?project=1&review=maybe", 400, "Validation error"),
)  # fmt: skip


def test_refusals(alice: ApiClient):
    for path, status, detail in REFUSED:
        answer = alice.get(f"/api/tasks/{path}")
        assert (answer.status_code, answer.get_json()["detail"]) == (status, detail), path


def test_a_former_member_sees_nothing(app: Any, console: Console):
    with console.deployment.write() as session:
        session.execute(text("update htx_user set active_organization_id = 1 where email = 'grace@example.com'"))
    grace = client_of(app, console, "grace@example.com")
    assert grace.get("/api/tasks/?project=1").status_code == 403


def test_a_cut_page_says_so(settings: Settings):
    console = Console(replace(settings, task_api_page_size_max=20))
    try:
        alice = client_of(build(console=console), console, "alice")
        cut = alice.get("/api/tasks/?project=1&page_size=50")
        assert len(cut.get_json()["tasks"]) == 20
        assert cut.headers["X-LSConsole-Page-Size"] == "20"
        assert "cut to 20" in cut.headers["Warning"]
        whole = alice.get("/api/tasks/?project=1&page_size=20")
        assert "Warning" not in whole.headers
    finally:
        console.close()


def test_sparse_fields(alice: ApiClient):
    [task] = alice.get("/api/tasks/?project=1&page_size=1&include=id,data").get_json()["tasks"]
    assert list(task) == ["id", "data"]
    [task] = alice.get("/api/tasks/?project=1&page_size=1&omit=data&omit=meta").get_json()["tasks"]
    assert [name for name in TASK_FIELDS if name not in task] == ["data", "meta"]
