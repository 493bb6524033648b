"""A sync makes the tasks, links and counters that Label Studio's makes, once; and says how it ended.

That rows are equal to Label Studio's is what tests/twin/test_storage_sync.py compares; here is what it cannot.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from sqlalchemy import text
from sqlalchemy.orm import Session

from console.deployment import Deployment
from console.deployment.buckets import BucketDenied, BucketError
from console.deployment.storages import storage as find
from console.errors import NotFound, Refused
from console.labeling.db import Caller, Db
from console.labeling.storages import dry_run, links, making, sync
from tests import servers
from tests.factories import BOTH_ENGINES, LABEL_CONFIG, make_project, make_row
from tests.labeling.storages.conftest import Files
from tests.s3_server import Stored

S3 = Callable[..., SimpleNamespace]
ALL_VERSIONS = pytest.mark.parametrize("version", ["1.8.2.post1", "1.13.1", "1.18.0", "1.23.2"])
LOCAL = "io_storages_localfilesimportstorage"


def rows(session: Session, statement: str, **values: Any) -> list[dict[str, Any]]:
    session.rollback()
    found = [dict(row) for row in session.execute(text(statement), values).mappings()]
    session.rollback()
    return found


def row_of(session: Session, storage: SimpleNamespace) -> dict[str, Any]:
    [row] = rows(session, f"SELECT * FROM {LOCAL} WHERE localfilesmixin_ptr_id = :id", id=storage.id)
    if isinstance(row.get("meta"), str):
        row["meta"] = json.loads(row["meta"])
    return row


def tasks_of(session: Session, storage: SimpleNamespace) -> list[dict[str, Any]]:
    return rows(session, "SELECT * FROM task WHERE project_id = :p ORDER BY id", p=storage.project_id)


def refused(deployment: Deployment, storage: SimpleNamespace, **options: Any) -> sync.SyncFailed:
    with pytest.raises(sync.SyncFailed) as caught:
        sync.run(deployment, storage.reference, **options)
    return caught.value


@ALL_VERSIONS
@BOTH_ENGINES
def test_every_release_takes_files_and_tasks(
    deployment: Deployment, session: Session, files: Files, version: str
) -> None:
    media = files({"b.jpg": b"x", "a.jpg": b"y", "deep/c.jpg": b"z"}, use_blob_urls=True)
    outcome = sync.run(deployment, media.reference, by="alice@example.com")
    assert (outcome["tasks"], outcome["status"], outcome["existed"]) == (3, "completed", 0)
    assert [task["inner_id"] for task in tasks_of(session, media) if "inner_id" in task] in ([1, 2, 3], [])
    again = sync.run(deployment, media.reference, by="alice@example.com")
    assert (again["tasks"], again["existed"]) == (0, 3)
    one = files({"a.json": {"data": {"text": "x"}, "annotations": [{"result": []}]}})
    assert sync.run(deployment, one.reference, by="alice@example.com")["annotations"] == 1
    many = files({"a.json": [{"text": "x"}, {"text": "y"}]})
    if version == "1.23.2":
        assert sync.run(deployment, many.reference)["tasks"] == 2
    else:
        assert "one task per file" in str(refused(deployment, many))


def test_the_row_tells_how_it_went(deployment: Deployment, session: Session, files: Files) -> None:
    storage = files({"a.json": {"text": "x"}}, meta={"attempts": 4, "old": 1})
    sync.run(deployment, storage.reference, job_id="ours")
    row = row_of(session, storage)
    assert (row["status"], row["last_sync_count"], row["last_sync_job"]) == ("completed", 1, "ours")
    assert row["last_sync"] is not None and row["meta"]["attempts"] == 5
    assert row["meta"].keys() == {
        "attempts", "time_queued", "time_in_progress", "time_last_ping", "time_completed", "duration", "tasks_existed",
    }  # fmt: skip
    (storage.directory / "b.json").write_text("no")
    error = refused(deployment, storage)
    row = row_of(session, storage)
    assert row["status"] == "failed" and "b.json" in row["traceback"] and "first sign" in row["traceback"]
    assert row["meta"].keys() >= {"time_failure", "duration"} and error.tasks == 0


def test_a_task_that_is_left_out_is_told(deployment: Deployment, session: Session, files: Files) -> None:
    bad = {"data": {"text": "x"}, "predictions": [{"result": ["no object"]}]}
    storage = files({"a.json": bad, "b.json": [{"text": "y"}, bad, {"text": "z"}]})
    outcome = sync.run(deployment, storage.reference)
    assert (outcome["tasks"], outcome["problem_count"], outcome["status"]) == (2, 2, "completed_with_errors")
    row = row_of(session, storage)
    assert row["meta"]["tasks_failed_validation"] == 2 and row["last_sync_count"] == 2
    assert row["traceback"].splitlines()[0] == (
        f"Validation error for task from {storage.directory}/a.json: "
        "[ErrorDetail(string='Each item in prediction result should be dict', code='invalid')]"
    )


def test_annotations_without_the_form_of_the_api_are_left_out_and_not_counted(
    deployment: Deployment, session: Session, files: Files
) -> None:
    good = {
        "result": [{"from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": ["Positive"]}}]
    }
    for wrong in (
        {"result": None}, {"result": {}}, {"completed_by": 999_999}, {"completed_by": {"id": 1}}, {"lead_time": "soon"},
        {"was_cancelled": "maybe"}, {"parent_prediction": 999_999}, {"import_id": 1.5}, {"last_action": "flown"},
    ):  # fmt: skip
        storage = files(
            {"a.json": {"data": {"text": "x"}, "annotations": [good, good | wrong], "predictions": [{"score": 1}]}}
        )
        outcome = sync.run(deployment, storage.reference)
        [task] = tasks_of(session, storage)
        assert (outcome["tasks"], outcome["annotations"], outcome["dropped"]) == (1, 0, 3), wrong
        assert (task["total_annotations"], task["total_predictions"], bool(task["is_labeled"])) == (0, 0, False)


def test_a_unique_id_that_is_taken_ends_the_sync_there(deployment: Deployment, session: Session, files: Files) -> None:
    twice = {
        "data": {"text": "x"},
        "annotations": [{"result": [], "unique_id": "6b1c9d5e-6c6d-4f4e-9a52-3f1f6a1d2c11"}],
    }
    storage = files({"a.json": {"text": "x"}, "b.json": twice, "c.json": twice, "d.json": {"text": "y"}})
    assert refused(deployment, storage).tasks == 2
    assert "c.json" in row_of(session, storage)["traceback"]
    assert refused(deployment, storage).tasks == 0  # it stands in the database now


def test_a_filter_that_is_none_fails_before_anything_is_made(
    deployment: Deployment, session: Session, files: Files
) -> None:
    storage = files({"a.json": {"text": "x"}}, regex_filter="*.json")
    assert "nothing to repeat" in str(refused(deployment, storage))
    assert row_of(session, storage)["status"] == "failed"


def test_what_may_not_be_synced(deployment: Deployment, session: Session, files: Files) -> None:
    storage = files({"a.json": {"text": "x"}}, synchronizable=False)
    with pytest.raises(Refused, match="not synchronizable"):
        sync.run(deployment, storage.reference)
    with pytest.raises(Refused, match="target storage"):
        sync.run(deployment, "s3-export:1")
    with pytest.raises(NotFound):
        sync.run(deployment, "s3:999")
    gone = files({}, path="/nowhere/at/all")
    with pytest.raises(BucketError):
        sync.run(deployment, gone.reference)
    assert row_of(session, gone)["status"] == "initialized"


def test_it_can_be_stopped_and_goes_on_later(
    deployment: Deployment, session: Session, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "_PART_TASKS", 3)
    storage = files({f"{number}.json": {"text": "x"} for number in range(10)})
    with pytest.raises(sync.Interrupted, match="3 tasks"):
        sync.run(deployment, storage.reference, stopped=lambda: True)
    assert row_of(session, storage)["status"] == "failed"
    assert sync.run(deployment, storage.reference)["tasks"] == 7


def test_a_source_without_an_end_ends_after_some_hours(
    deployment: Deployment, session: Session, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = files({"a.json": {"text": "a"}})
    monkeypatch.setattr(sync, "LONGEST_SECONDS", 0.0)
    assert "longer than 0 hours. Sync again" in str(refused(deployment, storage))
    assert row_of(session, storage)["status"] == "failed"
    monkeypatch.setattr(sync, "LONGEST_SECONDS", 3600.0)
    assert sync.run(deployment, storage.reference)["status"] == "completed"


def test_it_says_that_it_lives_while_one_object_takes_long(deployment: Deployment, session: Session, s3: S3) -> None:
    storage = s3({"a.json": {"text": "x"}, "b.json": {"text": "y"}})
    storage.bucket.faults["GET b.json"] = "slow"
    storage.server.slow_seconds = 0.8
    started = time.time()
    sync.run(deployment, storage.reference)
    [row] = rows(session, "SELECT meta FROM io_storages_s3importstorage WHERE id = :id", id=storage.id)
    meta = json.loads(row["meta"]) if isinstance(row["meta"], str) else row["meta"]
    assert meta["time_last_ping"] > meta["time_in_progress"] and time.time() - started >= 0.8


def test_an_object_that_may_not_be_read(deployment: Deployment, session: Session, s3: S3) -> None:
    storage = s3({"a.json": {"text": "x"}, "b.json": {"text": "y"}})
    storage.bucket.faults["GET b.json"] = "deny"
    error = refused(deployment, storage)
    assert error.tasks == 1 and "b.json" in str(error)
    storage.bucket.faults["LIST"] = storage.bucket.faults["HEADBUCKET"] = "deny"
    with pytest.raises(BucketDenied):
        sync.run(deployment, storage.reference)


def test_an_object_of_ten_gigabytes_is_refused_or_streamed(deployment: Deployment, s3: S3) -> None:
    storage = s3({"a.json": {"text": "x"}, "huge.json": Stored(size=10 << 30)})
    assert "its first sign" in str(refused(deployment, storage))


def test_a_large_list_is_stored_while_it_is_read(
    deployment: Deployment, session: Session, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "SMALL_BYTES", 1000)
    monkeypatch.setattr("console.labeling.storages.reading.SMALL_BYTES", 1000)
    large = json.dumps([{"text": f"{number} " * 20} for number in range(3_000)]).encode()
    storage = files({"a.json": {"text": "x"}, "b.json": large, "c.json": large[:-2], "d.json": {"text": "y"}})
    error = refused(deployment, storage)
    assert error.tasks == 3_001 and "c.json" in str(error)
    (storage.directory / "c.json").unlink()
    assert sync.run(deployment, storage.reference)["tasks"] == 1
    found = rows(
        session, f"SELECT row_index FROM {LOCAL}link WHERE storage_id = :i AND key LIKE '%b.json'", i=storage.id
    )
    assert sorted(row["row_index"] for row in found) == list(range(3_000))


def test_webhooks_and_summary_hear_of_the_tasks(deployment: Deployment, session: Session, files: Files) -> None:
    project = make_project(session, label_config=LABEL_CONFIG)
    make_row(
        session, "webhook", organization_id=1, project_id=project.id, url="http://127.0.0.1:1/", headers={}, is_active=True,
        send_payload=True, send_for_all_actions=True, created_at=datetime.now(UTC), updated_at=datetime.now(UTC),
    )  # fmt: skip
    storage = files({"a.json": [{"text": "x"}, {"text": "y", "more": 1}]}, project=project)
    told: list[Any] = []
    sync.run(deployment, storage.reference, tell=lambda caller, announcements, work: told.extend(announcements))
    assert [(one.action, len(one.ids)) for one in told] == [("TASKS_CREATED", 2)]
    [summary] = rows(session, "SELECT * FROM projects_projectsummary WHERE project_id = :p", p=project.id)
    assert str(summary["all_data_columns"]).replace("'", '"') == '{"text": 2, "more": 1}'


def test_links_are_found_by_their_whole_key(deployment: Deployment, session: Session, files: Files) -> None:
    storage = files({"a.json": [{"text": "x"}, {"text": "y"}], "b.json": {"text": "z"}})
    sync.run(deployment, storage.reference)
    with deployment.read() as reading:
        db = Db(reading, deployment.schema, Caller(0, "", None))
        known = links.KnownLinks(db, find(reading, deployment.schema, storage.reference))
        keys = [f"{storage.directory}/{name}" for name in ("a.json", "b.json", "c.json", "A.json", "")]
        assert (known.tasks(keys), len(known)) == ([2, 1, 0, 0, 0], 3)
        found = links.linked_since(db, find(reading, deployment.schema, storage.reference), 0, keys)
        assert found == set(keys[:2])


def test_target_storages_are_owed_the_annotations(deployment: Deployment, session: Session, files: Files) -> None:
    storage = files(
        {"a.json": {"data": {"text": "x"}, "annotations": [{"result": []}, {"result": []}]}, "b.json": {"text": "y"}}
    )
    owed: list[Any] = []
    sync.run(deployment, storage.reference, tell=lambda caller, announcements, work: owed.extend(work))
    made = rows(session, "SELECT id FROM task_completion WHERE project_id = :p ORDER BY id", p=storage.project_id)
    assert [(one.project_id, list(one.ids)) for one in owed] == [(storage.project_id, [row["id"] for row in made])]
    assert len(made) == 2


def test_redis_keys_become_tasks(deployment: Deployment, session: Session) -> None:
    """Keys that start with the path, in whatever order; an empty value is passed over."""
    project = make_project(session)
    with servers.redis_server() as url:
        address = urlsplit(url)
        parent = make_row(
            session, "io_storages_redisstoragemixin", path="tasks:", host=address.hostname, port=str(address.port),
            password=None, regex_filter="nothing", use_blob_urls=False,
        )  # fmt: skip
        make_row(
            session, "io_storages_redisimportstorage", redisstoragemixin_ptr_id=parent.id, db=1, project_id=project.id,
            title="redis", status="initialized", meta={}, synchronizable=True,
        )  # fmt: skip
        link = redis.Redis(str(address.hostname), int(address.port or 0), db=1)
        link.mset({f"tasks:{number}": json.dumps({"text": str(number)}) for number in range(1_200)})
        link.mset({"tasks:empty": "", "other:1": "{}"})
        reference = f"redis:{parent.id}"
        assert dry_run.look(deployment, reference, options=dry_run.Options(contents=0))["new"]["tasks"] == 1_200
        assert sync.run(deployment, reference)["tasks"] == 1_200
        assert (again := sync.run(deployment, reference))["tasks"] == 0 and again["existed"] == 1_200
