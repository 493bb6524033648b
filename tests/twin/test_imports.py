"""Imports: JSON bodies, files, addresses; every row that Label Studio leaves, and every word of its refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.twin.twin import Twin

TEXT, EMPTY, IMAGE = 1, 5, 3
IDS = {"return_task_ids": "true"}
KEPT_ROW = "Label Studio keeps the row of a file whose import it refused"
REGION = {
    "id": "r1", "from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": ["Positive"]},
}  # fmt: skip


def imported(twin: Twin, body: Any, project: int = TEXT, expect: int | None = None, **options: Any) -> Any:
    pair = twin.post(f"/api/projects/{project}/import", json=body, expect=expect, **options)
    twin.rows()
    return pair


@pytest.mark.parametrize(
    "body",
    [
        [{"data": {"text": "one"}}, {"data": {"text": "two", "more": [1, {"a": None}]}, "meta": {"from": "me"}}],
        {"data": {"text": "alone"}},
        {"text": "the item is the data", "number": 3.5},
        [{"text": "x"}, {"data": {"text": 5}}, {"text": ["a", "b"]}],
        [
            {
                "data": {"text": 'ü 東京 😀 \\ " \t \n'},
                "meta": [],
                "allow_skip": False,
                "id": 77,
                "inner_id": 9,
                "overlap": 7,
            }
        ],
        [{"data": {"$undefined$": "a text without a key"}}],
        [{"data": {"text": 12345678901234567890123, "other": 1e-320}}],
    ],
)
def test_tasks(twin: Twin, body: Any):
    imported(twin, body, expect=201, params=IDS)
    twin.get(f"/api/projects/{TEXT}/summary/")


def test_an_empty_configuration_takes_anything(twin: Twin):
    imported(twin, [{"a": 1}, {"a": "x", "b": None}, {"data": {"a": {}}}], EMPTY, expect=201, params=IDS)
    imported(twin, [{"a": 2}, {"data": {"a": 1, "c": 2}}], EMPTY, expect=201)
    imported(twin, {"a": 1}, EMPTY, expect=201)


def test_columns_that_not_all_tasks_have(twin: Twin):
    twin.post(f"/api/projects/{EMPTY}/import", json=[{"a": 1}, {"b": 1}, {"a": 1}], expect=201)
    twin.rows(differs={"projects_projectsummary.common_data_columns": "common-columns"})


def test_annotations_and_predictions(twin: Twin):
    tasks = [
        {"data": {"text": "annotated"}, "annotations": [
            {"result": [REGION], "completed_by": 1, "lead_time": 4.5, "id": 1234, "unique_id": "not used"},
            {"result": [], "completed_by": {"email": "bob@example.com"}, "was_cancelled": True, "ground_truth": False},
            {"result": [REGION], "created_at": "2020-01-01T00:00:00Z", "result_count": 9, "lead_time": None},
        ]},
        {"data": {"text": "two people"}, "annotations": [
            {"result": [REGION], "completed_by": 2}, {"result": [REGION], "completed_by": 3, "lead_time": "7"}]},
        {"data": {"text": "predicted"}, "predictions": [
            {"result": [REGION], "score": 0.25, "model_version": "m-1"}, {"result": [REGION]},
            {"result": {"choices": ["Negative"]}, "score": "0.5"}, {"result": "Neutral", "score": "no number"},
            {"result": {"nothing": 1}, "model_version": None}, {"result": 5, "model_version": 7}]},
        {"data": {"text": "skipped twice"}, "annotations": [{"result": [], "was_cancelled": 1}, {"result": [], "was_cancelled": "1"}]},
    ]  # fmt: skip
    imported(twin, tasks, expect=201, params=IDS)
    imported(twin, tasks, as_user="bob", expect=201)


def test_the_first_predictions_name_the_version_of_the_project(twin: Twin):
    image = {"data": {"image": "https://example.com/1.jpg"}}
    imported(
        twin,
        [image | {"predictions": [{"result": [], "model_version": version}]} for version in ("a", "b")],
        IMAGE,
        201,
    )
    imported(twin, [image | {"predictions": [{"result": [], "model_version": "c"}]}], IMAGE, 201)


def test_a_new_project_with_predictions_alone(twin: Twin):
    config = '<View><Image name="i" value="$image"/><Choices name="c" toName="i"><Choice value="x"/></Choices></View>'
    made = twin.post("/api/projects/", json={"title": "New one", "label_config": config}, expect=201)["id"]
    task = {"data": {"image": "i"}, "predictions": [{"result": "x", "score": 0.5}]}
    imported(twin, [task, {"image": "j"}], made, 201)
    imported(twin, [task | {"annotations": [{"result": []}]}], made, 201)


@pytest.mark.parametrize(
    "body",
    [
        [], [{}], {}, {"data": {}}, [{"data": {"txt": "x"}}, {"data": {"text": "good"}}, {"tex": 1}],
        [{"data": None}], [{"data": "text"}], [{"data": {"text": {"a": 1}}}], [{"data": {"text": None}}],
        [{"data": {"text": "x"}, "annotations": {}}], [{"data": {"text": "x"}, "annotations": [{}]}],
        [{"data": {"text": "x"}, "annotations": [{"result": {}}]}], [{"data": {"text": "x"}, "annotations": [{"result": None}]}],
        [{"data": {"text": "x"}, "predictions": "no"}], [{"data": {"text": "x"}, "predictions": [{"score": 1}]}],
        [{"data": {"text": "x"}, "meta": "no"}], [{"data": {"text": "x"}, "meta": None}],
        [{"data": {"text": "x"}, "annotations": [{"result": [], "completed_by": {"email": "nobody@example.com"}}]}],
        [{"data": {"text": "x"}, "annotations": [{"result": [], "completed_by": {"mail": 1}}]}],
        [{"data": {"text": "x"}, "annotations": [{"result": [], "completed_by": 5}]}],
        [{"data": {"text": "x"}, "annotations": [{"result": [], "completed_by": "alice@example.com"}]}],
        [{"data": {"text": "x"}, "annotations": [{"result": [], "completed_by": 1.5}]}, {"data": {}}],
        [{"tex": n} for n in range(105)], [{"text": "x"}] * 120 + [{"tex": 1}, {"tex": 2}], [{"tex": 1}] + [{"text": "x"}] * 3,
        "text", 5, None, True, [[1]], ["a"],
    ],
    ids=str,
)  # fmt: skip
def test_refused_in_the_same_words(twin: Twin, body: Any):
    twin.probe("POST", f"/api/projects/{TEXT}/import", json=body)


@pytest.mark.parametrize(
    "task",
    [
        {"annotations": [5]}, {"annotations": ["x"]}, {"predictions": [5]}, {"predictions": [{"result": [5]}]},
        {"predictions": [{"result": 1.5}]}, {"predictions": [{"result": None}]}, {"predictions": [{"result": [], "score": []}]},
        {"annotations": [{"result": [], "id": "abc"}]}, {"annotations": [{"result": [], "id": 2**70}]},
        {"annotations": [{"result": [], "lead_time": "x"}]}, {"annotations": [{"result": [], "lead_time": []}]},
        {"annotations": [{"result": [], "was_cancelled": "maybe"}]}, {"annotations": [{"result": [], "was_cancelled": None}]},
        {"annotations": [{"result": [], "ground_truth": 5}]}, {"annotations": [{"result": [], "ground_truth": None}]},
        {"annotations": [{"result": [], "completed_by": {"email": []}}]}, {"allow_skip": "maybe"}, {"allow_skip": None},
        {"file_upload_id": 99999}, {"file_upload_id": "x"}, {"annotations": [{"result": [], "id": "12"}]}, {"file_upload_id": 1},
    ],
    ids=str,
)  # fmt: skip
def test_values_of_hostile_kinds(twin: Twin, task: dict[str, Any]):
    twin.probe(
        "POST", f"/api/projects/{TEXT}/import", json=[{"data": {"text": "good"}}, {"data": {"text": "x"}} | task]
    )


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"[", b'[{"text":"x"},', b'[{"text":"x"}', b'[{"text":"x"},]', b'{"text":"x"} y', b'[{"text":NaN}]',
        b'[{"text": 1e999}]', b"\xef\xbb\xbf[]", b'[{"text":"\xff"}]', b"\x00", b'[{"text":"a\nb"}]', b"[" * 3000,
        b'[{"text":"\\u0000"}]', b'[{"text":"\\ud800"}]', b'[{"text": ' + b"9" * 5000 + b"}]",
    ],
    ids=lambda body: repr(body[:30]),
)  # fmt: skip
def test_broken_bodies(twin: Twin, body: bytes):
    twin.probe("POST", f"/api/projects/{TEXT}/import", data=body, headers={"Content-Type": "application/json"})


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"text\nx\n", "text/csv"), (b"x", "application/octet-stream"), (b"", "text/plain"), (b"", ""),
        (b'[{"text":"caf\xe9"}]', "application/json; charset=latin-1"), (b'[{"text":"x"}]', "application/json; charset=no"),
        (b"nothing=1", "application/x-www-form-urlencoded"),
        (b"url=", "application/x-www-form-urlencoded"), (b"", "application/x-www-form-urlencoded"),
        (b"x", "multipart/form-data; boundary=abc"), (b"--abc--\r\n", "multipart/form-data; boundary=abc"),
        (b'--abc\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--abc--\r\n', "multipart/form-data; boundary=abc"),
    ],
)  # fmt: skip
def test_kinds_of_bodies(twin: Twin, body: bytes, kind: str):
    twin.probe("POST", f"/api/projects/{TEXT}/import", data=body, headers={"Content-Type": kind})


@pytest.mark.parametrize("params", [
    {"commit_to_project": "false"}, {"commit_to_project": "0", "return_task_ids": "1"}, {"commit_to_project": "maybe"},
    {"return_task_ids": "2"}, {"return_task_ids": "no"}, {"commit_to_project": ""},
])  # fmt: skip
def test_options(twin: Twin, params: dict[str, str]):
    twin.probe("POST", f"/api/projects/{TEXT}/import", json=[{"text": "x"}, {"wrong": 1}], params=params)


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ("sentiment", [{"text": "x", "sentiment": "Positive"}, {"text": "y"}, {"data": {"text": "z", "sentiment": None}}]),
        ("sentiment,comment", [{"text": "x", "sentiment": ["Positive"], "comment": "why"}]),
        ("unknown;sentiment", [{"data": {"text": "x", "unknown": 5}, "annotations": [{"result": []}], "meta": {"a": 1}}]),
        ("sentiment", [{"text": "x", "sentiment": {"choices": ["Negative"]}}]), ("", [{"text": "x"}]),
        ("sentiment", ["text"]), ("sentiment", {"text": "x", "sentiment": "Neutral"}),
    ],
)  # fmt: skip
def test_fields_that_are_predictions(twin: Twin, fields: str, body: Any):
    twin.probe("POST", f"/api/projects/{TEXT}/import", json=body, params={"preannotated_from_fields": fields})


def test_whose_project(twin: Twin):
    for project in (4, 99):
        pair = twin.post(f"/api/projects/{project}/import", json=[{"text": "x"}], differs="html-404", expect=404)
        assert pair.ours.status_code == 404
    twin.post(f"/api/projects/{TEXT}/import", json=[{"text": "x"}], as_user=None, expect=401)
    twin.post(f"/api/projects/{TEXT}/import", json=[{"text": "x"}], as_user="carol", expect=201)
    twin.rows()


def test_the_old_path(twin: Twin):
    pair = twin.post(f"/api/projects/{TEXT}/tasks/bulk/", json=[{"text": "x"}], expect=201)
    assert pair.ours.headers["Deprecation"].endswith(f'replacement="/api/projects/{TEXT}/import"')
    twin.post(f"/api/projects/{TEXT}/tasks/bulk", json=[{"text": "x"}], params=IDS, expect=201)
    twin.rows()


def test_a_part_of_the_tasks_has_overlap(twin: Twin):
    twin.patch(f"/api/projects/{TEXT}/", json={"overlap_cohort_percentage": 100}, expect=200)
    twin.rows()
    made = twin.post("/api/projects/", json={"title": "Cohort", "maximum_annotations": 3, "label_config": "<View></View>",
                                            "overlap_cohort_percentage": 100}, expect=201)["id"]  # fmt: skip
    annotated = {
        "data": {"a": 1},
        "annotations": [{"result": [], "completed_by": who, "ground_truth": False} for who in (1, 2, 3)],
    }
    twin.patch(f"/api/projects/{made}/", json={"overlap_cohort_percentage": 50}, expect=200)
    imported(twin, [annotated, annotated, {"a": 1}, {"a": 2}], made, 201)


@pytest.mark.parametrize("null_last", [True, False])
def test_numbers_within_the_project(twin: Twin, null_last: bool):
    which = "max" if null_last else "min"
    twin.execute(f"UPDATE task SET inner_id = NULL WHERE id = (SELECT {which}(id) FROM task WHERE project_id = 1)")
    imported(twin, [{"text": "x"}, {"text": "y"}], expect=201)


def files(*named: tuple[str, bytes]) -> dict[str, Any]:
    return {f"part{number}": one for number, one in enumerate(named)}


def sent(twin: Twin, *named: tuple[str, bytes], project: int = TEXT, **options: Any) -> Any:
    """Import files. Label Studio tells the columns in an order that changes from process to process."""
    pair = twin.post(f"/api/projects/{project}/import", files=files(*named), ignore=("data_columns",), **options)
    if pair.status == 201:
        columns = [sorted(answer.json()["data_columns"]) for answer in (pair.theirs, pair.ours)]
        assert columns[0] == columns[1]
    return pair


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"text,score\nhello,1\n\"x, y\",\n"), ("b.csv", b"text;score\nhello;1.5\n"), ("c.tsv", b"text\tn\nhello\t1\n"),
        ("d.txt", b"one\ntwo\r\n\nthree"), ("e.json", b'[{"text": "x"}, {"data": {"text": "y"}, "annotations": [{"result": []}]}]'),
        ("f.json", b'{"data": {"text": "x"}, "predictions": [{"result": []}]}'), ("g.html", b"<p>hello</p>"),
        ("h.png", b"\x89PNG"), ("X.CSV", b"text\nx\n"), ("a b (1) \xc3\xbc!.csv".encode("latin-1").decode("latin-1"), b"text\nx\n"),
        ("i.xml", "<a>ü</a>".encode()), ("name.with.dots.txt", b"x"), ("u.txt", "a\u2028b\x0bc\x85".encode()),
    ],
)  # fmt: skip
def test_one_file(twin: Twin, name: str, content: bytes):
    sent(twin, (name, content), params=IDS, expect=201)
    twin.rows()
    twin.get(f"/api/projects/{TEXT}/file-uploads", params={"all": "true"}, expect=200)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.zip", b"PK"), ("a", b"x"), ("a.exe", b"x"), ("a.csv", b""), ("a.csv", b"text\n"), ("a.csv", b"txt\nx\n"),
        ("a.csv", b"text,b\n1\n1,2,3\n"), ("a.csv", b'text\n"open\n'), ("a.txt", b""), ("a.json", b"[]"), ("a.json", b"{}"),
        ("a.json", b"[1]"), ("a.json", b'[{"data": [1]}]'), ("a.json", b'{"data": "x"}'), ("a.json", b"["), ("a.json", b"\xff"),
        ("a.txt", b"caf\xe9"), ("a.csv", b"text\ncaf\xe9\n"), ("a.json", b"5"), (".csv", b"text\nx"),
        ("a.html", b"\xff\xfe"),
    ],
)  # fmt: skip
def test_files_that_are_refused(twin: Twin, name: str, content: bytes):
    pair = twin.post(f"/api/projects/{TEXT}/import", files=files((name, content)), ignore=("validation_errors",))
    assert pair.status == 400
    twin.rows(ignore={"data_import_fileupload": KEPT_ROW})


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.json", b'[{"text": NaN}]'), ("a.csv", b"text\n\x00\n"), ("a.json", b'[{"text": "\\u0000"}]')],
)
def test_values_in_files_that_no_database_takes(twin: Twin, name: str, content: bytes):
    twin.probe("POST", f"/api/projects/{TEXT}/import", files=files((name, content)))


def test_several_files(twin: Twin):
    both = (("a.csv", b"text,a,b\nx,1,2\n"), ("b.tsv", b"b\ttext\n3\ty\n"), ("c.json", b'[{"text": "z"}]'))
    sent(twin, *both, params=IDS, expect=201)
    twin.rows()


def test_files_with_nothing_in_common(twin: Twin):
    sent(twin, ("a.csv", b"text\nx\n"), ("c.txt", b"1\n"), expect=400)
    twin.rows(ignore={"data_import_fileupload": KEPT_ROW})


def test_files_without_commit(twin: Twin):
    sent(twin, ("a.csv", b"text\nx\n"), ("b.csv", b"text\nx"), params={"commit_to_project": "false"}, expect=201)
    twin.rows()


@pytest.mark.parametrize("url", [
    '[{"text": "x"}]', '{"data": {"text": "x"}}', "[{'text': 'x'}]", "123", "{}", "no address", "http://", "ftp://example.com/x.csv",
    "http://127.0.0.1:1/x.csv", "http://10.0.0.1/x.csv", "http://[::1]/x.csv", "http://no-such-host.invalid/x.csv", "http://localhost:9/a.zip",
])  # fmt: skip
def test_addresses_and_json_in_a_form(twin: Twin, url: str):
    twin.post(f"/api/projects/{TEXT}/import", data={"url": url}, ignore=("validation_errors",))
    twin.rows(ignore={"data_import_fileupload": KEPT_ROW})


@pytest.mark.parametrize(
    "body",
    [
        [{"task": 1, "result": [REGION], "score": 0.5, "model_version": "x"}, {"task": 1, "result": [REGION]}],
        [{"task": 1, "result": [REGION | {"from_name": "no"}]}, {"task": 2, "result": []}],
        [{"task": 1, "result": [], "score": 7}, {"task": 1, "result": [REGION], "score": None, "model_version": None}],
        [{"task": 99999, "result": []}], [{"task": 1, "result": []}, {"result": []}], [{"task": "1", "result": []}], [], {}, [5],
        [{"task": 1}], [{"task": 1, "result": "Positive"}], [{"task": 1, "result": [REGION | {"value": {"choices": ["No"]}}]}],
        [{"task": 1, "result": [REGION | {"value": {}}]}], [{"task": 1, "result": [REGION | {"type": "labels"}]}],
        [{"task": 1, "result": [REGION | {"to_name": "image"}]}], [{"task": 86, "result": []}],
    ],
    ids=str,
)  # fmt: skip
def test_predictions_for_tasks(twin: Twin, body: Any):
    twin.probe("POST", f"/api/projects/{TEXT}/import/predictions", json=body, ignore=("skipped", "skipped_count"))


def test_predictions_into_another_project(twin: Twin):
    twin.probe("POST", "/api/projects/4/import/predictions", json=[], refused="other-organization")


def test_the_files_of_a_project(twin: Twin):
    first = sent(twin, ("a.csv", b"text\nx\ny\n"), expect=201)["file_upload_ids"][0]
    second = sent(twin, ("b.txt", b"z"), as_user="bob", expect=201)["file_upload_ids"][0]
    twin.rows()
    path = f"/api/projects/{TEXT}/file-uploads"
    for params in (
        {},
        {"all": "true"},
        {"ids": json.dumps([first, second])},
        {"ids": "[]"},
        {"all": "no", "ids": "[1]"},
    ):
        twin.get(path, params=params, expect=200, sort="id")
    repeated = twin.get(path, params={"ids": [first, second]}, differs="upload-ids")
    assert (repeated.theirs.status_code, repeated.ours.status_code) == (500, 200)
    assert [upload["id"] for upload in repeated.ours.json()] == [first]
    twin.get(path, params={"all": "true"}, as_user="bob", expect=200)
    twin.get(f"/api/import/file-upload/{first}", expect=200)
    twin.get("/api/import/file-upload/9999", differs="html-404")
    twin.patch(f"/api/import/file-upload/{first}", json={"file": "x"}, expect=400)
    twin.patch(f"/api/import/file-upload/{first}", json={}, expect=200)
    twin.patch(f"/api/import/file-upload/{first}", files={"file": ("n.csv", b"")}, expect=400)
    twin.put(f"/api/import/file-upload/{first}", json={}, expect=400)
    twin.patch(f"/api/import/file-upload/{first}", files={"file": ("n.csv", b"text\nnew\n")}, expect=200)
    twin.rows()
    twin.delete(path, json={"file_upload_ids": [second, 9999]}, expect=200)
    twin.rows()
    twin.delete(f"/api/import/file-upload/{first}", expect=204)
    twin.rows()
    twin.delete(path, expect=200)
    twin.rows()


def test_uploads_of_another_organization(twin: Twin):
    twin.probe("GET", "/api/import/file-upload/2", refused="other-organization")
