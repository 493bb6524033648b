"""Imports through the API: everything is stored, or nothing, whatever the body is."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from console.service import Console
from tests.api.statements import at_most, silence_webhooks
from tests.api_client import ApiClient
from tests.factories import BOTH_ENGINES
from tests.test_egress import say, server

PATH = "/api/projects/1/import"
COUNTED = ("task", "task_completion", "prediction", "data_import_fileupload", "tasks_annotationdraft")
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def counts(console: Console):
    """How many rows there are, and which files."""

    def count() -> dict[str, Any]:
        with console.deployment.read() as session:
            rows = {table: session.execute(text(f"select count(*) from {table}")).scalar_one() for table in COUNTED}
            summary = session.execute(
                text("select all_data_columns from projects_projectsummary order by project_id")
            ).all()
        files = sorted(path.name for path in Path(console.settings.base_data_dir).rglob("*") if path.is_file())
        return {"rows": rows, "summary": str(summary), "files": files}

    return count


def rows(console: Console, statement: str) -> list[Any]:
    with console.deployment.read() as session:
        return list(session.execute(text(statement)).all())


def multipart(*named: tuple[str, bytes], part: str | None = None) -> dict[str, Any]:
    if part is not None:
        return {part: [(io.BytesIO(content), name) for name, content in named]}
    return {f"f{number}": (io.BytesIO(content), name) for number, (name, content) in enumerate(named)}


@BOTH_ENGINES
def test_tasks_with_annotations_and_predictions(alice: ApiClient, console: Console):
    task = {
        "data": {"text": "ü \\ \t 東京", "n": 2**70}, "meta": {"a": 1},
        "annotations": [{"result": [{"id": "a"}], "completed_by": {"email": "bob@example.com"}, "id": 8, "lead_time": 1.5},
                        {"result": [], "was_cancelled": True, "completed_by": 3}],
        "predictions": [{"result": "Positive", "score": "0.5", "model_version": "m"}],
    }  # fmt: skip
    answer = alice.post(PATH, json=[task, {"text": "plain"}], query_string={"return_task_ids": "true"})
    assert answer.status_code == 201, answer.text
    assert {name: answer.json[name] for name in ("task_count", "annotation_count", "prediction_count")} == {
        "task_count": 2, "annotation_count": 2, "prediction_count": 1}  # fmt: skip
    first, second = answer.json["task_ids"]
    stored = rows(console, f"select * from task where id in ({first}, {second}) order by id")
    assert [row.inner_id for row in stored] == [86, 87]
    assert [(row.total_annotations, row.cancelled_annotations, row.total_predictions) for row in stored] == [
        (1, 1, 1),
        (0, 0, 0),
    ]
    assert [bool(row.is_labeled) for row in stored] == [True, False]  # two people, as Label Studio counts here
    data = stored[0].data if isinstance(stored[0].data, dict) else json.loads(stored[0].data)
    assert data == task["data"]
    made = rows(console, f"select * from task_completion where task_id = {first} order by id")
    assert [(row.completed_by_id, bool(row.ground_truth), bool(row.was_cancelled), row.import_id) for row in made] == [
        (2, True, False, 8), (3, True, True, None)]  # fmt: skip
    assert len({str(row.unique_id) for row in made}) == 2 and all(row.result_count == 0 for row in made)


@BOTH_ENGINES
def test_one_bad_task_and_nothing_is_stored(alice: ApiClient, counts):
    before = counts()
    tasks = [{"data": {"text": f"{number}"}, "annotations": [{"result": []}]} for number in range(4500)]
    tasks[4321] = {"data": {"txt": "wrong"}}
    answer = alice.post(PATH, json=tasks)
    assert answer.status_code == 400
    entries = answer.json["validation_errors"]["non_field_errors"]
    assert len(entries) == 4322 and entries[99] == "..." and entries[5] == {}
    assert entries[-1].startswith('Error at item 4321: "text" key is expected in task data [assume: item["data"]')
    assert counts() == before


@pytest.mark.parametrize("engine", ["postgresql"])
@pytest.mark.parametrize("value", ["a\0b", "\ud800", {"deep": "x\0"}])
def test_text_that_postgresql_cannot_store_names_its_task(alice: ApiClient, counts, value: Any):
    before = counts()
    tasks = [{"data": {"text": "good"}}, {"data": {"text": "x", "more": value}}]
    answer = alice.post(PATH, data=json.dumps(tasks), headers=JSON)
    assert answer.status_code == 400
    assert answer.json["validation_errors"]["non_field_errors"][1].startswith("Error at item 1: ")
    backslashes = [{"data": {"text": "a\\u0000b \\\\u0000"}}]  # only looks like one
    assert alice.post(PATH, json=backslashes).status_code == 201
    assert counts()["rows"]["task"] == before["rows"]["task"] + 1


@pytest.mark.parametrize("cut", [1, 30, 400, 2999])
def test_a_body_that_breaks_off_stores_nothing(alice: ApiClient, counts, cut: int):
    body = json.dumps([{"data": {"text": f"{number}"}} for number in range(200)]).encode()
    before = counts()
    answer = alice.post(PATH, data=body[:cut], headers=JSON)
    assert answer.status_code == 400 and answer.json["detail"].startswith("JSON parse error - ")
    whole = b"[" + body[1:cut] + b'{"a"]'
    assert alice.post(PATH, data=whole, headers=JSON).status_code == 400
    assert counts() == before


def test_a_client_that_goes_away_stores_nothing(alice: ApiClient, counts):
    before = counts()
    told = {"CONTENT_LENGTH": "100000"}
    answer = alice.post(PATH, data=b'[{"text": "x"}]', headers=JSON, environ_overrides=told)
    assert answer.status_code == 400
    boundary = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.csv"\r\n\r\ntext\nx\n'
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = alice.post(PATH, data=boundary, headers=kind, environ_overrides=told)
    assert answer.status_code == 400
    assert counts() == before


def test_limits(alice: ApiClient, console: Console, counts):
    console.settings = console.settings.with_(upload_limit_bytes=2000)
    before = counts()
    answer = alice.post(PATH, data=b" " * 2_000_000, headers=JSON)
    assert answer.status_code == 413 and "at most" in answer.json["detail"]
    answer = alice.post(PATH, data=multipart(("a.txt", b"x" * 3000)))
    assert answer.json["validation_errors"]["non_field_errors"] == [
        "Maximum total size of all files is 2000 bytes, current size is 3000 bytes"]  # fmt: skip
    answer = alice.post(PATH, data=multipart(*((f"{number}.txt", b"x") for number in range(101))))
    assert answer.status_code == 400 and "101 files" in answer.text
    assert counts() == before


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.zip", b"PK", ".zip extension is not supported"), ("noextension", b"x", " extension is not supported"),
        ("a.csv", b"text,b\n1\n1,2,3\n", "Expected 2 fields in line 3, saw 3"), ("a.csv", b"\xff\xfe\x00", "utf-8"),
        ("a.csv", b"wrong\nx\n", "clashes with data key(s)"), ("a.json", b'[{"text": "x"}', "Expecting ',' delimiter"),
        ("a.json", b"[1]", "Task item should be dict"), ("a.csv", b"", "No columns to parse"),
    ],
)  # fmt: skip
def test_a_refused_file_leaves_nothing_behind(alice: ApiClient, counts, name: str, content: bytes, message: str):
    before = counts()
    answer = alice.post(PATH, data=multipart(("good.csv", b"text\nx\n"), (name, content)))
    assert answer.status_code == 400 and message in answer.text
    assert counts() == before


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd.txt", "passwd.txt"), ("..\\..\\x.txt", None), ("/abs/o lut (e)!.txt", "o_lut_e.txt"),
        ("名前.txt", "名前.txt"), ("a\x00\x1fb.txt", "ab.txt"), ("x" * 300 + ".txt", None), ("&lt;b&gt;.txt", "b.txt"),
    ],
)  # fmt: skip
def test_names_stay_inside_the_directory(alice: ApiClient, console: Console, name: str, kept: str | None):
    answer = alice.post(PATH, data=multipart((name, b"one\ntwo\n")))
    assert answer.status_code == 201, answer.text
    [upload] = alice.get(f"/api/projects/1/file-uploads?ids={answer.json['file_upload_ids']}").json
    stem, _, rest = upload["file"].partition("-")
    assert stem.startswith("upload/1/") and len(upload["file"]) <= 100
    assert kept is None or rest == kept
    path = console.settings.base_data_dir / "media" / upload["file"]
    assert path.read_bytes() == b"one\ntwo\n" and upload["size"] == 8


def test_several_files_under_one_part_name_are_all_imported(alice: ApiClient):
    answer = alice.post(PATH, data=multipart(("a.csv", b"text,n\nx,1\n"), ("b.csv", b"n,text\n2,y\n"), part="file"))
    assert answer.json["task_count"] == 2 and len(answer.json["file_upload_ids"]) == 2
    assert answer.json["found_formats"] == {".csv": 2} and answer.json["data_columns"] == ["text", "n"]


def test_the_old_name_of_annotations_is_taken_and_told(alice: ApiClient):
    task = {"data": {"text": "x"}, "completions": [{"result": []}]}
    answer = alice.post(PATH, json=[task, {"data": {"text": "y"}}])
    assert answer.json["annotation_count"] == 1 and answer.json["completions_as_annotations"] == 1
    assert "completions" in answer.headers["Warning"]
    wrong = alice.post(PATH, json=[{"data": {"text": "x"}, "completions": 5}])
    assert "Task[annotations] must be list" in wrong.text


def test_the_old_path_names_the_new_one(alice: ApiClient):
    for body, status in (([{"text": "x"}], 201), ([{"wrong": 1}], 400)):
        answer = alice.post("/api/projects/1/tasks/bulk", json=body)
        assert answer.status_code == status
        assert answer.headers["Deprecation"].endswith('replacement="/api/projects/1/import"')
        assert answer.headers["Link"] == '</api/projects/1/import>; rel="successor-version"'


def test_strangers_and_foreign_files(alice: ApiClient, console: Console, counts):
    before = counts()
    for author in (5, {"email": "erin@example.com"}, {"email": "nobody@example.com"}, True, "alice@example.com"):
        task = {"data": {"text": "x"}, "annotations": [{"result": [], "completed_by": author}]}
        assert alice.post(PATH, json=[{"text": "x"}, task]).status_code == 400
    answer = alice.post(PATH, json=[{"data": {"text": "x"}, "file_upload_id": 2}])
    assert "file_upload_id" in answer.text and answer.status_code == 400
    assert counts() == before
    console.settings = console.settings.with_(import_unknown_emails=True)
    task = {"data": {"text": "x"}, "annotations": [{"result": [], "completed_by": {"email": "nobody@example.com"}}]}
    assert alice.post(PATH, json=task).json["annotation_count"] == 1


def test_an_address_goes_through_the_rules_for_outgoing_requests(alice: ApiClient, console: Console, counts):
    table, moved = b"text,n\nx,1\n", say(b"", 302, Location="http://127.0.0.2:1/a.csv")
    with server(say(table)) as there, server(moved) as elsewhere, server(say(b"gone", 404)) as gone:
        before = counts()
        refused = alice.post(PATH, data={"url": f"http://{there}/a.csv"})
        assert "URL resolves to a reserved network address (block: 127.0.0.0/8)" in refused.text
        console.settings = console.settings.with_(default_banned_subnets=False, banned_subnets=("127.0.0.2/32",))
        refused = alice.post(PATH, data={"url": f"http://{elsewhere}/a.csv"})
        assert refused.status_code == 400 and "127.0.0.2/32" in refused.text
        assert "status 404" in alice.post(PATH, data={"url": f"http://{gone}/a.csv"}).text
        assert ".exe extension is not supported" in alice.post(PATH, data={"url": f"http://{there}/a.exe"}).text
        assert counts() == before
        answer = alice.post(PATH, data={"url": f"http://{there}/dir/a.csv?signature=s3cret"})
        assert answer.json["task_count"] == 1 and answer.json["data_columns"] == ["text", "n"]
        assert counts()["files"][0].endswith("-a.csv")


@pytest.mark.parametrize("engine", ["postgresql"])
def test_two_imports_at_once_number_their_tasks_one_after_the_other(alice: ApiClient, bob: ApiClient, console: Console):
    tasks = [{"text": f"{number}"} for number in range(700)]
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda one=one: answers.append(one.post(PATH, json=tasks))) for one in (alice, bob)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [201, 201]
    [row] = rows(console, "select count(*), count(distinct inner_id), max(inner_id) from task where project_id = 1")
    assert tuple(row) == (85 + 1400, 85 + 1400, 85 + 1400)
    [summary] = rows(console, "select all_data_columns->'text' as n from projects_projectsummary where project_id = 1")
    assert summary.n >= 1400


@pytest.mark.parametrize("version", ["1.8.2.post1"])
@BOTH_ENGINES
def test_an_old_release(alice: ApiClient):
    task = {"data": {"text": "x"}, "annotations": [{"result": []}], "predictions": [{"result": []}]}
    assert alice.post(PATH, json=[task]).json["annotation_count"] == 1
    assert alice.post(PATH, data=multipart(("a.csv", b"text\nx\n"))).status_code == 201
    assert alice.post("/api/projects/1/import/predictions", json=[{"task": 1, "result": []}]).json == {"created": 1}


def test_predictions_that_do_not_fit_are_told(alice: ApiClient, counts):
    region = {"from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": ["Positive"]}}
    sent = [
        {"task": 1, "result": [region]},
        {"task": 1, "result": [region | {"from_name": "no"}]},
        {"task": 2, "result": [region], "score": 2},
    ]
    answer = alice.post("/api/projects/1/import/predictions", json=sent)
    assert answer.status_code == 201 and answer.json["created"] == 1 and answer.json["skipped_count"] == 2
    assert answer.json["skipped"][0] == "Prediction 1: Region 0: 'from_name' 'no' not found in configuration"
    before = counts()
    assert (
        alice.post(
            "/api/projects/1/import/predictions",
            json=[*sent, {"task": 61, "result": []}, {"task": 99999, "result": []}],
        ).status_code
        == 400
    )
    assert counts() == before


def test_other_organizations_find_no_project(erin: ApiClient, anonymous: ApiClient, counts):
    before = counts()
    for path in (PATH, "/api/projects/1/tasks/bulk/", "/api/projects/1/reimport", "/api/projects/1/import/predictions"):
        assert erin.post(
            path, json=[{"text": "x"}] if "reimport" not in path else {"file_upload_ids": [1]}
        ).status_code in {401, 404}
        assert anonymous.post(path, json=[]).status_code == 401
    assert counts() == before


@pytest.mark.parametrize("engine", ["postgresql"])
def test_few_statements_however_many_tasks(alice: ApiClient, console: Console):
    silence_webhooks(console)
    task = {"data": {"text": "x"}, "annotations": [{"result": []}], "predictions": [{"result": []}]}
    alice.post(PATH, json=[task])
    with at_most(console, 11):
        assert alice.post(PATH, json=[task]).status_code == 201
    with at_most(console, 12):
        assert alice.post(PATH, json=[task] * 3000).status_code == 201
