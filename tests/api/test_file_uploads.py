"""The files of imports: whose are listed, what deleting leaves, what another file does."""

from __future__ import annotations

import io

import pytest
from sqlalchemy import text

from console.service import Console
from console.state import audit
from tests.api_client import ApiClient

FILES = "/api/projects/1/file-uploads"


@pytest.fixture
def upload(alice: ApiClient) -> int:
    """An upload of alice's with two tasks."""
    answer = alice.post("/api/projects/1/import", data={"f": (io.BytesIO(b"text\nx\ny\n"), "a.csv")})
    return int(answer.json["file_upload_ids"][0])


def value(console: Console, statement: str) -> object:
    with console.deployment.read() as session:
        return session.execute(text(statement)).scalar()


def test_only_ones_own_are_listed(alice: ApiClient, bob: ApiClient, erin: ApiClient, upload: int):
    listed = alice.get(f"{FILES}?all=true").json
    assert upload in [one["id"] for one in listed]
    assert next(one["size"] for one in listed if one["id"] == upload) == 9
    assert any(one["size"] is None for one in listed)  # files of the dump are gone from the disk
    assert alice.get(FILES).json == [] and bob.get(f"{FILES}?ids=[{upload}]").json == []
    assert erin.get(f"{FILES}?all=true").status_code == 404


@pytest.mark.parametrize("ids", ["x", "[", '{"a": 1}', '["a"]', "[1.5]", "[null]"])
def test_ids_that_are_none(alice: ApiClient, ids: str):
    assert alice.get(FILES, query_string={"ids": ids}).status_code == 400
    assert alice.delete(FILES, json={"file_upload_ids": ids}).status_code == 400


def test_a_deleted_upload_leaves_its_tasks_and_its_file(alice: ApiClient, console: Console, upload: int):
    [shown] = alice.get(f"{FILES}?ids=[{upload}]").json
    assert alice.delete(FILES, json={"file_upload_ids": [upload, 99999]}).json == {"deleted": 1}
    assert (
        value(
            console,
            "select count(*) from task where inner_id in (86, 87) and project_id = 1 and file_upload_id is null",
        )
        == 2
    )
    assert (console.settings.base_data_dir / "media" / shown["file"]).exists()
    assert alice.get(f"/api/import/file-upload/{upload}").status_code == 404


def test_without_ids_all_of_the_project_go(alice: ApiClient, console: Console, upload: int):
    assert alice.delete(FILES).json == {"deleted": 2}
    assert value(console, "select count(*) from data_import_fileupload") == 1  # project 4's


def test_another_file(alice: ApiClient, erin: ApiClient, console: Console, upload: int):
    path = f"/api/import/file-upload/{upload}"
    assert erin.get(path).status_code == erin.delete(path).status_code == 404
    changed = alice.patch(path, data={"file": (io.BytesIO(b"text\nnew\n"), "b.csv")})
    assert changed.status_code == 200 and changed.json["id"] == upload and changed.json["file"].endswith("-b.csv")
    assert (console.settings.base_data_dir / "media" / changed.json["file"]).read_bytes() == b"text\nnew\n"
    assert value(console, "select count(*) from data_import_fileupload") == 3
    assert alice.patch(path, json={}).json == changed.json
    for method, body, message in (
        ("PATCH", {"json": {"file": "x"}}, "The submitted data was not a file"), ("PUT", {"json": {}}, "No file was submitted."),
        ("PATCH", {"data": {"file": (io.BytesIO(b""), "c.csv")}}, "The submitted file is empty."),
        ("PATCH", {"json": {"file": None}}, "This field may not be null."),
    ):  # fmt: skip
        answer = alice.send(method, path, **body)
        assert answer.status_code == 400 and message in answer.text
    again = alice.post("/api/projects/1/reimport", json={"file_upload_ids": [upload]})
    assert again.status_code == 201 and again.json["task_count"] == 1
    assert value(console, "select count(*) from task where file_upload_id = %d" % upload) == 1  # noqa: UP031


def test_uploads_and_what_a_reimport_deletes_are_in_the_audit_log(alice: ApiClient, console: Console, upload: int):
    kept = alice.post("/api/projects/1/import?commit_to_project=false", data={"f": (io.BytesIO(b"text\nx\n"), "b.csv")})
    assert kept.status_code == 201
    assert alice.post("/api/projects/1/reimport", json={"file_upload_ids": [upload]}).status_code == 201
    with console.store.read() as session:
        told = [(event.action, event.rows) for event in audit.latest(session, limit=3)]
    assert sorted(told) == [("deleted tasks", 2), ("imported tasks", 2), ("uploaded files", 1)]


def test_a_name_in_the_database_that_leads_out_of_the_directory(alice: ApiClient, console: Console, upload: int):
    outside = console.settings.base_data_dir / "secret.txt"
    outside.write_text("secret")
    with console.deployment.write() as session:
        session.execute(text("update data_import_fileupload set file = '../secret.txt' where id = :id"), {"id": upload})
    assert alice.get(f"/api/import/file-upload/{upload}").json["size"] is None
    answer = alice.post("/api/projects/1/reimport", json={"file_upload_ids": [upload]})
    assert answer.status_code == 400 and "secret" not in answer.text.replace("secret.txt", "")


def test_a_directory_that_cannot_be_written_to(alice: ApiClient, console: Console):
    blocked = console.settings.data_dir / "a-file"
    blocked.write_text("")
    console.settings = console.settings.with_(base_data_dir=blocked)
    answer = alice.post("/api/projects/1/import", data={"f": (io.BytesIO(b"text\nx\n"), "a.csv")})
    assert answer.status_code == 400 and "BASE_DATA_DIR" in answer.text
    assert value(console, "select count(*) from task where project_id = 1") == 85
