"""Target storages: what a sync leaves in the bucket and in the rows, in Label Studio and in the console."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.servers import s3_server
from tests.twin.twin import Each, Twin

KEYS = {"aws_access_key_id": "AKIAEXAMPLE000000009", "aws_secret_access_key": "not-a-real-secret"}
#: Label Studio's threads link annotations in no order, and at different moments.
LINKS = "threads of Label Studio make links in no order"


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """A client of an S3 server with the empty buckets `theirs` and `ours`."""
    with s3_server() as url:
        client = boto3.client(
            "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        for name in ("theirs", "ours"):
            client.create_bucket(Bucket=name)
        yield client


def without_age(written: str) -> str:
    """How long ago an annotation was made, and when it was changed, may be another moment on each side."""
    return re.sub(r'"(created_ago|updated_at)": "[^"]*"', r'"\1": ""', written)


def links(twin: Twin, table: str) -> list[set[tuple[Any, ...]]]:
    """Per side, which annotations a storage has links for."""
    found = []
    for side in twin.sides:
        with side.database.connect() as connection:
            rows = connection.exec_driver_sql(f"select annotation_id, storage_id, object_exists from {table}")
            found.append({(row[0], row[1], bool(row[2])) for row in rows})
    return found


def new_target(project: int) -> dict[str, Any]:
    return {"project": project, "title": "Out"}


@pytest.mark.parametrize("project", [1, 2, 3])
def test_local_targets_hold_the_same_bytes(twin: Twin, tmp_path: Path, project: int):
    places = [tmp_path / name for name in ("theirs", "ours")]
    for place in places:
        place.mkdir()
    ours = new_target(project) | {"path": Each(*map(str, places))}
    made = twin.post("/api/storages/export/localfiles", json=ours, expect=201, ignore=["path"])["id"]
    one = f"/api/storages/export/localfiles/{made}"
    shown = twin.get(one, expect=200, ignore=["path", "last_sync_job"]).json
    assert (shown["status"], shown["meta"]["total_annotations"]) == ("completed", shown["last_sync_count"])
    left, right = ({file.name: without_age(file.read_text()) for file in place.iterdir()} for place in places)
    assert left
    assert left == right
    twin.post(f"{one}/sync", expect=200, ignore=["path", "last_sync_job"])
    assert (
        links(twin, "io_storages_localfilesexportstoragelink")[0]
        == links(twin, "io_storages_localfilesexportstoragelink")[1]
    )
    twin.rows(
        ignore={
            "io_storages_localfilesexportstoragelink": LINKS,
            "io_storages_localfilesmixin.path": "a place for each",
        },
        differs={"io_storages_localfilesexportstorage.last_sync_job": "sync-job"},
    )


@pytest.mark.parametrize("prefix", ["", "out", "out/deep/"])
def test_s3_targets_hold_the_same_bytes(twin: Twin, s3: Any, prefix: str):
    """Also after annotations were changed, skipped and made."""
    twin.patch("/api/annotations/1/", json={"was_cancelled": True, "lead_time": 3.0}, expect=200)
    ours = new_target(1) | {
        "bucket": Each("theirs", "ours"),
        "prefix": prefix,
        "s3_endpoint": s3.meta.endpoint_url,
        **KEYS,
    }
    made = twin.post("/api/storages/export/s3", json=ours, expect=201, ignore=["bucket"])["id"]
    kept = [
        {item["Key"]: without_age(s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read().decode())
         for item in s3.list_objects_v2(Bucket=bucket)["Contents"]} for bucket in ("theirs", "ours")
    ]  # fmt: skip
    for bucket in ("theirs", "ours"):
        for item in s3.list_objects_v2(Bucket=bucket)["Contents"]:
            s3.delete_object(Bucket=bucket, Key=item["Key"])
    assert kept[0] == kept[1]
    start = f"{prefix}/" if prefix else ""
    assert json.loads(kept[1][f"{start}1"])["lead_time"] == 3.0
    twin.get(f"/api/storages/export/s3/{made}", expect=200, ignore=["bucket", "last_sync_job"])
    assert links(twin, "io_storages_s3exportstoragelink")[0] == links(twin, "io_storages_s3exportstoragelink")[1]
    twin.rows(
        ignore={"io_storages_s3exportstoragelink": LINKS, "io_storages_s3exportstorage.bucket": "a bucket for each"},
        differs={"io_storages_s3exportstorage.last_sync_job": "sync-job"},
    )


def test_what_cannot_be_written_is_told(twin: Twin, tmp_path: Path):
    """A directory stands where the object of annotation 1 belongs."""
    places = [tmp_path / name for name in ("theirs", "ours")]
    for place in places:
        (place / "1").mkdir(parents=True)
    ours = new_target(1) | {"path": Each(*map(str, places))}
    made = twin.post("/api/storages/export/localfiles", json=ours, expect=201, ignore=["path"])["id"]
    answers = twin.get(f"/api/storages/export/localfiles/{made}", differs="target-failures")
    theirs, told = answers.theirs.json(), answers.ours.json()
    assert (theirs["status"], theirs["last_sync_count"], theirs["traceback"]) == ("completed", 96, None)
    assert (told["status"], told["last_sync_count"], told["meta"]["total_annotations"]) == (
        "completed_with_errors",
        95,
        96,
    )
    assert told["traceback"].startswith("Annotation 1 was not written: ")
    twin.rows(
        ignore={"io_storages_localfilesexportstoragelink": LINKS, "io_storages_localfilesmixin.path": "a place for each"},
        differs={f"io_storages_localfilesexportstorage.{column}": "target-failures"
                 for column in ("status", "traceback", "last_sync_count", "last_sync_job", "meta")},
    )  # fmt: skip


def test_what_is_saved_and_deleted_follows(twin: Twin, tmp_path: Path):
    places = [tmp_path / name for name in ("theirs", "ours")]
    for place in places:
        place.mkdir()
    config = '<View><Text name="t" value="$text"/><Choices name="c" toName="t"><Choice value="A"/></Choices></View>'
    project = twin.post("/api/projects/", json={"title": "Follows", "label_config": config}, expect=201)["id"]
    tasks = [
        twin.post("/api/tasks/", json={"project": project, "data": {"text": "x"}}, expect=201)["id"] for _ in range(2)
    ]
    ours = new_target(project) | {"path": Each(*map(str, places)), "can_delete_objects": True}
    twin.post("/api/storages/export/localfiles", json=ours, expect=201, ignore=["path"])
    result = [{"id": "r", "from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": ["A"]}}]
    made = [twin.post(f"/api/tasks/{task}/annotations/", json={"result": result}, expect=201)["id"] for task in tasks]
    twin.patch(f"/api/annotations/{made[0]}/", json={"was_cancelled": True}, expect=200)

    def held(place: Path) -> dict[str, Any]:
        documents = {file.name: json.loads(file.read_text()) for file in place.iterdir()}
        return {name: [one["id"], one["result"], one["was_cancelled"]] for name, one in documents.items()}

    assert held(places[0]) == held(places[1])
    assert len(held(places[1])) == 2
    assert (
        links(twin, "io_storages_localfilesexportstoragelink")[0]
        == links(twin, "io_storages_localfilesexportstoragelink")[1]
    )
    twin.delete(f"/api/annotations/{made[0]}/", expect=204)
    twin.delete(f"/api/tasks/{tasks[1]}/", expect=204)
    assert held(places[0]) == held(places[1]) == {}
    twin.rows(
        ignore={"io_storages_localfilesmixin.path": "a place for each"},
        differs={
            "io_storages_localfilesexportstorage.last_sync_job": "sync-job",
            "projects_projectsummary.created_annotations": "summary-drift",
            "projects_projectsummary.created_labels": "summary-drift",
        },
    )
