"""Uploaded files read again: the tasks that came from them are made anew, with all that hung on them gone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.test_imports import EMPTY, TEXT, sent
from tests.twin.twin import Twin


def uploaded(twin: Twin, name: str, content: bytes, project: int = TEXT, **options: Any) -> int:
    return int(sent(twin, (name, content), project=project, expect=201, **options)["file_upload_ids"][0])


def again(twin: Twin, body: Any, project: int = TEXT, **options: Any) -> Any:
    return twin.post(f"/api/projects/{project}/reimport", json=body, ignore=("data_columns",), **options)


def test_a_file_without_commit_is_read_later(twin: Twin):
    upload = uploaded(twin, "a.csv", b"text,n\nx,1\ny,2\n", params={"commit_to_project": "false"})
    twin.rows()
    again(twin, {"file_upload_ids": [upload]}, expect=201)
    twin.rows()
    again(twin, {"file_upload_ids": [upload], "files_as_tasks_list": True}, expect=201)
    twin.rows()


def test_what_hung_on_the_tasks_goes(twin: Twin):
    upload = uploaded(twin, "a.txt", b"one\ntwo", params={"return_task_ids": "true"})
    page = twin.get("/api/tasks/", params={"project": TEXT, "page": 3, "page_size": 40}, expect=200)
    task = page["tasks"][-1]["id"]
    region = {
        "id": "a",
        "from_name": "sentiment",
        "to_name": "text",
        "type": "choices",
        "value": {"choices": ["Positive"]},
    }
    twin.post(f"/api/tasks/{task}/annotations/", json={"result": [region]}, expect=201)
    twin.post(f"/api/tasks/{task}/drafts", json={"result": [region]}, expect=201)
    twin.post("/api/predictions/", json={"task": task, "result": [region]}, expect=201)
    twin.rows()
    again(twin, {"file_upload_ids": [upload], "files_as_tasks_list": True}, as_user="bob", expect=201)
    twin.rows()


def test_a_file_as_one_task(twin: Twin):
    upload = uploaded(twin, "a.csv", b"text\nx\ny\n")
    again(twin, {"file_upload_ids": [upload], "files_as_tasks_list": False}, expect=201)
    twin.rows()


@pytest.mark.parametrize(
    "body", [{}, {"file_upload_ids": []}, {"file_upload_ids": None}, {"files_as_tasks_list": "maybe"}]
)
def test_nothing_to_read(twin: Twin, body: Any):
    again(twin, body)
    twin.rows()


@pytest.mark.parametrize(
    "body",
    [{"file_upload_ids": "x"}, {"file_upload_ids": 5}, {"file_upload_ids": ["a"]}, {"file_upload_ids": [1]}, {"file_upload_ids": {"a": 1}}],
)  # fmt: skip
def test_ids_of_hostile_kinds_and_files_that_are_gone(twin: Twin, body: Any):
    twin.probe("POST", f"/api/projects/{TEXT}/reimport", json=body, ignore=("validation_errors",))


def test_an_upload_of_another_project(twin: Twin):
    again(twin, {"file_upload_ids": [9999]}, EMPTY, expect=201)
    twin.rows()
    again(twin, {"file_upload_ids": [9999]}, expect=201)
    twin.rows(differs={"projects_projectsummary.common_data_columns": "reimport-nothing"})


def test_what_became_of_imports_that_ran_as_jobs(twin: Twin):
    twin.execute(
        "INSERT INTO projects_projectimport (project_id, commit_to_project, return_task_ids, status, task_count, annotation_count,"
        " prediction_count, duration, file_upload_ids, could_be_tasks_list, found_formats, data_columns, task_ids)"
        " VALUES (1, true, false, 'completed', 3, 1, 0, 2, '[1]', false, '{}', '[]', '[5, 6]')"
    )
    twin.get("/api/projects/1/imports/1/", expect=200)
    twin.get("/api/projects/1/imports/2/", expect=404)
    twin.get("/api/projects/1/reimports/1/", expect=404)
