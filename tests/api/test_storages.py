"""The storage API: what is refused, what is never told, who reaches what, and syncs."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from flask import Flask
from sqlalchemy import text

from console import jobs
from console.app import build
from console.config import Settings
from console.deployment.storages import KINDS
from console.labeling.storages.fields import PLACE, RENAMED, SECRETS
from console.service import Console
from console.state import audit, new_id
from console.state.models import JobRow
from console.state.store import _started, this_process
from tests.api.statements import at_most
from tests.api_client import ApiClient, client_of
from tests.digests import digests
from tests.factories import BOTH_ENGINES
from tests.servers import s3_server

SECRET = "wJalrXUtnFEMI-not-a-real-secret"
PATHS = {
    prefix: f"/api/storages/{'export/' if kind.is_target else ''}{kind.provider}" for prefix, kind in KINDS.items()
}


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    root = tmp_path / "root"
    (root / "in" / "deep").mkdir(parents=True)
    (root / "out").mkdir()
    for name in ("a.json", "b.txt", "deep/c.json"):
        (root / "in" / name).write_text('{"text": "from a file"}')
    return replace(settings, local_files_root=root, local_files_serving=True, bucket_endpoints=("127.0.0.1",))


@pytest.fixture
def root(settings: Settings) -> Path:
    return settings.local_files_root


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """An S3 server with the bucket `out`."""
    with s3_server() as url:
        client = boto3.client(
            "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        client.create_bucket(Bucket="out")
        client.put_object(Bucket="out", Key="in/a.json", Body=b'{"text": "x"}')
        yield url


def told(response: Any) -> dict[str, Any]:
    return response.get_json()["validation_errors"]


def test_a_filter_that_is_no_expression_is_refused_at_save(alice: ApiClient) -> None:
    for prefix in KINDS:
        response = alice.post(PATHS[prefix], json={"project": 1, "regex_filter": "*.jpg"})
        assert response.status_code == 400
        [message] = told(response)["regex_filter"]
        assert "nothing to repeat" in message
        assert r".*\.jpg$" in message


def test_hostile_filters_are_refused_in_time(alice: ApiClient) -> None:
    for pattern in ("(", "[a", "(?P<x>a)(?P<x>b)", "a{2,1}", "(?<=a+)b", "(" * 500, "x" * 30_000):
        response = alice.patch("/api/storages/s3/1", json={"regex_filter": pattern})
        assert response.status_code == 400
        assert set(told(response)) == {"regex_filter"}


def test_a_slow_filter_is_stored(alice: ApiClient) -> None:
    """It compiles; what it costs is the sync's to bound."""
    assert alice.patch("/api/storages/s3/1", json={"regex_filter": "(a+)+$"}).status_code == 200


def test_parameters_of_older_scripts_are_refused_by_their_new_name(alice: ApiClient) -> None:
    asked = [(provider, old, new) for provider, names in RENAMED.items() for old, new in names.items()]
    for provider, old, new in asked:
        for path in (PATHS[provider], f"{PATHS[provider]}/validate", PATHS[f"{provider}-export"]):
            response = alice.post(path, json={"project": 1, old: "x"})
            assert response.status_code == 400
            assert (new or "removed") in told(response)[old][0]


def test_the_old_paths_say_where_to_go(alice: ApiClient) -> None:
    for method, path in (("GET", "/api/storages/7"), ("POST", "/api/storages/7/sync"), ("DELETE", "/api/storages/7/")):
        response = alice.send(method, path)
        assert response.status_code == 404
        assert "/api/storages/<type>/7" in response.get_json()["detail"]


def test_no_secret_is_ever_answered_or_told(
    console: Console, alice: ApiClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Not when it is stored, shown, refused, or wrong."""
    for prefix in KINDS:
        caplog.set_level(logging.INFO)
        kind = KINDS[prefix]
        given = {"project": 1, **dict.fromkeys(SECRETS[kind.provider], SECRET), "bucket": "b", "container": "c", "host": "127.0.0.1",
                 "port": "9", "s3_endpoint": "http://127.0.0.1:9", "path": "/nowhere"}  # fmt: skip
        given = {name: value for name, value in given.items() if name not in RENAMED[kind.provider]}
        answers = [alice.post(PATHS[prefix], json=given), alice.post(f"{PATHS[prefix]}/validate", json=given)]
        answers += [alice.post(PATHS[prefix], json=given | {name: [SECRET]}) for name in SECRETS[kind.provider]]
        if not kind.is_target:
            answers.append(alice.post(f"{PATHS[prefix]}/files", json=given))
        with console.deployment.read() as session:
            ids = [row[0] for row in session.execute(text(f"select {kind.key_column} from {kind.table_name}"))]
        for number in ids:
            answers += [alice.get(f"{PATHS[prefix]}/{number}"), alice.post(f"{PATHS[prefix]}/{number}/sync")]
            answers.append(alice.patch(f"{PATHS[prefix]}/{number}", json=dict.fromkeys(SECRETS[kind.provider], SECRET)))
        for answer in answers:
            body = answer.get_data(as_text=True)
            assert answer.status_code < 500, body
            assert SECRET not in body
            assert "fake-secret" not in body
            if answer.status_code < 300 and body:
                assert not set(SECRETS[kind.provider]) & set(answer.get_json())
        assert SECRET not in caplog.text
        assert SECRET not in str([vars(event) for event in audit.search(console.store, limit=50)[0]])


def test_secrets_that_are_not_sent_stay(console: Console, alice: ApiClient) -> None:
    assert alice.patch("/api/storages/s3/1", json={"title": "Renamed"}).status_code == 200
    assert alice.patch("/api/storages/s3/1", json={"aws_session_token": "new"}).status_code == 200
    with console.deployment.read() as session:
        row = session.execute(text("select * from io_storages_s3importstorage where id = 1")).mappings().one()
    assert (row["title"], row["aws_secret_access_key"], row["aws_session_token"]) == ("Renamed", "fake-secret", "new")


def test_a_new_storage_may_take_the_secrets_of_another(console: Console, alice: ApiClient, erin: ApiClient) -> None:
    made = alice.post("/api/storages/s3", json={"project": 2, "id": 1})
    assert made.status_code == 201
    with console.deployment.read() as session:
        statement = text("select aws_secret_access_key from io_storages_s3importstorage where id = :id")
        assert session.execute(statement, {"id": made.get_json()["id"]}).scalar() == "fake-secret"
    assert erin.post("/api/storages/s3", json={"project": 4, "id": 1}).status_code == 404
    assert erin.post("/api/storages/s3/validate", json={"project": 4, "id": 1}).status_code == 404


@BOTH_ENGINES
def test_trying_changes_nothing(console: Console, alice: ApiClient, root: Path) -> None:
    made = alice.post("/api/storages/localfiles", json={"project": 1, "path": str(root / "in")}).get_json()
    before = digests(console.settings.database_url or "")
    other = {"project": 2, "path": str(root / "in" / "deep"), "title": "Other", "id": made["id"]}
    assert alice.post("/api/storages/localfiles/validate", json=other).status_code == 200
    answer = alice.post("/api/storages/localfiles/files", json=other)
    assert [one["key"] for one in answer.get_json()["files"]] == [str(root / "in" / "deep" / "c.json")]
    assert digests(console.settings.database_url or "") == before


def test_local_paths_outside_of_the_root_are_refused(alice: ApiClient, root: Path) -> None:
    before = alice.get("/api/storages/localfiles?project=1").get_json()
    inside = ("none", "..", "../root", "in\x00", "y" * 300)
    for where in ("", "/", "/etc", "relative", "x" * 5000, str(root), *(f"{root}/{name}" for name in inside)):
        for path in (PATHS["localfiles"], PATHS["localfiles-export"]):
            response = alice.post(path, json={"project": 1, "path": where})
            assert response.status_code == 400, response.get_json()
    assert alice.get("/api/storages/localfiles?project=1").get_json() == before


def test_endpoints_that_the_network_rules_refuse_are_403(alice: ApiClient) -> None:
    private = ("http://10.0.0.1:9000", "http://169.254.169.254/", "http://[::1]:9000", "http://metadata")
    nonsense = ("ftp://example.com", "gopher://x", "//x", "http://", "http://[", "http://a:b")
    for endpoint in (*private, *nonsense):
        for path in (PATHS["s3"], PATHS["s3-export"], f"{PATHS['s3']}/validate"):
            response = alice.post(path, json={"project": 1, "bucket": "b", "s3_endpoint": endpoint})
            assert response.status_code == 403, endpoint
            assert "not allowed" in response.get_json()["detail"]
        assert alice.patch("/api/storages/s3/1", json={"s3_endpoint": endpoint}).status_code == 403


def test_a_name_that_nobody_knows_is_400(alice: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    response = alice.post(PATHS["s3"], json={"project": 1, "bucket": "b", "s3_endpoint": "http://no.such.host"})
    assert response.status_code == 400
    assert told(response) == {"s3_endpoint": ["Can't resolve hostname no.such.host"]}


def test_a_redis_in_a_private_network_is_403(alice: ApiClient) -> None:
    response = alice.post(f"{PATHS['redis']}/validate", json={"project": 1, "host": "10.0.0.1", "port": "6379"})
    assert response.status_code == 403


def test_lifetimes_of_links_have_bounds(alice: ApiClient) -> None:
    for value, status in ((0, 200), (32767, 200), (32768, 400), (-1, 400), ("soon", 400), (None, 400), (10**30, 400)):
        assert alice.patch("/api/storages/s3/1", json={"presign_ttl": value}).status_code == status, value


def test_without_local_files_nothing_of_them_is_served(settings: Settings) -> None:
    console = Console(replace(settings, local_files_storages=False))
    app = build(console=console)
    alice = client_of(app, console, "alice")
    assert "localfiles" not in [one["name"] for one in alice.get("/api/storages/types").get_json()]
    for method, path in (
        ("GET", "?project=1"),
        ("GET", "/1"),
        ("POST", "/validate"),
        ("GET", "/form"),
        ("POST", "/1/sync"),
    ):
        assert alice.send(method, f"/api/storages/localfiles{path}", json={}).status_code == 404
    assert all(one["type"] != "localfiles" for one in alice.get("/api/storages?project=2").get_json())
    console.close()


def test_every_form_asks_for_every_field(alice: ApiClient) -> None:
    for prefix in KINDS:
        kind = KINDS[prefix]
        rows = alice.get(f"{PATHS[prefix]}/form").get_json()
        asked = {field["name"] for row in rows for field in row["fields"]}
        wanted = {*SECRETS[kind.provider], *PLACE[kind.provider], "title"} - {
            "use_blob_urls",
            "regex_filter",
            "aws_sse_kms_key_id",
        }
        assert wanted <= asked
        assert all(1 <= row["columnCount"] <= 4 for row in rows)


@BOTH_ENGINES
def test_few_statements(console: Console, alice: ApiClient) -> None:
    with at_most(console, 4):
        assert len(alice.get("/api/storages?project=1").get_json()) == 1
    with at_most(console, 3):
        assert len(alice.get("/api/storages/s3?project=1").get_json()) == 1
    with at_most(console, 3):
        assert alice.get("/api/storages/s3/1").status_code == 200


# --- who


def test_storages_of_other_organizations_are_out_of_reach(console: Console, alice: ApiClient, erin: ApiClient) -> None:
    before = digests(console.settings.database_url or "")
    for prefix in ("s3", "gcs", "localfiles", "s3-export"):
        one = f"{PATHS[prefix]}/1"
        assert alice.get(one).status_code == 200
        for method, path in (("GET", one), ("PATCH", one), ("PUT", one), ("DELETE", one), ("POST", f"{one}/sync")):
            assert erin.send(method, path, json={"project": 4, "path": "/x"}).status_code == 404, (method, path)
        assert erin.get(f"{PATHS[prefix]}?project=1").status_code == 404
        assert erin.post(PATHS[prefix], json={"project": 1}).status_code == 400
        assert erin.post(f"{PATHS[prefix]}/validate", json={"project": 1}).status_code == 400
    assert erin.get("/api/storages?project=1").get_json() == []
    assert digests(console.settings.database_url or "") == before


def test_a_storage_is_not_given_to_a_project_of_another_organization(alice: ApiClient) -> None:
    response = alice.patch("/api/storages/s3/1", json={"project": 4})
    assert response.status_code == 400
    assert told(response) == {"project": ['Invalid pk "4" - object does not exist.']}


def test_a_former_member_is_refused(app: Flask, console: Console) -> None:
    grace = client_of(app, console, "grace")
    assert grace.get("/api/storages/s3/1").status_code == 403
    assert grace.get("/api/storages?project=1").get_json() == []
    assert grace.delete("/api/storages/s3/1").status_code == 403
    assert grace.post("/api/storages/s3", json={"project": 1}).status_code == 403


# --- releases and engines


@BOTH_ENGINES
@pytest.mark.parametrize("version", ["1.8.2.post1", "1.13.1", "1.18.0", "1.23.2"])
def test_any_release(alice: ApiClient, root: Path) -> None:
    for direction in ("", "export/"):
        base = f"/api/storages/{direction}localfiles"
        made = alice.post(base, json={"project": 1, "path": str(root / "out"), "title": "Out", "recursive_scan": True})
        assert made.status_code == 201, made.get_json()
        one = f"{base}/{made.get_json()['id']}"
        assert alice.patch(one, json={"path": str(root / "in"), "title": "In"}).get_json()["title"] == "In"
        assert alice.get(one).get_json()["path"] == str(root / "in")
        known = alice.get(f"{base}?project=1").get_json()
        assert [storage["title"] for storage in known if storage["id"] == made.get_json()["id"]] == ["In"]
        assert alice.delete(one).status_code == 204
        assert alice.get(one).status_code == 404
    written = json.loads((root / "out" / "1").read_text())
    assert (written["id"], written["task"]["project"]) == (1, 1)
    for name in ("s3", "gcs", "azure", "redis"):
        assert alice.get(f"/api/storages/{name}?project=1").status_code == 200


# --- syncs


@BOTH_ENGINES
def test_a_source_is_synced(console: Console, alice: ApiClient, root: Path) -> None:
    ours = {"project": 1, "path": str(root / "in"), "regex_filter": r".*\.json$", "recursive_scan": True}
    made = alice.post("/api/storages/localfiles", json=ours).get_json()
    assert made["status"] == "initialized"
    synced = alice.post(f"/api/storages/localfiles/{made['id']}/sync")
    assert synced.status_code == 200
    assert (synced.get_json()["status"], synced.get_json()["last_sync_count"]) == ("completed", 2)
    again = alice.post(f"/api/storages/localfiles/{made['id']}/sync").get_json()
    assert (again["last_sync_count"], again["meta"]["tasks_existed"], again["meta"]["attempts"]) == (0, 2, 2)
    actions = [event.action for event in audit.search(console.store, limit=10)[0]]
    assert actions.count("synced a storage") == 2


def test_a_sync_under_way_is_left_alone(console: Console, alice: ApiClient, root: Path) -> None:
    made = alice.post("/api/storages/localfiles", json={"project": 1, "path": str(root / "in")}).get_json()
    with console.deployment.write() as session:
        session.execute(
            text("update io_storages_localfilesimportstorage set status = 'queued', last_sync_job = 'somebody'")
        )
    answer = alice.post(f"/api/storages/localfiles/{made['id']}/sync")
    assert answer.status_code == 200
    assert (answer.get_json()["status"], answer.get_json()["last_sync_job"]) == ("queued", "somebody")


def test_syncs_that_are_asked_for_again_and_again_are_one_job(console: Console, alice: ApiClient, root: Path) -> None:
    made = alice.post("/api/storages/localfiles", json={"project": 1, "path": str(root / "in")}).get_json()
    another = f"{this_process().rsplit(':', 2)[0]}:{os.getppid()}:{_started(os.getppid())}"
    row = JobRow(
        id=new_id(), kind="sync", title="Sync", arguments={"storage": f"localfiles:{made['id']}"}, status="running",
        by="alice", created_at=datetime.now(UTC), owner=another,
    )  # fmt: skip
    with console.store.session() as session:
        session.add(row)
    assert alice.post(f"/api/storages/localfiles/{made['id']}/sync").status_code == 200
    assert [job.id for job in jobs.running(console.store)] == [row.id]
    assert jobs.finished(console.store, offset=0, limit=1)[1] == 0


def test_a_sync_asks_the_bucket_first(alice: ApiClient, root: Path, s3: str) -> None:
    keys = {"aws_access_key_id": "AKIAEXAMPLE000000009", "aws_secret_access_key": SECRET, "s3_endpoint": s3}
    made = alice.post("/api/storages/s3", json={"project": 1, **keys}).get_json()
    refused = alice.post(f"/api/storages/s3/{made['id']}/sync")
    assert refused.status_code == 400
    assert alice.get(f"/api/storages/s3/{made['id']}").get_json()["status"] == "initialized"
    missing = alice.patch(f"/api/storages/s3/{made['id']}", json={"bucket": "nowhere"})
    assert told(missing) == {"non_field_errors": ["Cannot find bucket nowhere in S3"]}
    half = alice.patch(f"/api/storages/s3/{made['id']}", json={"bucket": "out", "prefix": "none"})
    assert told(half) == {"non_field_errors": ["s3://out/none not found."]}


def test_a_new_target_is_filled_at_once_unless_it_shall_not(
    console: Console, alice: ApiClient, root: Path, s3: str
) -> None:
    ours = {
        "project": 1,
        "bucket": "out",
        "prefix": "p",
        "s3_endpoint": s3,
        "aws_access_key_id": "k",
        "aws_secret_access_key": "s",
    }
    made = alice.post("/api/storages/export/s3", json=ours)
    assert (made.status_code, made.get_json()["status"]) == (201, "queued")
    now = alice.get(f"/api/storages/export/s3/{made.get_json()['id']}").get_json()
    assert (now["status"], now["last_sync_count"]) == ("completed", now["meta"]["total_annotations"])
    client = boto3.client(
        "s3", endpoint_url=s3, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    first = json.loads(client.get_object(Bucket="out", Key="p/1")["Body"].read())
    assert (first["id"], first["task"]["project"], first["completed_by"]["email"]) == (1, 1, "alice@example.com")
    not_now = alice.post(
        "/api/storages/export/localfiles", json={"project": 1, "path": str(root / "out"), "synchronizable": False}
    )
    assert not_now.get_json()["status"] == "initialized"
    assert list((root / "out").iterdir()) == []
    assert alice.post(f"/api/storages/export/localfiles/{not_now.get_json()['id']}/sync").status_code == 400


def test_new_targets_wait_where_the_operator_says_so(settings: Settings) -> None:
    console = Console(replace(settings, sync_new_targets=False))
    alice = client_of(build(console=console), console, "alice")
    path = str(settings.local_files_root / "out")
    assert (
        alice.post("/api/storages/export/localfiles", json={"project": 1, "path": path}).get_json()["status"]
        == "initialized"
    )
    console.close()


def test_a_preview_tells_where_it_was_cut(alice: ApiClient, root: Path) -> None:
    url, ours = "/api/storages/localfiles/files", {"project": 1, "path": str(root / "in"), "recursive_scan": True}
    keys = [one["key"] for one in alice.post(url, json=ours | {"limit": 2}).get_json()["files"]]
    assert keys == [str(root / "in" / "a.json"), str(root / "in" / "b.txt"), None]
    assert alice.post(url, json=ours | {"limit": "many"}).status_code == 400
    assert alice.post(url, json=ours | {"limit": 10**17}).status_code == 200
