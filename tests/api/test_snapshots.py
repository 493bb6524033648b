"""Export snapshots over HTTP: their life, their files, and jobs that die."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from console import jobs
from console.config import Settings
from console.service import Console
from console.state.models import JobRow
from tests.api.statements import at_most, values
from tests.api_client import ApiClient
from tests.factories import BOTH_ENGINES

SNAPSHOTS = "/api/projects/1/exports/"


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    return replace(settings, base_data_dir=tmp_path / "label-studio")


@pytest.fixture
def media(settings: Settings) -> Path:
    return settings.base_data_dir / "media"


def make(client: ApiClient, path: str = SNAPSHOTS, **options: Any) -> dict[str, Any]:
    answer = client.post(path, json=options)
    assert answer.status_code == 201, answer.text
    return answer.get_json()


def execute(console: Console, statement: str, **parameters: Any) -> None:
    with console.deployment.write() as session:
        session.execute(text(statement), parameters)


@BOTH_ENGINES
def test_the_life_of_a_snapshot(alice: ApiClient, console: Console, media: Path) -> None:
    made = make(alice)
    minute = datetime.now(UTC).strftime("%Y-%m-%d-%H-")
    assert made["title"].startswith(f"Review-sentiment-at-{minute}") and made["status"] == "completed"
    assert made["counters"] == {"task_number": 85} and made["converted_formats"] == [] and made["finished_at"]
    assert made["created_by"]["email"] == "alice@example.com" and made["task_filter_options"] is None
    [(stored, md5)] = values(console, "select file, md5 from data_export_export where id = :id", id=made["id"])
    assert stored.startswith("export/1/project-1-at-") and stored.endswith(f"-{made['md5'][:8]}.json")
    content = (media / stored).read_bytes()
    assert hashlib.md5(content).hexdigest() == made["md5"] == md5 and len(json.loads(content)) == 85
    path = f"{SNAPSHOTS}{made['id']}"
    found = alice.get(path).get_json()
    assert found == {name: value for name, value in made.items() if not name.endswith("_options")}
    assert alice.get(SNAPSHOTS).get_json()[0] == found
    whole = alice.get(f"{path}/download")
    assert whole.data == content and whole.headers["filename"] == stored and whole.mimetype == "application/json"
    assert alice.get(f"{path}/download", headers={"Range": "bytes=0-9"}).data == content[:10]
    assert alice.delete(path).status_code == 204
    assert not (media / stored).exists() and alice.get(path).status_code == 404
    assert [row["id"] for row in alice.get(SNAPSHOTS).get_json()] == [1]


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@pytest.mark.parametrize("version", ["1.8.2.post1"])
def test_the_oldest_release_has_snapshots(alice: ApiClient) -> None:
    made = make(
        alice, title="old", serialization_options={"drafts": {}, "predictions": {}, "annotations__completed_by": {}}
    )
    path = f"{SNAPSHOTS}{made['id']}"
    task = alice.get(f"{path}/download").get_json()[0]
    assert task["predictions"][0]["result"] and task["annotations"][0]["completed_by"]["email"]
    assert alice.post(f"{path}/convert", json={"export_type": "CSV"}).status_code == 200
    assert alice.get(path).get_json()["converted_formats"][0]["status"] == "completed"
    assert b'"sentiment"' in alice.get(f"{path}/download?exportType=CSV").data


def test_conversions(alice: ApiClient, console: Console, media: Path) -> None:
    path = f"{SNAPSHOTS}{make(alice)['id']}"
    for kind in ("CSV", "CONLL2003", "BRUSH_TO_PNG"):
        assert alice.post(f"{path}/convert", json={"export_type": kind}).get_json()["export_type"] == kind
    again = alice.post(f"{path}/convert", json={"export_type": "CSV"})
    assert again.status_code == 400 and "Conversion to CSV already started" in again.text
    found = {one["export_type"]: one for one in alice.get(path).get_json()["converted_formats"]}
    assert {kind: one["status"] for kind, one in found.items()} == {
        "CSV": "completed", "CONLL2003": "completed", "BRUSH_TO_PNG": "failed",
    }  # fmt: skip
    assert "No converted file found" in found["BRUSH_TO_PNG"]["traceback"]
    assert alice.post(f"{path}/convert", json={"export_type": "BRUSH_TO_PNG"}).status_code == 200, (
        "a failed one may be tried again"
    )
    rows = values(console, "select file from data_export_convertedformat where status = 'completed' order by id")
    assert [Path(name).suffix for (name,) in rows] == [".csv", ".conll"] and all(
        (media / name).is_file() for (name,) in rows
    )
    assert alice.get(f"{path}/download?exportType=CSV").data == (media / rows[0][0]).read_bytes()
    alice.delete(path)
    assert not values(console, "select id from data_export_convertedformat") and not any(
        (media / name).exists() for (name,) in rows
    )


def test_label_studios_own_file_is_converted(alice: ApiClient, console: Console, media: Path) -> None:
    tasks = alice.get("/api/projects/1/export").get_json(force=True)
    place = media / "export" / "1"
    place.mkdir(parents=True)
    [(name,)] = values(console, "select file from data_export_export where id = 1")
    (media / name).write_text(json.dumps(tasks, indent=1))
    for kind in ("JSON_MIN", "CSV", "TSV"):
        converted = alice.get(f"{SNAPSHOTS}1/download?exportType={kind}")
        assert converted.status_code == 200, converted.text
        if kind in {"CSV", "TSV"}:
            assert converted.data == alice.get(f"/api/projects/1/export?exportType={kind}").data
    (media / name).write_bytes(b'[{"id": 1, "annotations": [{"result": [')
    assert alice.get(f"{SNAPSHOTS}1/download?exportType=CSV").status_code == 400
    assert alice.get(f"{SNAPSHOTS}1/download?exportType=YOLO").status_code == 400


def test_a_file_outside_of_the_media_directory_is_not_served(alice: ApiClient, console: Console, media: Path) -> None:
    secret = media.parent / "secret.json"
    media.mkdir(parents=True)
    secret.write_text("{}")
    for name in ("../secret.json", str(secret), "export/../../secret.json", "", "export", "nul\x00"):
        if "\x00" not in name:
            execute(console, "update data_export_export set file = :name where id = 1", name=name)
        assert alice.get(f"{SNAPSHOTS}1/download").status_code == 404
        assert alice.get(f"{SNAPSHOTS}1/download?exportType=CSV").status_code == 404
    (media / "export").mkdir()
    (media / "export" / 'odd "ö\n.json').write_text("[]")
    execute(console, "update data_export_export set file = :name where id = 1", name='export/odd "ö\n.json')
    assert alice.get(f"{SNAPSHOTS}1/download").headers["filename"] == "export/odd ___.json"
    execute(console, "update data_export_export set file = '../secret.json' where id = 1")
    assert alice.delete(f"{SNAPSHOTS}1").status_code == 204
    assert secret.exists(), "and not removed"


def test_a_place_that_cannot_be_written(alice: ApiClient, media: Path, console: Console) -> None:
    media.parent.mkdir()
    media.write_text("a file where the directory should be")
    made = make(alice)
    assert made["status"] == "failed" and made["finished_at"]
    [job] = _jobs(console)
    assert job.status == "failed" and "BASE_DATA_DIR" in job.error


def test_other_peoples_snapshots(alice: ApiClient, erin: ApiClient, anonymous: ApiClient) -> None:
    for method, path in (
        ("GET", ""), ("DELETE", ""), ("GET", "/download"), ("POST", "/convert"),
    ):  # fmt: skip
        assert erin.send(method, f"{SNAPSHOTS}1{path}").status_code == 404
        assert anonymous.send(method, f"{SNAPSHOTS}1{path}").status_code == 401
        assert alice.send(method, f"/api/projects/2/exports/1{path}").status_code == 404
        assert alice.send(method, f"/api/projects/1/exports/2{path}").status_code == 404, "snapshot 2 is of project 4"
    assert erin.post(SNAPSHOTS, json={}).status_code == 404 and erin.get(SNAPSHOTS).status_code == 404


def test_a_snapshot_through_a_tab(alice: ApiClient, console: Console) -> None:
    filters = {"conjunction": "and", "items": [
        {"filter": "filter:tasks:id", "operator": "less_or_equal", "type": "Number", "value": 5}]}  # fmt: skip
    view = alice.post("/api/dm/views/", json={"project": 1, "data": {"filters": filters}}).get_json()["id"]
    made = make(alice, task_filter_options={"view": view})
    assert [task["id"] for task in alice.get(f"{SNAPSHOTS}{made['id']}/download").get_json()] == [1, 2, 3, 4, 5]


def test_lists_take_few_statements(alice: ApiClient, console: Console) -> None:
    for _ in range(3):
        make(alice)
    with at_most(console, 6):
        assert len(alice.get(SNAPSHOTS).get_json()) == 4


# --- jobs


def _jobs(console: Console) -> list[JobRow]:
    found, _ = jobs.finished(console.store, offset=0, limit=10)
    return found


def test_progress_is_seen_on_the_page_of_jobs(alice: ApiClient, console: Console) -> None:
    made = make(alice)
    alice.post(f"{SNAPSHOTS}{made['id']}/convert", json={"export_type": "TSV"})
    conversion, export = _jobs(console)
    assert (export.kind, export.status, export.done, export.total) == ("export", "done", 85, 85)
    assert export.result == {"project": 1, "snapshot": made["id"], "tasks": 85} and "project 1" in export.title
    assert (conversion.kind, conversion.status) == ("conversion", "done") and "TSV" in conversion.title


def test_a_job_that_died_leaves_no_snapshot_running(alice: ApiClient, console: Console, app: Flask) -> None:
    made = make(alice)
    execute(console, "update data_export_export set status = 'in_progress' where id in (1, :id)", id=made["id"])
    [job] = _jobs(console)
    with console.store.session() as session:
        row = session.get_one(JobRow, job.id)
        row.status, row.owner, row.finished_at = "running", "nowhere:1:0", None
        row.heartbeat_at = datetime(2020, 1, 1, tzinfo=UTC)
    path = f"{SNAPSHOTS}{made['id']}"
    assert alice.get(path).get_json()["status"] == "failed", "told as it is"
    [(stored,)] = values(console, "select status from data_export_export where id = :id", id=made["id"])
    assert stored == "in_progress", "looking changes nothing"
    jobs.settle_rows(console)
    states = dict(values(console, "select id, status from data_export_export"))
    assert states[made["id"]] == "failed" and states[1] == "in_progress", "Label Studio's own are left alone"
    assert alice.post(f"{path}/convert", json={"export_type": "CSV"}).status_code == 400


def test_a_stopped_job_leaves_a_failed_row_and_no_file(
    alice: ApiClient, console: Console, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs.Progress, "cancelled", lambda self: True)
    made = make(alice)
    assert made["status"] == "failed"
    assert _jobs(console)[0].status == "cancelled" and not list((media / "export" / "1").iterdir())


def test_jobs_on_threads_are_answered_at_once(app: Flask, console: Console, alice: ApiClient) -> None:
    console.settings = replace(console.settings, jobs="threads")
    made = make(alice)
    assert made["status"] in {"in_progress", "completed"}
    [job] = jobs.running(console.store, "export") or _jobs(console)
    assert jobs.wait(console.store, job.id, 20).status == "done"
    assert alice.get(f"{SNAPSHOTS}{made['id']}").get_json()["status"] == "completed"


def test_a_queue_that_does_not_answer(app: Flask, console: Console, alice: ApiClient) -> None:
    console.settings = replace(console.settings, jobs="rq", queue_url="redis://127.0.0.1:9/0")
    answer = alice.post(SNAPSHOTS, json={})
    assert answer.status_code == 400 and "does not answer" in answer.get_json()["detail"]
    assert alice.get(SNAPSHOTS).get_json()[0]["status"] == "failed"
