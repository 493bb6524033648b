"""Single tasks over HTTP: statements, hostile values, other organizations, the oldest release, deletion to the last row.

That answers and rows are Label Studio's own is proved in tests/twin/test_tasks.py.
"""

from __future__ import annotations

from flask import Flask
from sqlalchemy import text

from console.service import Console
from tests.api.statements import at_most, silence_webhooks, values
from tests.api.test_annotations import OLDEST, POSITIVE
from tests.api_client import ApiClient, client_of
from tests.factories import BOTH_ENGINES


@BOTH_ENGINES
def test_one_task_takes_few_statements(alice: ApiClient, console: Console):
    alice.get("/api/tasks/1/")
    with at_most(console, 5):
        assert len(alice.get("/api/tasks/1/").json["annotations"]) == 2
    with at_most(console, 6):
        blob = alice.get("/api/tasks/140/")
    assert blob.status_code == 200
    with at_most(console, 5):
        assert len(alice.get("/api/projects/1/tasks/?page_size=40").json) == 40


@BOTH_ENGINES
def test_links_into_buckets_become_paths_of_this_server(alice: ApiClient, console: Console):
    with console.deployment.write() as session:
        session.execute(
            text("update task set data = :data where id = 60"), {"data": '{"text": "s3://ls-demo-tasks/a.txt"}'}
        )
    with at_most(console, 6):
        shown = alice.get("/api/tasks/60/").json["data"]
    assert shown == {"text": "/tasks/60/resolve/?fileuri=czM6Ly9scy1kZW1vLXRhc2tzL2EudHh0"}
    assert alice.get("/api/tasks/60/?resolve_uri=no").json["data"] == {"text": "s3://ls-demo-tasks/a.txt"}


@BOTH_ENGINES
def test_a_deleted_task_leaves_nothing_behind(alice: ApiClient, console: Console):
    silence_webhooks(console)
    alice.post("/api/tasks/6/drafts", json={"result": POSITIVE})
    alice.patch("/api/tasks/6/", json={"comment_authors": [1, 2]})
    kept = values(console, "select id from task where id <> 6 order by id")
    assert alice.delete("/api/tasks/6/").status_code == 204
    assert values(console, "select id from task order by id") == kept
    for table in console.deployment.schema.columns:
        if "task_id" in console.deployment.schema.columns[table]:
            assert values(console, f'select count(*) from "{table}" where task_id = 6') == [(0,)], table
    assert alice.get("/api/tasks/6/").status_code == 404


HOSTILE: list[tuple[bytes, int]] = [
    (b'{"project": 1, "data": {"text": ' + b"[" * 5000 + b"]" * 5000 + b"}}", 400),
    (b'{"project": 1, "data": {"text": ["x"], "n": 123456789012345678901234567890}}', 201),
    (b'{"project": 1, "data": {"text": 1e400}}', 400), (b'{"project": 1e400, "data": {"text": "x"}}', 400),
    (b'{"project": 99999999999999999999999, "data": {"text": "x"}}', 404),
    (b'{"project": true, "data": {"text": "x"}}', 404), (b'{"project": {"id": 1}, "data": {"text": "x"}}', 404),
    (b'{"project": 1, "data": {"text": "\\ud83d"}}', 400), (b"[]", 400), (b"7", 400), (b'"x"', 400), (b"", 400),
    (b'{"project": 1, "data": {"text": "x"}, "comment_authors": [[1]]}', 400),
    (b'{"project": 1, "data": {"text": "x"}, "comment_authors": {"a": 1}}', 400),
    (b'{"project": 1, "data": {"text": "x"}, "inner_id": "9999999999999999999999"}', 400),
]  # fmt: skip


@BOTH_ENGINES
def test_hostile_values(alice: ApiClient, console: Console):
    for body, status in HOSTILE:
        before = values(console, "select count(*), max(id) from task")
        response = alice.post("/api/tasks/", data=body, content_type="application/json")
        assert response.status_code == status, response.get_data(as_text=True)
        assert (values(console, "select count(*), max(id) from task") == before) == (status != 201)


def test_numbers_that_a_column_cannot_hold(alice: ApiClient):
    assert alice.patch("/api/tasks/1/", json={"overlap": 2**40}).status_code == 400
    assert alice.patch("/api/tasks/1/", json={"inner_id": 2**40}).json["inner_id"] == 2**40


def test_strange_queries(alice: ApiClient):
    for query in ("page=x", "page_size=x", "length=1.5", "start=", "page=99999999999999999999"):
        assert alice.get(f"/api/projects/1/tasks/?{query}").status_code == 400, query
    for query in ("page=-1", "page_size=-2", "page_size=0", "page=999999999"):
        assert alice.get(f"/api/projects/1/tasks/?{query}").status_code == 404, query
    assert alice.get("/api/tasks/1/?project=x").status_code == 400
    assert alice.get("/api/tasks/0/").status_code == 404
    assert alice.get("/api/tasks/99999999999999999999999/").status_code == 404
    assert alice.get("/api/tasks/-1/").status_code == 404


def test_nobody_reaches_another_organization(erin: ApiClient, console: Console):
    for method, path in (("GET", "/api/tasks/1/"), ("PATCH", "/api/tasks/1/"), ("PUT", "/api/tasks/1/"),
                         ("DELETE", "/api/tasks/1/"), ("GET", "/api/projects/1/tasks/"),
                         ("POST", "/api/projects/1/tasks/"), ("DELETE", "/api/projects/1/tasks/")):  # fmt: skip
        body = {"data": {"text": "x"}} if method in {"POST", "PUT"} else {}
        assert erin.send(method, path, json=body).status_code == 404, (method, path)
    assert erin.post("/api/tasks/", json={"project": 1, "data": {"text": "x"}}).status_code == 404
    for field, value in (("updated_by", 1), ("file_upload", 1), ("comment_authors", [1])):
        assert erin.patch("/api/tasks/200/", json={field: value}).status_code == 400, field
    assert values(console, "select count(*) from task") == [(267,)]


def test_a_former_member_is_refused(app: Flask, console: Console):
    grace = client_of(app, console, "grace")
    for method, path in (("GET", "/api/tasks/1/"), ("DELETE", "/api/tasks/1/"), ("GET", "/api/projects/1/tasks/")):
        assert grace.send(method, path).status_code == 403, (method, path)


@OLDEST
@BOTH_ENGINES
def test_the_oldest_release(alice: ApiClient, console: Console):
    shown = alice.get("/api/tasks/1/").json
    assert [len(shown[name]) for name in ("annotations", "predictions", "drafts")] == [2, 1, 0]
    made = alice.post("/api/tasks/", json={"project": 1, "data": {"text": "x"}, "comment_authors": [1]})
    assert (made.status_code, made.json["inner_id"]) == (201, 86)
    assert alice.patch(f"/api/tasks/{made.json['id']}/", json={"meta": {"a": 1}}).json["meta"] == {"a": 1}
    assert alice.delete("/api/tasks/1/").status_code == 204
    assert alice.delete("/api/projects/2/tasks/").status_code == 204
    assert values(console, "select count(*) from task where project_id = 2") == [(0,)]


@BOTH_ENGINES
def test_all_tasks_as_a_stream(alice: ApiClient, console: Console):
    every = alice.get("/api/projects/1/tasks/?page_size=-1")
    assert len(every.json) == 85
    assert alice.post("/api/tasks/", json={"project": 1, "data": {"text": "x"}}).status_code == 201
