"""Exports over HTTP: every format, hostile rows, clients that leave, a converter that breaks."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from typing import Any

import pytest
from sqlalchemy import text

from console.labeling.exports import converter
from console.service import Console
from tests.api.statements import at_most
from tests.api_client import ApiClient
from tests.factories import BOTH_ENGINES

FORMATS = ("JSON", "JSON_MIN", "CSV", "TSV")
#: What annotations can hold after years of scripts; none of it may stop an export.
HOSTILE_RESULTS = (
    None, {}, "text", 7, [], [None, 1, "x", []], [{}], [{"from_name": "sentiment"}], [{"from_name": None, "value": 3}],
    [{"from_name": "sentiment", "value": None}], [{"from_name": "sentiment", "value": {"choices": None}}],
    [{"from_name": "sentiment", "value": {"choices": "Positive"}}], [{"from_name": "sentiment", "value": {"choices": []}}],
    [{"from_name": ["sentiment"], "value": {"choices": ["a"]}}], [{"from_name": "comment", "value": {"text": {"a": 1}}}],
    [{"from_name": "sentiment", "type": "choices", "value": {"choices": ["a,b", 'c"d']}}],
    [{"from_name": "x", "type": "chatmessage", "value": {"chatmessage": {"role": "user", "content": "hi"}}}],
    [{"from_name": "sentiment", "value": {"type": "mine", "choices": ["Neg\native", 2, None]}}],
)  # fmt: skip
HOSTILE_DATA = (
    "[]", '"text"', "17", "null", '{"text": null}', '{"text": 12345678901234567890123, "x": 1e308}',
    '{"text": "quotes \\" , \\n \\r\\n \\t \\u2028", "a/b": {"c": [1, {}]}}', '{"$undefined$": "s3://b/k", "id": 5}',
)  # fmt: skip


def body(client: ApiClient, path: str, **query: Any) -> Any:
    answer = client.get(path, query_string=query)
    assert answer.status_code == 200, answer.text
    return answer


def execute(console: Console, statement: str, **values: Any) -> None:
    with console.deployment.write() as session:
        session.execute(text(statement), values)


def set_result(console: Console, annotation_id: int, value: Any) -> None:
    as_json = "cast(:value as jsonb)" if console.deployment.kind == "postgresql" else ":value"
    execute(
        console,
        f"update task_completion set result = {as_json} where id = :id",
        id=annotation_id,
        value=json.dumps(value),
    )


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@pytest.mark.parametrize("version", ["1.8.2.post1", "1.23.2"])
def test_every_release_and_database_exports(alice: ApiClient, console: Console) -> None:
    tasks = body(alice, "/api/projects/1/export").get_json(force=True)
    assert len(tasks) == 54 and tasks == sorted(tasks, key=lambda task: task["id"])
    first = tasks[0]
    assert list(first)[:2] == ["id", "annotations"] and first["predictions"] and first["data"]["text"]
    assert first["annotations"][0]["completed_by"] in {1, 2, 3, 4} and first["annotations"][0]["created_at"].endswith(
        "Z"
    )
    assert len(body(alice, "/api/projects/1/export", download_all_tasks="true").get_json(force=True)) == 85
    table = list(csv.DictReader(io.StringIO(body(alice, "/api/projects/1/export", exportType="CSV").text)))
    flat = body(alice, "/api/projects/1/export", exportType="JSON_MIN").get_json(force=True)
    assert [row["annotation_id"] for row in table] == [str(item["annotation_id"]) for item in flat]
    assert {row["sentiment"] for row in table} == {"Positive", "Negative", "Neutral"}


def test_the_answer_is_a_file_with_the_headers_of_label_studio(alice: ApiClient) -> None:
    names = set()
    for kind, extension, media in (
        ("JSON", "json", "application/.json"), ("CSV", "csv", "application/.csv"), ("TSV", "csv", "application/.csv"),
        ("YOLO", "zip", "application/zip"),
    ):  # fmt: skip
        answer = body(alice, "/api/projects/2/export", exportType=kind)
        name = answer.headers["filename"]
        assert answer.headers["Content-Type"] == media and name.endswith(f".{extension}")
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
        names.add(name.rpartition("-")[2].partition(".")[0])
    assert len(names) == 1, "the same tasks have the same digits in every format"


@BOTH_ENGINES
def test_hostile_rows_do_not_stop_an_export(alice: ApiClient, console: Console) -> None:
    with console.deployment.read() as session:
        ids = session.execute(text("select id, task_id from task_completion where project_id = 1 order by id")).all()
    for (annotation_id, _), result in zip(ids, HOSTILE_RESULTS, strict=False):
        set_result(console, annotation_id, result)
    as_json = "cast(:value as jsonb)" if console.deployment.kind == "postgresql" else ":value"
    tasks = sorted({task_id for _, task_id in ids})[-len(HOSTILE_DATA) :]
    for task_id, value in zip(tasks, HOSTILE_DATA, strict=True):
        execute(console, f"update task set data = {as_json} where id = :id", id=task_id, value=value)
    execute(
        console, "update task_completion set completed_by_id = null, lead_time = 1e300 where id = :id", id=ids[30][0]
    )
    for kind in FORMATS:
        answer = body(alice, "/api/projects/1/export", exportType=kind)
        if kind.startswith("JSON"):
            assert len(json.loads(answer.text)) > 50
        else:
            rows = list(csv.reader(io.StringIO(answer.text), delimiter="," if kind == "CSV" else "\t"))
            assert {len(row) for row in rows} == {len(rows[0])}
    table = list(csv.DictReader(io.StringIO(body(alice, "/api/projects/1/export", exportType="CSV").text)))
    assert any(
        row["text"] == 'quotes " , \n \r\n \t \u2028' and json.loads(row["a/b"]) == {"c": [1, {}]} for row in table
    )
    assert any(row["text"] == "s3://b/k" for row in table), "$undefined$ is named by the configuration"
    assert any(row["annotator"] == "None" for row in table)
    if console.deployment.kind == "sqlite":
        assert alice.get("/api/projects/1/export", query_string={"exportType": "YOLO"}).status_code in {200, 400}


def test_text_that_is_no_json_is_exported_as_text(alice: ApiClient, console: Console) -> None:
    """SQLite stores whatever it is given; an old release had no CHECK."""
    execute(console, "pragma ignore_check_constraints = on")
    with console.deployment.write() as session:
        session.execute(text("pragma ignore_check_constraints = on"))
        session.execute(text("update task_completion set result = '[NaN, 1e999]' where id = 3"))
        session.execute(text("update task_completion set result = 'half [' where id = 4"))
    first = body(alice, "/api/projects/1/export").get_json(force=True)[0]
    assert [one["result"] for one in first["annotations"]] == [[None, None], "half ["]


def test_a_batch_takes_few_statements_and_holds_no_connection(alice: ApiClient, console: Console) -> None:
    with at_most(console, 9):
        assert len(body(alice, "/api/projects/1/export").data) > 50_000


@pytest.mark.parametrize("engine", ["postgresql"])
def test_a_client_that_leaves_frees_everything(
    alice: ApiClient, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.labeling.exports.stream.FIRST_BATCH", 3)
    monkeypatch.setattr("console.labeling.exports.stream.LARGEST_BATCH", 3)
    answer = alice.get("/api/projects/1/export", buffered=False)
    pieces = answer.iter_encoded()
    assert next(pieces).startswith(b'[{"id":1,')
    open_transactions = (
        "select count(*) from pg_stat_activity where state like 'idle in transaction%' and datname = current_database()"
    )
    with console.deployment.read() as session:
        assert session.execute(text(open_transactions)).scalar_one() == 0, "nothing is held while the client reads"
    answer.close()
    assert console.deployment.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_a_break_in_the_middle_is_no_complete_document(
    alice: ApiClient, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.labeling.exports.stream.FIRST_BATCH", 2)
    monkeypatch.setattr("console.labeling.exports.stream.LARGEST_BATCH", 2)
    answer = alice.get("/api/projects/1/export", buffered=False)
    pieces = answer.iter_encoded()
    next(pieces)

    def gone(*_: object) -> None:
        raise ConnectionError("the database went away")

    monkeypatch.setattr("console.labeling.exports.documents.Documents.write", gone)
    with pytest.raises(ConnectionError):
        list(pieces)


def test_batches_put_together_what_one_batch_would_be(alice: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [body(alice, "/api/projects/1/export", exportType=kind).data for kind in FORMATS]
    monkeypatch.setattr("console.labeling.exports.stream.FIRST_BATCH", 1)
    monkeypatch.setattr("console.labeling.exports.stream.LARGEST_BATCH", 7)
    monkeypatch.setattr("console.labeling.exports.selection.WINDOW", 10)
    monkeypatch.setattr("console.labeling.exports.flat_rows.CHUNK_CHARACTERS", 100)
    assert [body(alice, "/api/projects/1/export", exportType=kind).data for kind in FORMATS] == whole


def test_a_format_that_breaks_says_so(alice: ApiClient, bob: ApiClient) -> None:
    answer = alice.get("/api/projects/5/export", query_string={"exportType": "COCO"})
    assert answer.status_code == 400 and "COCO cannot be made of these tasks" in answer.get_json()["detail"]
    assert "try JSON" in answer.get_json()["detail"]


def test_a_converter_that_dies(alice: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(converter, "_RUN", "import os; os.abort()")
    answer = alice.get("/api/projects/1/export", query_string={"exportType": "YOLO"})
    assert answer.status_code == 400 and "ended with code -6" in answer.get_json()["detail"]


def test_images_come_from_addresses_that_are_allowed(bob: ApiClient, console: Console) -> None:
    """Loopback is refused, files of the server are not read, and the labels are exported all the same."""
    urls = (
        "http://127.0.0.1:9/a.png",
        "file:///etc/passwd",
        "/data/local-files/?d=etc/passwd",
        "/data/upload/../../../etc/passwd",
    )
    for number, url in enumerate(urls):
        execute(
            console, "update task set data = :data where id = :id", id=111 + number, data=json.dumps({"image": url})
        )
    chosen = {"ids[]": [111, 112, 113, 114], "exportType": "COCO_WITH_IMAGES"}
    answer = bob.get("/api/projects/3/export", query_string=chosen)
    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert sorted(archive.namelist()) == ["images/", "result.json"]
        assert json.loads(archive.read("result.json"))["categories"]


def test_only_members_export(alice: ApiClient, erin: ApiClient, anonymous: ApiClient, console: Console) -> None:
    grace = ApiClient(alice.flask.application, {"Authorization": f"Token {_token(console, 'grace@example.com')}"})
    for path in ("export", "export/formats", "export/files"):
        assert erin.get(f"/api/projects/1/{path}").status_code == 404
        assert anonymous.get(f"/api/projects/1/{path}").status_code == 401
        assert grace.get(f"/api/projects/1/{path}").status_code == 403
    assert len(body(erin, "/api/projects/4/export").get_json(force=True)) == 50


def _token(console: Console, email: str) -> str:
    with console.deployment.read() as session:
        return session.execute(
            text("select key from authtoken_token t join htx_user u on u.id = t.user_id where email = :email"),
            {"email": email},
        ).scalar_one()


def test_what_was_removed_names_its_replacement(alice: ApiClient) -> None:
    for name, hint in (("finished", "download_all_tasks=true"), ("aggregator_type", "no aggregation"), ("return_task", "always"),
                       ("return_predictions", "always"), ("return_ground_truths", "ground_truth")):  # fmt: skip
        answer = alice.get("/api/projects/1/export", query_string={name: "0", "exportType": "CSV"})
        assert answer.status_code == 400 and hint in answer.get_json()["validation_errors"][name][0]
    for path, hint in (
        ("/api/projects/1/results/", "/api/projects/1/export"), ("/api/projects/1/completions", "annotations"),
        ("/api/storages/3/", "/api/storages/<type>/3"),
    ):  # fmt: skip
        for answer in (alice.get(path), alice.post(path, json={}), alice.delete(path)):
            assert answer.status_code == 404 and hint in answer.get_json()["detail"]


def test_an_unknown_format_names_the_accepted_ones(alice: ApiClient) -> None:
    for wrong in ("NOPE", "json", "CSV_OLD", "JSON;rm", "\x00"):
        answer = alice.get("/api/projects/1/export", query_string={"exportType": wrong})
        assert answer.status_code == 400
    assert "JSON_MIN, CSV" in alice.get("/api/projects/1/export?exportType=NOPE").text


def test_a_proxy_asks_whether_a_file_may_be_had(alice: ApiClient) -> None:
    def asked(value: str | None) -> int:
        return alice.get(
            "/api/auth/export/", headers={"X-Original-URI": value} if value is not None else {}
        ).status_code

    assert [asked("/export/1-x.json"), asked("/export/x.json"), asked("/export/4-x"), asked(None), asked("/export/-1"),
            asked(f"/export/{10**30}-x")] == [200, 422, 404, 400, 422, 404]  # fmt: skip
