"""Files in Google Cloud Storage and Azure Blob over the API: what a sync made is shown, by a signed link or passed on."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from sqlalchemy import text
from sqlalchemy.orm import Session

from console.config import Settings
from console.labeling.storages import sync
from console.service import Console
from tests import clouds
from tests.api_client import ApiClient
from tests.clouds import Body, Cloud
from tests.factories import make_project

MOVIE = bytes(range(256)) * 40
OBJECTS = {
    "a b.jpg": Body(b"jpeg", "image/jpeg"), "movie.mp4": Body(MOVIE, "video/mp4"), "plain.png": Body(b"png"),
    "odd #1?x=1;y%20.txt": Body(b"odd", "text/plain"), "ü – 日本/é.txt": Body(b"far", "text/plain"),
    "page.html": Body(b"<script>1</script>", "text/html"), "packed.txt": Body(b"packed", "text/plain"),
}  # fmt: skip
IMAGES = '<View><Image name="image" value="$image"/></View>'


@pytest.fixture(scope="module", params=clouds.CLOUDS)
def cloud(request: pytest.FixtureRequest) -> Iterator[Cloud]:
    with clouds.running(request.param) as running:
        yield running


@pytest.fixture(scope="module")
def bucket(cloud: Cloud) -> str:
    return clouds.make_bucket(cloud, OBJECTS)


@pytest.fixture
def settings(settings: Settings, cloud: Cloud) -> Settings:
    return replace(cloud.reached(settings), proxy_range_bytes=100)


def synced(console: Console, session: Session, cloud: Cloud, bucket: str, **columns: Any) -> SimpleNamespace:
    """A source that was synced; `links` are the addresses that the API gives for its files, by key."""
    project = make_project(session, label_config=IMAGES)
    storage = clouds.make_storage(session, cloud, bucket, use_blob_urls=True, project_id=project.id, **columns)
    assert sync.run(console.deployment, storage.reference)["tasks"] == len(OBJECTS)
    return storage


def links(alice: ApiClient, storage: SimpleNamespace) -> dict[str, str]:
    """The address that task data of the API holds for each key."""
    found = {}
    tasks = alice.get(f"/api/tasks/?project={storage.project_id}&page_size=100&resolve_uri=true&fields=all").json[
        "tasks"
    ]
    for task in tasks:
        [address] = task["data"].values()
        path = urlsplit(address)
        assert path.path == f"/tasks/{task['id']}/resolve/"
        uri = base64.urlsafe_b64decode(parse_qs(path.query)["fileuri"][0]).decode()
        found[uri.partition("://")[2].partition("/")[2]] = f"{path.path}?{path.query}"
    return found


def test_signed_links_open(console: Console, session: Session, alice: ApiClient, cloud: Cloud, bucket: str) -> None:
    found = links(alice, synced(console, session, cloud, bucket, presign=True, presign_ttl=7))
    assert found.keys() == OBJECTS.keys()
    for key, path in found.items():
        answer = alice.get(path)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (303, "no-store, max-age=420"), key
        opened = requests.get(answer.headers["Location"], timeout=5)
        assert (opened.status_code, opened.content) == (200, OBJECTS[key].content), key
        assert opened.headers["Content-Type"].partition(";")[0] == OBJECTS[key].content_type
    part = requests.get(alice.get(found["movie.mp4"]).headers["Location"], headers={"Range": "bytes=5-9"}, timeout=5)
    assert (part.status_code, part.content) == (206, MOVIE[5:10])
    if cloud.kind == "azure":  # Azurite checks signatures
        forged = answer.headers["Location"].replace("sig=", "sig=A")
        assert requests.get(forged, timeout=5).status_code == 403


def test_files_are_passed_on(
    console: Console, session: Session, alice: ApiClient, bob: ApiClient, cloud: Cloud, bucket: str
) -> None:
    found = links(alice, synced(console, session, cloud, bucket, presign=False))
    for key, path in found.items():
        whole = alice.get(path)
        assert (whole.status_code, whole.data) == (200, OBJECTS[key].content), key
        guessed = "image/png" if key == "plain.png" else OBJECTS[key].content_type
        assert whole.mimetype == guessed and "Last-Modified" in whole.headers
        assert whole.headers["X-Content-Type-Options"] == "nosniff"
        tag = {"If-None-Match": whole.headers["ETag"]}
        assert alice.get(path, headers=tag).status_code == 304 and bob.get(path, headers=tag).status_code == 200
    for asked, first, last in (("bytes=5-9", 5, 9), ("bytes=1000-", 1000, 1100), ("bytes=10200-99999", 10200, 10239)):
        part = alice.get(found["movie.mp4"], headers={"Range": asked})
        assert (part.status_code, part.data) == (206, MOVIE[first : last + 1]), asked
        assert part.headers["Content-Range"] == f"bytes {first}-{last}/{len(MOVIE)}"
        assert part.headers["Accept-Ranges"] == "bytes" and part.content_length == last - first + 1
    past = alice.get(found["movie.mp4"], headers={"Range": f"bytes={len(MOVIE) + 5}-"})
    assert past.status_code == 424


@pytest.mark.parametrize("presign", [True, False])
def test_what_is_not_served(
    console: Console, session: Session, alice: ApiClient, erin: ApiClient, cloud: Cloud, bucket: str, presign: bool
) -> None:
    storage = synced(console, session, cloud, bucket, presign=presign)
    [path, *_] = links(alice, storage).values()
    assert erin.get(path).status_code == 404, "another organization"

    def of(uri: str) -> str:
        return f"{path.partition('?')[0]}?fileuri={base64.urlsafe_b64encode(uri.encode()).decode()}"

    assert alice.get(of(f"{cloud.scheme}://other-bucket/a%20b.jpg")).status_code == 404
    assert alice.get(of(f"s3://{bucket}/a b.jpg")).status_code == 404
    missing = alice.get(of(f"{cloud.scheme}://{bucket}/none.jpg"))
    assert missing.status_code == (303 if presign else 424)
    if presign:
        assert requests.get(missing.headers["Location"], timeout=5).status_code == 404
    else:
        assert "none.jpg" in missing.json["detail"]


def test_task_data_of_json_is_resolved_where_it_names_the_bucket(
    console: Console, session: Session, alice: ApiClient, cloud: Cloud, bucket: str
) -> None:
    ours, other = f"{cloud.scheme}://{bucket}/a b.jpg", f"{cloud.scheme}://elsewhere/a.jpg"
    project = make_project(session, label_config=IMAGES)
    source = clouds.make_storage(session, cloud, {"t.json": {"image": ours, "other": other}}, project_id=project.id)
    clouds.make_storage(session, cloud, bucket, use_blob_urls=True, project_id=project.id)
    sync.run(console.deployment, source.reference)
    session.rollback()
    number = session.execute(text("select id from task where project_id = :p"), {"p": project.id}).scalar_one()
    session.rollback()
    data = alice.get(f"/api/tasks/{number}/?resolve_uri=true").json["data"]
    assert data["image"].startswith(f"/tasks/{number}/resolve/?fileuri=") and data["other"] == other
    kept = alice.get(f"/api/tasks/{number}/?resolve_uri=false").json["data"]
    assert kept == {"image": ours, "other": other}


def test_storages_made_and_synced_over_the_api(session: Session, alice: ApiClient, cloud: Cloud) -> None:
    """Create, validate, sync, export; what was entered as a secret is never told."""
    project = make_project(session)
    name = clouds.make_bucket(cloud, {"in/t.json": [{"text": "x"}, {"text": "y"}]})
    body = {"project": project.id, "prefix": "in", "title": "t", **cloud.columns(name)}
    wrong = body | {"bucket": "not-there", "container": "not-there"}
    assert alice.post(f"/api/storages/{cloud.kind}/validate", json=wrong).status_code == 400
    assert alice.post(f"/api/storages/{cloud.kind}/validate", json=body | {"prefix": "none"}).status_code == 400
    assert alice.post(f"/api/storages/{cloud.kind}/validate", json=body).status_code == 200
    made = alice.post(f"/api/storages/{cloud.kind}", json=body)
    assert made.status_code == 201, made.text
    done = alice.post(f"/api/storages/{cloud.kind}/{made.json['id']}/sync").json
    assert (done["status"], done["last_sync_count"]) == ("completed", 2)
    tasks = alice.get(f"/api/tasks/?project={project.id}").json["tasks"]
    result = [{"from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": ["Positive"]}}]
    annotation = alice.post(f"/api/tasks/{tasks[0]['id']}/annotations/", json={"result": result}).json["id"]
    target = alice.post(f"/api/storages/export/{cloud.kind}", json=body | {"prefix": "out"})
    assert target.status_code == 201, target.text
    written = alice.post(f"/api/storages/export/{cloud.kind}/{target.json['id']}/sync").json
    assert written["status"] == "completed" and f"out/{annotation}" in cloud.stored(name)
    told = f"{made.text} {done} {target.text} {written} {alice.get(f'/api/storages/?project={project.id}').text}"
    secret = "PRIVATE KEY" if cloud.kind == "gcs" else cloud.login["account_key"]
    assert secret not in told
