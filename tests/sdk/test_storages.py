"""Storages: types, connect, try, sync, change, take away; local files and S3."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from label_studio_sdk import LabelStudio
from label_studio_sdk.core.api_error import ApiError

from tests.sdk.site import Site
from tests.servers import s3_server

KEYS = {"aws_access_key_id": "AKIAEXAMPLE000000009", "aws_secret_access_key": "not-a-real-secret"}


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """An S3 server with three pictures and a JSON task in the bucket `data`."""
    with s3_server() as url:
        client = boto3.client(
            "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        client.create_bucket(Bucket="data")
        for key in ("img/a.png", "img/b.png", "img/deep/c.png"):
            client.put_object(Bucket="data", Key=key, Body=b"png")
        client.put_object(Bucket="data", Key="tasks/one.json", Body=b'[{"text": "first"}, {"text": "second"}]')
        yield url


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A directory with two tasks, one of them a folder below, and a text."""
    directory = tmp_path / "files"
    (directory / "deep").mkdir(parents=True)
    (directory / "one.json").write_text('{"text": "first"}')
    (directory / "deep" / "two.json").write_text('{"data": {"text": "second"}}')
    (directory / "readme.txt").write_text("nothing")
    return directory


def test_types(ls: LabelStudio):
    wanted = ["s3", "gcs", "azure", "redis", "localfiles"]
    assert [one.name for one in ls.import_storage.list_types()] == wanted
    assert [one.name for one in ls.export_storage.list_types()] == wanted


def test_local_files_become_tasks(ls: LabelStudio, new_project: Callable[..., int], files: Path):
    project = new_project()
    settings = {"project": project, "path": str(files), "regex_filter": r".*\.json$"}
    ls.import_storage.local.validate(**settings)
    made = ls.import_storage.local.create(**settings, title="Texts", use_blob_urls=False)
    assert (made.title, made.status, made.last_sync_count) == ("Texts", "initialized", None)
    synced = ls.import_storage.local.sync(made.id)
    assert (synced.status, synced.last_sync_count) == ("completed", 1)
    assert [task.data for task in ls.tasks.list(project=project)] == [{"text": "first"}]
    changed = ls.import_storage.local.update(made.id, path=str(files), recursive_scan=True)
    assert changed.recursive_scan is True
    again = ls.import_storage.local.sync(made.id)
    assert (again.last_sync_count, again.meta["tasks_existed"], again.meta["attempts"]) == (1, 1, 2)
    assert [one.id for one in ls.import_storage.local.list(project=project)] == [made.id]
    ls.import_storage.local.delete(made.id)
    assert ls.import_storage.local.list(project=project) == []
    assert len(list(ls.tasks.list(project=project))) == 2


def test_pictures_of_s3_become_tasks(ls: LabelStudio, new_project: Callable[..., int], s3: str):
    project = new_project()
    place = {"project": project, "bucket": "data", "prefix": "img", "s3endpoint": s3, **KEYS}
    ls.import_storage.s3.validate(**place)
    made = ls.import_storage.s3.create(**place, use_blob_urls=True, recursive_scan=True, presign_ttl=30)
    assert (made.bucket, made.aws_secret_access_key, made.presign_ttl) == ("data", None, 30)
    assert ls.import_storage.s3.sync(made.id).last_sync_count == 3
    tried = ls.import_storage.s3.get(made.id)
    assert (tried.status, tried.s3endpoint) == ("completed", s3)
    assert len(list(ls.tasks.list(project=project))) == 3
    ls.import_storage.s3.validate(id=made.id, project=project, bucket="data", prefix="tasks/", s3endpoint=s3)


def test_lists_of_tasks_in_s3(ls: LabelStudio, new_project: Callable[..., int], s3: str):
    project = new_project()
    made = ls.import_storage.s3.create(project=project, bucket="data", prefix="tasks/", s3endpoint=s3, **KEYS)
    assert ls.import_storage.s3.sync(made.id).last_sync_count == 2
    assert [task.data["text"] for task in ls.tasks.list(project=project)] == ["first", "second"]


def test_annotations_go_to_a_directory(ls: LabelStudio, new_project: Callable[..., int], tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    project = new_project()
    result = [
        {"id": "r", "from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": ["Positive"]}}
    ]
    ls.projects.import_tasks(id=project, request=[{"data": {"text": "x"}, "annotations": [{"result": result}]}])
    ls.export_storage.local.validate(project=project, path=str(out))
    made = ls.export_storage.local.create(project=project, path=str(out), title="Out")
    synced = ls.export_storage.local.sync(made.id)
    assert (synced.status, synced.last_sync_count, synced.meta["total_annotations"]) == ("completed", 1, 1)
    [file] = out.iterdir()
    written = json.loads(file.read_text())
    assert (written["id"], written["result"], written["task"]["data"]) == (int(file.name), result, {"text": "x"})
    assert written["completed_by"] == {
        "id": 1,
        "first_name": "Alice",
        "last_name": "Tester",
        "email": "alice@example.com",
    }
    ls.export_storage.local.delete(made.id)
    assert ls.export_storage.local.list(project=project) == []
    assert file.exists()


def test_refusals(ls: LabelStudio, new_project: Callable[..., int], tmp_path: Path):
    project = new_project()
    with pytest.raises(ApiError) as error:
        ls.import_storage.local.create(project=project, path=str(tmp_path / "none"))
    assert f'Absolute local path "{tmp_path}/none" does not exist' in str(error.value.body)
    with pytest.raises(ApiError) as missing:
        ls.import_storage.s3.get(9999)
    assert missing.value.status_code == 404
    with pytest.raises(ApiError):
        ls.import_storage.gcs.validate(project=project, bucket="b", google_application_credentials="{")


@pytest.mark.console_only
def test_a_filter_that_is_no_expression(ls: LabelStudio, new_project: Callable[..., int]):
    with pytest.raises(ApiError) as error:
        ls.import_storage.s3.create(project=new_project(), regex_filter="*.png")
    assert error.value.body["validation_errors"]["regex_filter"][0].endswith(r"write .*\.png$")


def test_scripts_of_the_old_client(
    site: Site, new_project: Callable[..., int], files: Path, s3: str, monkeypatch: pytest.MonkeyPatch
):
    """`connect_…` and `sync_…` of the SDK before 1.0."""
    project = site.legacy().get_project(new_project())
    made = project.connect_s3_import_storage(
        "data", prefix="img/", use_blob_urls=True, s3_endpoint=s3, recursive_scan=True, **KEYS
    )
    assert made["bucket"] == "data"
    assert project.sync_import_storage("s3", made["id"])["last_sync_count"] == 3
    monkeypatch.setenv("LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT", "/")
    local = project.connect_local_import_storage(str(files), regex_filter=r".*\.json$", use_blob_urls=False)
    assert project.sync_import_storage("localfiles", local["id"])["last_sync_count"] == 1
