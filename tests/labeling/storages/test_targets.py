"""Target syncs: what is written, what failed, what a second run and a killed one leave behind."""

from __future__ import annotations

import json
import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from console.config import Settings
from console.deployment import Deployment
from console.deployment.buckets import BucketDenied, BucketProblem, BucketUnreachable
from console.deployment.storages import Storage
from console.deployment.storages import storage as find_storage
from console.errors import NotFound, Refused
from console.labeling.storages import targets
from console.labeling.storages.sync import Interrupted, SyncFailed
from tests.factories import BOTH_ENGINES

LOCAL, S3 = "localfiles-export:2", "s3-export:1"


class Memory:
    """A bucket that keeps what is put. `refuse` says of a key whether, and why, it does not take it."""

    where = "memory"

    def __init__(self, refuse: Any = lambda key: None) -> None:
        self.objects: dict[str, bytes] = {}
        self.refuse = refuse
        self.puts = 0
        self.lock = threading.Lock()

    def validate(self, prefix: str | None, is_target: bool) -> None:
        assert is_target

    def put(self, key: str, body: bytes, content_type: str = "text/plain") -> None:
        with self.lock:
            self.puts += 1
        if error := self.refuse(key):
            raise error
        self.objects[key] = body

    def close(self) -> None:
        return None


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, local_files_serving=True, storage_ping_seconds=0.05)


def stored(deployment: Deployment, reference: str = S3) -> Storage:
    with deployment.read() as session:
        return find_storage(session, deployment.schema, reference)


def linked(deployment: Deployment, table: str = "s3") -> list[tuple[int, Any, Any]]:
    with deployment.read() as session:
        statement = text(
            f"select annotation_id, created_at, updated_at from io_storages_{table}exportstoragelink order by 1"
        )
        return [tuple(row) for row in session.execute(statement)]


def execute(deployment: Deployment, statement: str) -> None:
    with deployment.write() as session:
        session.execute(text(statement))


@BOTH_ENGINES
def test_every_annotation_is_written_and_linked_once(deployment: Deployment) -> None:
    execute(deployment, "delete from io_storages_s3exportstoragelink where annotation_id > 50")
    before = linked(deployment)
    bucket, seen = Memory(), []
    done = targets.run(deployment, S3, bucket=bucket, progress=lambda *told: seen.append(told))  # type: ignore[arg-type]
    assert (done["status"], done["total"], done["written"], done["failed"]) == ("completed", 96, 96, 0)
    assert len(bucket.objects) == bucket.puts == 96
    assert all(key.startswith("1.23.2-") and "/out/" in key for key in bucket.objects)
    after = linked(deployment)
    assert [row[0] for row in after] == sorted(int(key.rsplit("/", 1)[1]) for key in bucket.objects)
    assert [row[:2] for row in after[: len(before)]] == [row[:2] for row in before]
    assert all(new[2] > old[2] for new, old in zip(after, before, strict=False))
    row = stored(deployment)
    assert (row.status, row.last_sync_count, row.meta["total_annotations"], row.traceback) == (
        "completed",
        96,
        96,
        None,
    )
    assert seen[-1][:2] == (96, 96)


def test_a_second_run_changes_nothing_but_times(deployment: Deployment) -> None:
    first, second = Memory(), Memory()
    targets.run(deployment, S3, bucket=first)  # type: ignore[arg-type]
    ids = [row[0] for row in linked(deployment)]
    targets.run(deployment, S3, bucket=second)  # type: ignore[arg-type]
    assert first.objects.keys() == second.objects.keys()
    assert [row[0] for row in linked(deployment)] == ids
    assert stored(deployment).meta["attempts"] >= 2


@BOTH_ENGINES
def test_only_new_ones(deployment: Deployment) -> None:
    execute(deployment, "delete from io_storages_s3exportstoragelink where annotation_id in (3, 4)")
    bucket = Memory()
    done = targets.run(deployment, S3, only_new=True, bucket=bucket)  # type: ignore[arg-type]
    assert (done["total"], done["written"]) == (2, 2)
    assert sorted(key.rsplit("/", 1)[1] for key in bucket.objects) == ["3", "4"]


def test_what_failed_is_told_annotation_by_annotation(deployment: Deployment) -> None:
    def refuse(key: str) -> BucketProblem | None:
        return BucketProblem("The object is locked.") if key.endswith(("/7", "/9")) else None

    execute(deployment, "delete from io_storages_s3exportstoragelink")
    done = targets.run(deployment, S3, bucket=Memory(refuse))  # type: ignore[arg-type]
    assert (done["status"], done["written"], done["failed"]) == ("completed_with_errors", 94, 2)
    assert done["failures"] == [
        {"annotation": 7, "reason": "The object is locked."},
        {"annotation": 9, "reason": "The object is locked."},
    ]
    row = stored(deployment)
    assert (row.status, row.last_sync_count) == ("completed_with_errors", 94)
    assert row.traceback.splitlines()[0] == "Annotation 7 was not written: The object is locked."
    assert not {7, 9} & {number for number, *_ in linked(deployment)}
    repaired = targets.run(deployment, S3, only_new=True, bucket=Memory())  # type: ignore[arg-type]
    assert repaired["written"] == 2


def test_when_nothing_can_be_written_the_sync_fails_soon(deployment: Deployment) -> None:
    bucket = Memory(lambda key: BucketDenied("The key may not write here.", "put", "AccessDenied", "s3:PutObject"))
    with pytest.raises(SyncFailed, match="may not write here"):
        targets.run(deployment, S3, bucket=bucket)  # type: ignore[arg-type]
    row = stored(deployment)
    assert row.status == "failed"
    assert "may not write here" in row.traceback
    assert bucket.puts <= targets.PAGE


def test_a_thousand_failures_are_enough_to_be_told(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "MOST_TOLD", 3)
    done = targets.run(
        deployment, S3, bucket=Memory(lambda key: None if key.endswith("/1") else BucketUnreachable("no answer"))
    )  # type: ignore[arg-type]
    assert (done["failed"], len(done["failures"])) == (95, 3)
    assert stored(deployment).traceback.splitlines()[-1] == "... and 92 more annotations"


@BOTH_ENGINES
def test_a_sync_that_was_stopped_or_killed_is_just_started_again(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "PAGE", 10)
    execute(deployment, "delete from io_storages_s3exportstoragelink")
    with pytest.raises(Interrupted):
        targets.run(deployment, S3, bucket=Memory(), stopped=lambda: True)  # type: ignore[arg-type]
    assert (stored(deployment).status, len(linked(deployment))) == ("failed", 10)

    class Killed(BaseException):
        pass

    def kill(key: str) -> None:
        if key.endswith("/40"):
            raise Killed

    with pytest.raises(Killed):
        targets.run(deployment, S3, bucket=Memory(kill), job_id="killed")  # type: ignore[arg-type]
    assert stored(deployment).status == "in_progress"
    done = targets.run(
        deployment, S3, only_new=True, bucket=Memory(), job_id="next", is_dead=lambda job: job == "killed"
    )  # type: ignore[arg-type]
    assert done["status"] == "completed"
    assert len(linked(deployment)) == len({row[0] for row in linked(deployment)}) == 96


def test_an_annotation_deleted_meanwhile_gets_no_link(deployment: Deployment) -> None:
    def delete(key: str) -> None:
        if key.endswith("/7"):
            execute(deployment, "delete from io_storages_s3exportstoragelink where annotation_id = 7")
            execute(deployment, "delete from io_storages_localfilesexportstoragelink where annotation_id = 7")
            execute(deployment, "delete from task_completion where id = 7")

    targets.run(deployment, S3, bucket=Memory(delete))  # type: ignore[arg-type]
    assert 7 not in [row[0] for row in linked(deployment)]


def test_whole_tasks_where_the_operator_wants_them(settings: Settings) -> None:
    deployment = Deployment.attach(replace(settings, targets_hold_tasks=True))
    bucket = Memory()
    done = targets.run(deployment, S3, bucket=bucket)  # type: ignore[arg-type]
    assert done["written"] == done["total"] == 96
    assert all(key.endswith(".json") for key in bucket.objects)
    held = [json.loads(body) for body in bucket.objects.values()]
    assert sum(len(task["annotations"]) for task in held) == 96
    assert held[0]["annotations"][0]["completed_by"].keys() == {"id", "email", "first_name", "last_name"}
    deployment.close()
    bare = Deployment.attach(replace(settings, targets_hold_tasks=True, target_tasks_end_in_json=False))
    targets.run(bare, S3, bucket=(other := Memory()))  # type: ignore[arg-type]
    assert {f"{key}.json" for key in other.objects} == set(bucket.objects)
    bare.close()


def test_what_is_not_to_be_synced(deployment: Deployment) -> None:
    with pytest.raises(NotFound):
        targets.run(deployment, "s3-export:99")
    with pytest.raises(Refused, match="is a source storage"):
        targets.run(deployment, "s3:1")
    execute(deployment, "update io_storages_s3exportstorage set synchronizable = false")
    with pytest.raises(Refused, match="not synchronizable"):
        targets.run(deployment, S3, bucket=Memory())  # type: ignore[arg-type]


def test_keys_are_label_studios(deployment: Deployment) -> None:
    one = stored(deployment)
    for prefix, key in (("", "5"), (None, "5"), ("a", "a/5"), ("a/", "a//5")):
        assert targets.key_of(replace(one, row=one.row | {"prefix": prefix}), "5") == key
    local = stored(deployment, LOCAL)
    assert targets.key_of(local, "5") == "/tmp/ls-files/export/5"


def test_memory_is_that_of_a_page(deployment: Deployment, tmp_path: Path) -> None:
    """Large tasks make pages small."""
    execute(deployment, f'update task set data = \'{{"text": "{"x" * 400_000}"}}\' where project_id = 1')
    bucket = Memory()
    bucket.put = lambda key, body, content_type="": None  # type: ignore[method-assign]
    tracemalloc.start()
    targets.run(deployment, S3, bucket=bucket)  # type: ignore[arg-type]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400_000 * targets.PAGE * 8
