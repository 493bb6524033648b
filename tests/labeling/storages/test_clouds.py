"""Google Cloud Storage and Azure Blob from end to end: dry runs, syncs of sources, and what targets write.

What a sync takes is compared with the listing of the provider's own library, walked as Label Studio walks it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from console.config import Settings
from console.deployment import Deployment
from console.deployment.buckets import BucketProblem
from console.deployment.storages import KINDS
from console.labeling.storages import dry_run, sync, targets
from tests import clouds
from tests.clouds import Body, Cloud, sync_keys
from tests.factories import BOTH_ENGINES, make_annotation, make_project, make_task
from tests.gcs_server import google

MEDIA = dict.fromkeys(("a.jpg", "b.JPG", "deep.txt", "deep/c.jpg", "deep/er/d.png", "note.txt"), b"x")
FOLDERS = {"deep/": b"", "deep/er/": b""}
#: a name that a browser, a server or a library may read as something else
ODD = [
    "two  blanks.jpg", "a#b.jpg", "a?b=c.jpg", "100%.jpg", "a%20b.jpg", "a+b&c.jpg", "ü – 日本 🎈.jpg", "quo'te\".jpg",
    "semi;colon.jpg", "~tilde.jpg", "x/" * 20 + "é" * 490 + ".jpg",
]  # fmt: skip
TASKS: dict[str, Any] = {
    "empty.json": [],
    "lines.jsonl": b'{"text": "four"}\n\n  {"data": {"text": "five"}}\n',
    "many.json": [{"text": "two"}, {"data": {"text": "three"}}],
    "no-extension": {"text": "six"},
    "odd/a b#c?d%20.json": {"text": "seven"},
    "one.json": {"text": "one"},
}
Make = Callable[..., SimpleNamespace]


@pytest.fixture(scope="module", params=clouds.CLOUDS)
def cloud(request: pytest.FixtureRequest) -> Iterator[Cloud]:
    with clouds.running(request.param) as running:
        yield running


@pytest.fixture
def settings(settings: Settings, cloud: Cloud) -> Settings:
    return cloud.reached(settings)


@pytest.fixture
def make(session: Session, cloud: Cloud) -> Make:
    """`make({"a.json": {...}}, prefix="x")`: a bucket, and the storage over it in a project of its own."""
    return lambda objects, **columns: clouds.make_storage(session, cloud, objects, **columns)


def links(session: Session, storage: SimpleNamespace) -> list[tuple[str, Any, Any]]:
    """(key, row index, task data) of a source's links, in the order they were made."""
    session.rollback()
    table = KINDS[storage.reference.partition(":")[0]].link_name
    statement = f"select key, row_index, data from {table} l join task on task.id = l.task_id where storage_id = :s order by l.id"
    found = [(row.key, row.row_index, row.data) for row in session.execute(text(statement), {"s": storage.id})]
    session.rollback()
    return [(key, index, json.loads(data) if isinstance(data, str) else data) for key, index, data in found]


def counts(seen: dict[str, Any]) -> tuple[int, int, int]:
    return seen["listed"]["objects"], seen["filtered"]["count"], seen["new"]["tasks"]


def test_every_dry_run_sees_what_label_studio_would_list(deployment: Deployment, cloud: Cloud, make: Make) -> None:
    storage = make(MEDIA | FOLDERS, use_blob_urls=True)
    for prefix in ("", "deep", "deep//", "dee", "nothing"):
        for recursive in (True, False):
            every = cloud.listed(storage.name, prefix, recursive)
            for pattern in (None, r".*\.jpg$", r"deep/.*", r"(?i).*\.JPG$"):
                options = dry_run.Options(prefix=prefix, recursive=recursive, regex_filter=pattern)
                seen = dry_run.look(deployment, storage.reference, options=options)
                taken = sync_keys(cloud, storage.name, prefix, recursive, pattern)
                case = (prefix, recursive, pattern)
                assert counts(seen) == (len(every), len(every) - len(taken), len(taken)), case
                assert [one["key"] for one in seen["new"]["examples"]] == taken[:10], case


@BOTH_ENGINES
def test_files_are_taken_once(deployment: Deployment, session: Session, cloud: Cloud, make: Make) -> None:
    name = clouds.make_bucket(cloud, MEDIA | FOLDERS)
    for prefix, recursive, pattern in (
        ("", False, None), ("", True, r"(?i).*\.jpg$"), ("deep", True, None), ("deep/", False, r"deep/.*"),
    ):  # fmt: skip
        storage = make(name, use_blob_urls=True, prefix=prefix, recursive_scan=recursive, regex_filter=pattern)
        taken = sync_keys(cloud, name, prefix, recursive, pattern)
        seen = dry_run.look(deployment, storage.reference)
        done = sync.run(deployment, storage.reference)
        assert (done["status"], done["tasks"], done["existed"]) == ("completed", seen["new"]["tasks"], 0) and taken
        assert links(session, storage) == [
            (key, None, {"$undefined$": f"{cloud.scheme}://{name}/{key}"}) for key in taken
        ]
        again = dry_run.look(deployment, storage.reference)
        assert (again["linked"]["objects"], again["new"]["objects"]) == (len(taken), 0)
        repeated = sync.run(deployment, storage.reference)
        assert (repeated["tasks"], repeated["existed"], len(links(session, storage))) == (0, len(taken), len(taken))


def test_entries_of_folders(deployment: Deployment, session: Session, cloud: Cloud, make: Make) -> None:
    """Azure's accounts with a hierarchical namespace list folders as blobs; Google's are names with a slash at the end."""
    folders = {"deep": Body(b"", metadata={"hdi_isfolder": "true"}), "deep/er/": b""}
    media = make({"deep/a.json": {"text": "x"}} | folders, use_blob_urls=True)
    assert sync.run(deployment, media.reference)["tasks"] == (3 if cloud.kind == "azure" else 2)
    assert [key for key, *_ in links(session, media)] == sync_keys(cloud, media.name, None, True, None)
    tasks = make(media.name)
    seen = dry_run.look(deployment, tasks.reference)
    assert "empty" in seen["stops"]["reason"] and seen["stops"]["key"] == "deep"
    only_json = make(media.name, regex_filter=r".*\.json$")
    assert sync.run(deployment, only_json.reference)["tasks"] == 1


def test_odd_keys_arrive_whole(deployment: Deployment, session: Session, cloud: Cloud, make: Make) -> None:
    storage = make(dict.fromkeys(ODD, b"x"), use_blob_urls=True)
    assert dry_run.look(deployment, storage.reference)["new"]["tasks"] == len(ODD)
    assert sync.run(deployment, storage.reference)["tasks"] == len(ODD)
    found = {key: data["$undefined$"] for key, _, data in links(session, storage)}
    assert found == {key: f"{cloud.scheme}://{storage.name}/{key}" for key in ODD}
    assert max(len(key.encode()) for key in found) == 1024
    assert sync.run(deployment, storage.reference)["tasks"] == 0


def test_tasks_are_read_from_json(deployment: Deployment, session: Session, make: Make) -> None:
    storage = make(TASKS)
    seen = dry_run.look(deployment, storage.reference)
    done = sync.run(deployment, storage.reference)
    assert (seen["new"]["tasks"], seen["new"]["empty"], done["tasks"], done["status"]) == (7, 1, 7, "completed")
    assert [(key, index, data["text"]) for key, index, data in links(session, storage)] == [
        ("lines.jsonl", 0, "four"), ("lines.jsonl", 1, "five"), ("many.json", 0, "two"), ("many.json", 1, "three"),
        ("no-extension", None, "six"), ("odd/a b#c?d%20.json", None, "seven"), ("one.json", None, "one"),
    ]  # fmt: skip
    assert sync.run(deployment, storage.reference)["tasks"] == 0


def test_a_sync_stops_where_the_dry_run_says(deployment: Deployment, session: Session, make: Make) -> None:
    for key, content, reason in (
        ("b.json", b"<html>", "starts with neither"), ("b.json", b'[{"text": "y"}, {"te', "list that is no valid JSON"),
        ("b.json", b"", "empty"), ("b.jpg", b"{}", "by its extension"), ("b.json", b'{"text": "y"}\n{', "one per line"),
    ):  # fmt: skip
        storage = make({"a.json": {"text": "x"}, key: content, "c.json": {"text": "z"}})
        stops = dry_run.look(deployment, storage.reference)["stops"]
        assert stops["key"] == key and reason in stops["reason"]
        with pytest.raises(sync.SyncFailed) as failed:
            sync.run(deployment, storage.reference)
        whole = stops["tasks"] - stops["tasks_of_this_object"]  # Label Studio keeps the first tasks of a broken object
        assert failed.value.tasks == whole == len(links(session, storage)) == 1 and key in str(failed.value)


def test_a_prefix_without_objects(deployment: Deployment, cloud: Cloud, make: Make) -> None:
    storage = make(MEDIA, prefix="nothing", use_blob_urls=True)
    with pytest.raises(BucketProblem, match=r"not found|No blobs found in"):
        sync.run(deployment, storage.reference)
    meant = {"DEEP": "deep", f"{cloud.scheme}://{storage.name}/deep": "deep", "dee": "deep", "/deep": "deep"}
    for prefix, better in meant.items():
        options = dry_run.Options(prefix=prefix)
        said = dry_run.look(deployment, storage.reference, options=options)["suggestions"]
        assert [one["changes"] for one in said if one["code"] == "prefix"] == [{"prefix": better}], prefix


# --- targets


def annotated(session: Session, number: int = 3) -> tuple[int, list[int]]:
    """A project and its annotations."""
    project = make_project(session)
    made = [
        make_annotation(session, task=make_task(session, project_id=project.id, data={"text": f"ü {one}"}))
        for one in range(number)
    ]
    return project.id, [annotation.id for annotation in made]


def test_targets_write_as_label_studio_uploads(
    deployment: Deployment, session: Session, cloud: Cloud, make: Make
) -> None:
    project_id, ids = annotated(session)
    for prefix in ("", "out", "out/"):
        storage = make({}, target=True, project_id=project_id, prefix=prefix)
        done = targets.run(deployment, storage.reference)
        assert (done["status"], done["written"], done["failed"]) == ("completed", 3, 0)
        stored = cloud.stored(storage.name)
        assert list(stored) == sorted(f"{prefix}/{one}" if prefix else str(one) for one in ids)
        uploads = {"gcs": "text/plain", "azure": "application/octet-stream"}
        assert {body.content_type for body in stored.values()} == {uploads[cloud.kind]}
    for body in stored.values():
        document = json.loads(body.content)
        assert document["id"] in ids and document["task"]["data"]["text"].startswith("ü ")
        assert json.dumps(document).encode() == body.content and document["completed_by"].keys() >= {"id", "email"}
    assert targets.run(deployment, storage.reference, only_new=True)["total"] == 0
    assert targets.run(deployment, storage.reference)["written"] == 3


def test_what_was_not_written_is_told(deployment: Deployment, session: Session, cloud: Cloud, make: Make) -> None:
    """Azure: somebody holds a lease. Google: the account may create objects, and replace none."""
    project_id, ids = annotated(session)
    key = f"out/{ids[1]}"
    with google() as account:
        if cloud.kind == "azure":
            name = clouds.make_bucket(cloud, {key: b"before"})
            cloud.library.get_blob_client(name, key).acquire_lease()
            storage = make(name, target=True, project_id=project_id, prefix="out")
        else:
            account.objects[key] = b"before"
            account.granted.discard("storage.objects.delete")
            deployment.settings = replace(deployment.settings, bucket_environment=account.environment())
            login = {"google_application_credentials": account.key_file()}
            storage = make("data", target=True, project_id=project_id, prefix="out", **login)
        done = targets.run(deployment, storage.reference)
    assert (done["status"], done["written"], done["failed"]) == ("completed_with_errors", 2, 1)
    [failure] = done["failures"]
    assert failure["annotation"] == ids[1]
    assert ("storage.objects.delete" if cloud.kind == "gcs" else "LeaseIdMissing") in failure["reason"]
