"""Storages: every route of every type, by the same requests to Label Studio and the console."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from tests.servers import redis_server, s3_server
from tests.twin.twin import Twin

TYPES = ("s3", "gcs", "azure", "redis", "localfiles")
KEYS = {"aws_access_key_id": "AKIAEXAMPLE000000009", "aws_secret_access_key": "not-a-real-secret"}


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """An S3 server with a bucket `pictures` that holds `img/a.png`, `img/deep/b.png` and `c.json`."""
    with s3_server() as url:
        client = boto3.client(
            "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        client.create_bucket(Bucket="pictures")
        for key in ("img/a.png", "img/deep/b.png", "c.json"):
            client.put_object(Bucket="pictures", Key=key, Body=b'{"text": "x"}')
        yield url


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with redis_server() as url:
        yield url


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A directory with two files, and a folder below with one."""
    directory = tmp_path / "files"
    (directory / "deep").mkdir(parents=True)
    for name in ("b.json", "a.txt", "deep/c.json"):
        (directory / name).write_text('{"text": "x"}')
    return directory


def test_lists_and_single_storages(twin: Twin):
    for direction in ("", "export/"):
        twin.get(f"/api/storages/{direction}types", expect=200)
        for project in (1, 2, 3):
            twin.get(f"/api/storages/{direction}?project={project}".replace("/?", "?"), sort="id", expect=200)
        for name in TYPES:
            base = f"/api/storages/{direction}{name}"
            for project in (1, 2, 3):
                twin.get(f"{base}?project={project}", expect=200)
            twin.get(base, expect=400)
            twin.probe("GET", f"{base}?project=x", rows=False)
            twin.probe("GET", f"{base}?project=9999", rows=False)
            twin.get(f"{base}?project=1", as_user=None, expect=401)
            twin.probe("GET", f"{base}/9999", rows=False)
            twin.probe("PATCH", f"{base}/9999", json={}, rows=False)
            twin.request("DELETE", base if direction else f"{base}/", expect=405)
            twin.request("POST", f"{base}/1", expect=405)
            twin.request("GET", f"{base}/validate", expect=405)
    for path in ("s3/1", "s3/2", "gcs/1", "localfiles/1"):
        twin.get(f"/api/storages/{path}", expect=200)
    for project in ("", "?project=", "?project=x", "?project=9999"):
        twin.get(f"/api/storages{project}", expect=200)
    twin.rows()


@pytest.mark.parametrize("direction", ["", "export/"])
def test_a_local_storage_from_its_making_to_its_end(twin: Twin, files: Path, direction: str):
    base = f"/api/storages/{direction}localfiles"
    ours = {
        "project": 1,
        "path": f"{files}//deep/../",
        "title": "Mine",
        "description": "",
        "synchronizable": bool(direction),
    }
    if direction:
        ours |= {"project": twin.post("/api/projects/", json={"title": "Empty"}, expect=201)["id"]}
    made = twin.post(base, json=ours, expect=201)["id"]
    one = f"{base}/{made}"
    told = ["last_sync_job"] if direction else []
    twin.get(one, expect=200, ignore=told)
    twin.patch(one, json={"title": "Renamed"}, expect=400)
    twin.patch(one, json={"title": "Renamed", "path": str(files)}, expect=200, ignore=told)
    twin.patch(one, json={"path": str(files / "deep"), "regex_filter": r".*\.json$", "use_blob_urls": "true",
                          "synchronizable": None}, expect=400)  # fmt: skip
    twin.patch(one, json={"path": str(files / "deep"), "regex_filter": r".*\.json$", "use_blob_urls": "true"}, expect=200,
               ignore=told)  # fmt: skip
    twin.put(one, json={"path": str(files)}, expect=400)
    twin.put(one, json={"path": str(files), "project": 2, "title": None, "status": "failed", "traceback": "by hand",
                        "last_sync_count": 3, "last_sync": "2026-01-02T03:04:05Z", "meta": {"attempts": 4}},
             expect=200, ignore=told)  # fmt: skip
    twin.get(one, expect=200, ignore=told)
    twin.patch(one, data={"title": "From a form", "path": str(files)}, expect=200, ignore=told)
    twin.rows(differs={"io_storages_localfilesexportstorage.last_sync_job": "sync-job"} if direction else {})
    twin.delete(one, expect=204)
    twin.probe("DELETE", one)


def test_a_local_storage_is_tried(twin: Twin, files: Path):
    for direction in ("", "export/"):
        validate = f"/api/storages/{direction}localfiles/validate"
        twin.post(validate, json={"project": 1, "path": str(files)}, expect=200)
        for path in (str(files / "nowhere"), "/", "", None, "  ", "../x"):
            twin.post(validate, json={"project": 1, "path": path}, expect=400)
        twin.post(validate, json={"project": 1}, expect=400)
        twin.post(validate, json={}, expect=400)
        twin.probe("POST", validate, json={"project": 1, "path": str(files), "id": 999}, rows=False)
        twin.probe("POST", validate, json={"project": 1, "path": str(files), "id": "x"}, rows=False)
    twin.rows()


def test_the_first_files_are_shown(twin: Twin, files: Path):
    url = "/api/storages/localfiles/files"
    twin.post(url, json={"project": 1, "path": str(files)}, expect=200)
    twin.post(url, json={"project": 1, "path": str(files), "recursive_scan": True}, expect=200)
    for limit in (1, 0, -1, "2", 5):
        twin.post(url, json={"project": 1, "path": str(files), "limit": limit, "recursive_scan": True}, expect=200)
    twin.post(
        url, json={"project": 1, "path": str(files), "regex_filter": r".*\.json$", "recursive_scan": True}, expect=200
    )
    twin.probe("POST", url, json={"project": 1, "path": str(files), "limit": "many"})


WRONG = {
    "title": "x" * 257, "synchronizable": "perhaps", "last_sync": "never", "last_sync_count": -1, "status": "odd",
    "use_blob_urls": None, "last_sync_job": "x" * 257, "project": "abc",
}  # fmt: skip


@pytest.mark.parametrize("name", TYPES)
def test_wrong_values_are_refused_field_by_field(twin: Twin, name: str):
    more = {
        "s3": {"bucket": "no bucket!", "presign_ttl": -1, "presign": 7, "recursive_scan": None},
        "gcs": {"presign_ttl": "soon", "presign": None, "bucket": 3.5, "prefix": ["x"]},
        "azure": {"container": {"a": 1}, "recursive_scan": "deep"},
        "redis": {"db": -1, "port": True},
        "localfiles": {"path": 12, "recursive_scan": 3},
    }[name]
    for direction in ("", "export/"):
        base = f"/api/storages/{direction}{name}"
        twin.post(base, json=WRONG | more, expect=400)
        twin.post(base, json={}, expect=400)
        twin.post(base, json=[1], expect=400)
        twin.post(base, json={"project": 9999}, expect=400)
        twin.post(f"{base}/validate", json=WRONG | more, expect=400)
    twin.rows()


def test_s3_storages(twin: Twin, s3: str):
    ours = {"project": 1, "bucket": "pictures", "prefix": "img", "s3_endpoint": s3, "region_name": "us-east-1", **KEYS}
    twin.post("/api/storages/s3/validate", json=ours, expect=200)
    made = twin.post("/api/storages/s3/", json=ours, expect=201)["id"]
    one = f"/api/storages/s3/{made}"
    twin.get(one, expect=200)
    twin.patch(one, json={"title": "Pictures", "presign_ttl": 20, "recursive_scan": True}, expect=200)
    twin.patch(one, json={"bucket": "pictures", "prefix": ""}, expect=200)
    twin.put(one, json={"project": 1, "bucket": "pictures", "prefix": "img/"}, expect=200)
    for preview in (
        {},
        {"recursive_scan": True},
        {"limit": 1, "prefix": ""},
        {"regex_filter": r".*deep.*", "recursive_scan": True},
    ):
        twin.post("/api/storages/s3/files", json=ours | preview, expect=200)
    twin.rows()
    bare = twin.post("/api/storages/s3/", json={"project": 1}, expect=201)["id"]
    twin.delete(f"/api/storages/s3/{bare}", expect=204)
    twin.delete(one, expect=204)
    twin.rows()


def test_s3_targets(twin: Twin, s3: str):
    empty = twin.post("/api/projects/", json={"title": "Empty"}, expect=201)["id"]
    ours = {
        "project": empty,
        "bucket": "pictures",
        "prefix": "no/such/place",
        "s3_endpoint": s3,
        "can_delete_objects": "null",
        **KEYS,
    }
    twin.post("/api/storages/export/s3/validate", json=ours, expect=200)
    made = twin.post("/api/storages/export/s3", json=ours, expect=201)["id"]
    one = f"/api/storages/export/s3/{made}"
    twin.patch(
        one, json={"can_delete_objects": True, "aws_sse_kms_key_id": "key"}, expect=200, ignore=["last_sync_job"]
    )
    twin.get(one, expect=200, ignore=["last_sync_job"])
    twin.rows(differs={"io_storages_s3exportstorage.last_sync_job": "sync-job"})
    twin.delete(one, expect=204)
    twin.rows()


@pytest.mark.parametrize("change", [{"bucket": "nowhere"}, {"prefix": "img/none"}, {"s3_endpoint": "http://127.0.0.1:9"},
                                    {"s3_endpoint": "ftp://127.0.0.1"}, {"s3_endpoint": "nonsense"}])  # fmt: skip
def test_an_s3_storage_that_does_not_answer(twin: Twin, s3: str, change: dict[str, str]):
    """Label Studio hides every reason behind 500 when the endpoint is not one it trusts."""
    ours = {"project": 1, "bucket": "pictures", "prefix": "img", "s3_endpoint": s3, **KEYS} | change
    twin.probe("POST", "/api/storages/s3/validate", json=ours)


def test_redis_storages(twin: Twin, redis_url: str):
    port = redis_url.rsplit(":", 1)[1].split("/")[0]
    ours = {"project": 1, "host": "127.0.0.1", "port": port, "path": "calls:", "db": 3}
    twin.post("/api/storages/redis/validate", json=ours, expect=200)
    made = twin.post("/api/storages/redis/", json=ours, expect=201)["id"]
    one = f"/api/storages/redis/{made}"
    twin.patch(one, json={"title": "Calls", "host": "127.0.0.1", "port": port}, expect=200)
    twin.patch(one, json={"host": "127.0.0.1", "port": "1"}, expect=400)
    twin.post("/api/storages/redis/", json=ours | {"db": 0}, expect=400)
    twin.post("/api/storages/redis/validate", json=ours | {"port": "1"}, expect=400)
    twin.post("/api/storages/redis/validate", json=ours | {"host": "no.such.host.invalid"}, expect=400)
    empty = twin.post("/api/projects/", json={"title": "Empty"}, expect=201)["id"]
    target = twin.post("/api/storages/export/redis", json=ours | {"project": empty}, expect=201)["id"]
    twin.patch(f"/api/storages/export/redis/{target}", json={"title": "Out"}, expect=200, ignore=["last_sync_job"])
    twin.rows(differs={"io_storages_redisexportstorage.last_sync_job": "sync-job"})
    twin.delete(one, expect=204)
    twin.delete(f"/api/storages/export/redis/{target}", expect=204)
    twin.rows()


def test_google_and_azure_without_credentials(twin: Twin):
    for direction in ("", "export/"):
        broken = {"project": 1, "bucket": "b", "google_application_credentials": "{"}
        twin.post(f"/api/storages/{direction}gcs", json=broken, expect=400)
        twin.post(f"/api/storages/{direction}azure", json={"project": 1, "container": "b"}, expect=400)
    twin.post("/api/storages/gcs/validate", json=broken, expect=400)
    twin.post("/api/storages/azure/validate", json={"project": 1, "container": "b"}, expect=400)
    for path in ("export/gcs", "export/azure"):
        answers = twin.post(
            f"/api/storages/{path}/validate", json={**broken, "container": "b"}, differs="storage-reasons"
        )
        assert answers.theirs.status_code == answers.ours.status_code == 400
    twin.rows()


def test_deleting_leaves_the_tasks(twin: Twin):
    twin.delete("/api/storages/s3/1", expect=204)
    twin.delete("/api/storages/localfiles/1", expect=204)
    twin.delete("/api/storages/gcs/1", expect=204)
    twin.get("/api/storages?project=1", expect=200)
    twin.rows()


def test_a_sync_that_is_not_wanted(twin: Twin):
    twin.execute("update io_storages_s3importstorage set synchronizable = :no where id = 1", no=False)
    twin.post("/api/storages/s3/1/sync", expect=400)
    twin.probe("POST", "/api/storages/s3/9999/sync")


def test_a_list_looks_after_silent_syncs(twin: Twin):
    """Label Studio writes what it found into the row."""
    meta = '{"attempts": 1, "time_last_ping": "2026-01-01 00:00:00+00:00", "time_in_progress": "2026-01-01 00:00:00+00:00"}'
    twin.execute("update io_storages_s3importstorage set status = 'in_progress', meta = :meta where id = 1", meta=meta)
    before = twin.snapshot()
    twin.get("/api/storages/s3/1", expect=200)
    [shown] = twin.get("/api/storages/s3?project=1", expect=200).json
    assert shown["status"] == "failed"
    twin.unchanged_since(before)
    twin.rows(differs={"io_storages_s3importstorage.status": "storage-health",
                       "io_storages_s3importstorage.traceback": "storage-health"})  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/storages/s3?project=1", None),
        ("GET", "/api/storages?project=1", None),
        ("GET", "/api/storages/s3/1", None),
        ("PATCH", "/api/storages/s3/1", {"title": "Mine now"}),
        ("DELETE", "/api/storages/s3/1", None),
        ("POST", "/api/storages/s3/", {"project": 1}),
    ],
)
def test_storages_of_another_organization(twin: Twin, method: str, path: str, body: dict[str, object] | None):
    twin.execute("update jwt_auth_jwtsettings set legacy_api_tokens_enabled = :yes", yes=True)
    twin.probe(method, path, json=body, as_user="erin", refused="other-organization")
