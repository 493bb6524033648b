"""Target storages follow what the API saves and deletes."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from console.app import build
from console.config import Settings
from console.service import Console
from tests.api_client import ApiClient, client_of
from tests.factories import BOTH_ENGINES

RESULT = [
    {"id": "r", "from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": ["Positive"]}}
]


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    (tmp_path / "root" / "out").mkdir(parents=True)
    return replace(settings, jobs="inline", local_files_root=tmp_path / "root", local_files_serving=True)


@pytest.fixture
def out(settings: Settings, console: Console) -> Path:
    """The directory of the only target of project 1, which may delete what it holds."""
    path = settings.local_files_root / "out"
    with console.deployment.write() as session:
        for statement in (
            "delete from io_storages_s3exportstoragelink", "delete from io_storages_s3exportstorage",
            "delete from io_storages_localfilesexportstoragelink", "update webhook set is_active = false",
        ):  # fmt: skip
            session.execute(text(statement))
        session.execute(text("update io_storages_localfilesmixin set path = :path where id = 2"), {"path": str(path)})
        session.execute(
            text("update io_storages_localfilesexportstorage set project_id = 1, can_delete_objects = true")
        )
    return path


@pytest.fixture
def alice(console: Console) -> Iterator[ApiClient]:
    yield client_of(build(console=console), console, "alice")


def links(console: Console) -> list[int]:
    with console.deployment.read() as session:
        return list(
            session.execute(text("select annotation_id from io_storages_localfilesexportstoragelink")).scalars()
        )


@BOTH_ENGINES
def test_an_annotation_is_written_changed_and_deleted(console: Console, alice: ApiClient, out: Path) -> None:
    made = alice.post("/api/tasks/60/annotations/", json={"result": RESULT}).get_json()["id"]
    written = json.loads((out / str(made)).read_text())
    assert (written["result"], written["task"]["id"], written["completed_by"]["email"]) == (
        RESULT,
        60,
        "alice@example.com",
    )
    assert links(console) == [made]
    alice.patch(f"/api/annotations/{made}/", json={"was_cancelled": True})
    assert json.loads((out / str(made)).read_text())["was_cancelled"] is True
    assert alice.delete(f"/api/annotations/{made}/").status_code == 204
    assert list(out.iterdir()) == []
    assert links(console) == []


def test_what_goes_with_its_task_is_deleted_too(console: Console, alice: ApiClient, out: Path) -> None:
    made = alice.post("/api/tasks/60/annotations/", json={"result": RESULT}).get_json()["id"]
    (out / "1").write_text("not ours: annotation 1 has no link")
    assert alice.delete("/api/tasks/60/").status_code == 204
    assert not (out / str(made)).exists()
    assert alice.delete("/api/annotations/1/").status_code == 204
    assert (out / "1").exists()


def test_a_target_that_may_not_delete_keeps_its_objects(console: Console, alice: ApiClient, out: Path) -> None:
    with console.deployment.write() as session:
        session.execute(text("update io_storages_localfilesexportstorage set can_delete_objects = false"))
    made = alice.post("/api/tasks/60/annotations/", json={"result": RESULT}).get_json()["id"]
    assert alice.delete(f"/api/annotations/{made}/").status_code == 204
    assert (out / str(made)).exists()


def test_a_bucket_that_does_not_answer_fails_no_request(
    console: Console, alice: ApiClient, out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    out.rmdir()
    made = alice.post("/api/tasks/60/annotations/", json={"result": RESULT})
    assert made.status_code == 201
    assert f"did not get annotation {made.get_json()['id']}" in caplog.text
    assert links(console) == []
    assert alice.delete(f"/api/annotations/{made.get_json()['id']}/").status_code == 204


def test_a_refused_change_writes_nothing(alice: ApiClient, out: Path) -> None:
    assert alice.patch("/api/annotations/1/", json={"result": "nonsense"}).status_code == 400
    assert list(out.iterdir()) == []


def test_whole_tasks_are_written_and_kept(settings: Settings, out: Path) -> None:
    console = Console(replace(settings, targets_hold_tasks=True))
    alice = client_of(build(console=console), console, "alice")
    made = alice.post("/api/tasks/60/annotations/", json={"result": RESULT}).get_json()["id"]
    assert made in [one["id"] for one in json.loads((out / "60.json").read_text())["annotations"]]
    assert alice.delete(f"/api/annotations/{made}/").status_code == 204
    assert (out / "60.json").exists()
    console.close()
