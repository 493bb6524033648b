"""Why a file does not show: each cause that a ticket may have, produced by a real server, and told in words."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from console.config import Settings
from console.deployment import Deployment
from console.doctor import media, media_text
from tests.s3_server import KEY_ID, SECRET, Cors, FakeBucket, S3Server, Stored

#: This machine, so that its own servers are no names of an inside that people cannot reach.
ORIGIN = "http://localhost:8080"
PICTURE, MOVIE = "s3://ls-demo-tasks/pic.jpg", "s3://ls-demo-tasks/movie.mp4"
LOGIN = "Basic " + base64.b64encode(b"me:open sesame").decode()
Tell = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture
def bucket(s3: S3Server, session: Session) -> FakeBucket:
    """The bucket of storage s3:1, of project 1, as it should be."""
    s3.clock_offset_seconds = 0
    s3.keys.clear()
    s3.keys[KEY_ID] = s3_key()
    session.execute(
        text("update io_storages_s3importstorage set s3_endpoint = :endpoint, aws_access_key_id = :key, presign = true,"
             " aws_secret_access_key = :secret, aws_session_token = null, presign_ttl = 60 where id = 1"),
        {"endpoint": s3.endpoint, "key": KEY_ID, "secret": SECRET},
    )  # fmt: skip
    session.commit()
    return s3.bucket("ls-demo-tasks", {
        "pic.jpg": Stored(b"jpeg" * 50, content_type="image/jpeg"), "movie.mp4": Stored(size=500, content_type="video/mp4"),
        "a b.jpg": Stored(b"jpeg", content_type="image/jpeg"),
    }, cors=[Cors()])  # fmt: skip


def s3_key() -> Any:
    from tests.s3_signing import Key

    return Key(SECRET)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, label_studio_url=ORIGIN, bucket_endpoints=("127.0.0.1",))


@pytest.fixture
def tell(deployment: Deployment, settings: Settings) -> Tell:
    """The document of a text, with `settings` changed by keywords; nothing secret in it."""

    def told(asked: str, *, project_id: int | None = 1, **changes: Any) -> dict[str, Any]:
        document = media.story(deployment, replace(settings, **changes), asked, project_id=project_id)
        printed = json.dumps(document)
        assert SECRET not in printed and "X-Amz-Signature=" not in printed.replace("X-Amz-Signature=\\u2022", "")
        assert next(media_text.lines(document)).startswith(document["asked"])
        return document

    return told


def states(document: dict[str, Any]) -> dict[str, str]:
    """Title -> state of the steps of the first file."""
    return {step["title"]: step["state"] for step in document["files"][0]["steps"]}


def why(document: dict[str, Any]) -> tuple[str, str]:
    """(check, message) of the cause."""
    assert document["state"] == "failed", document
    return document["why"]["check"], document["why"]["message"]


@pytest.mark.usefixtures("bucket")
def test_a_file_that_shows(tell: Tell):
    document = tell(PICTURE)
    assert document["state"] == "ok" and set(states(document).values()) == {"ok"}
    assert document["read_as"] == "a link into a bucket" and document["origin"] == ORIGIN
    assert len(document["files"][0]["steps"]) == 13


def test_cors(tell: Tell, bucket: FakeBucket):
    bucket.cors = None
    check, message = why(tell(PICTURE))
    assert check == "storage.cors_missing" and ORIGIN in message and "names no origin" in message
    bucket.cors = [Cors(origins=("https://elsewhere.example.com",))]
    assert why(tell(PICTURE))[0] == "storage.cors_missing"
    bucket.cors = [Cors(origins=(ORIGIN,), methods=("GET",), headers=())]
    document = tell(PICTURE)
    assert document["state"] == "ok"
    assert [state for title, state in states(document).items() if "preflight" in title or "HEAD" in title] == [
        "info",
        "info",
    ]
    unknown = tell(PICTURE, label_studio_url=None)
    assert unknown["state"] == "unknown" and "LSCONSOLE_LABEL_STUDIO_URL" in unknown["why"]["message"]


def test_what_the_bucket_refuses(tell: Tell, bucket: FakeBucket, s3: S3Server):
    bucket.faults["GET"] = "deny"
    check, message = why(tell(PICTURE))
    assert check == "storage.presign_403" and "may not GET the object" in message and "AccessDenied" in message
    told = {"403 InvalidObjectState": "storage.archived_class", "400 ExpiredToken": "storage.sts_expired",
            "403 RequestTimeTooSkewed": "storage.presign_403", "503 SlowDown": ""}  # fmt: skip
    for fault, check in told.items():
        bucket.faults["GET"] = fault
        assert why(tell(PICTURE))[0] == check
    bucket.faults.clear()
    s3.keys.clear()
    assert "access key" in why(tell(PICTURE))[1]
    s3.keys["other"] = s3_key()


def test_a_wrong_secret(tell: Tell, bucket: FakeBucket, s3: S3Server):
    from tests.s3_signing import Key

    s3.keys[KEY_ID] = Key("another")
    assert "signature does not fit" in why(tell(PICTURE))[1]


def test_a_bucket_of_another_region(tell: Tell, bucket: FakeBucket):
    bucket.region = "eu-west-1"
    assert "another region" in why(tell(PICTURE))[1]
    bucket.wrong_region = "redirect"
    assert "region" in why(tell(PICTURE))[1]
    bucket.wrong_region = "http://127.0.0.1:9"
    assert "redirect" in why(tell(PICTURE))[1]
    bucket.wrong_region = "http://["
    assert "redirects to what is no address" in str(tell(PICTURE)["files"][0]["steps"])


@pytest.mark.usefixtures("bucket")
def test_objects_that_are_not_there(tell: Tell):
    assert why(tell("s3://ls-demo-tasks/gone.jpg"))[0] == "storage.object_gone"
    check, message = why(tell("s3://ls-demo-tasks/a%20b.jpg"))
    assert check == "storage.url_double_encoded" and "'a b.jpg'" in message and "once too often" in message
    assert tell("s3://ls-demo-tasks/a b.jpg")["state"] == "ok"
    assert "is cut" in why(tell("s3://ls-demo-tasks/pic.jpg?v=1"))[1]


def test_what_is_sent(tell: Tell, bucket: FakeBucket):
    bucket.objects["movie.mp4"] = Stored(b"", content_type="video/mp4")
    assert "empty" in why(tell(MOVIE))[1]
    bucket.objects["movie.mp4"] = Stored(size=500, headers={"Content-Encoding": "gzip", "Content-Type": "video/mp4"})
    assert why(tell(MOVIE))[0] == "storage.content_type"
    bucket.objects["movie.mp4"] = Stored(size=500, headers={"Content-Type": "application/pdf"})
    assert "application/pdf" in why(tell(MOVIE))[1]
    bucket.faults["GET"] = "html"
    assert "sign-in page" in why(tell(MOVIE))[1]
    bucket.faults.clear()
    bucket.objects["movie.mp4"] = Stored(size=500)
    bucket.ranges = False
    assert "two bytes" in why(tell(MOVIE))[1]
    bucket.ranges = True
    bucket.objects["movie.mp4"] = Stored(size=500, storage_class="GLACIER")
    document = tell(MOVIE)
    assert document["state"] == "ok" and "GLACIER" in str(document["files"][0]["steps"])


def test_servers_that_do_not_answer(tell: Tell, bucket: FakeBucket, deployment: Deployment, settings: Settings):
    bucket.faults["GET"] = "hang"
    document = media.story(deployment, settings, PICTURE, project_id=1, seconds=0.6)
    assert document["state"] == "failed" and "did not answer" in document["why"]["message"]
    assert document["seconds"] < 3
    bucket.faults["GET"] = "reset"
    assert tell(PICTURE)["state"] == "failed"


@pytest.mark.usefixtures("bucket")
def test_pages_over_https(tell: Tell):
    check, message = why(tell("http://files.invalid/a.jpg", label_studio_url="https://label.example.com/app"))
    assert check == "storage.mixed_content" and "https://label.example.com" in message
    assert states(tell(PICTURE, label_studio_url="https://localhost"))["Nothing mixes https and http"] == "ok", (
        "this machine is exempt"
    )
    check, message = why(tell(PICTURE, label_studio_url="http://label.example.com"))
    assert check == "storage.endpoint_internal_presign" and "127.0.0.1" in message


@pytest.mark.usefixtures("bucket")
def test_files_that_are_passed_on(tell: Tell, session: Session):
    session.execute(text("update io_storages_s3importstorage set presign = false"))
    session.commit()
    document = tell(PICTURE, label_studio_url="https://label.example.com")
    assert document["state"] == "ok" and "Pre-signed links are off" in document["files"][0]["steps"][-1]["message"]
    assert "424" in why(tell("s3://ls-demo-tasks/gone.jpg"))[1]


@pytest.mark.parametrize(
    ("link", "told"),
    [
        ("s3://LS-demo-tasks/a", "case counts"), ("S3://ls-demo-tasks/a", "Write s3://"), ("gcs://ls-demo/a", "Write gs://"),
        ("s3a://ls-demo-tasks/a", "Write s3://"), ("minio://b/a", "Write s3://"), ("hdfs://b/a", "knows s3://"),
        ("s3:/ls-demo-tasks/a", "two slashes"), ("s3://ls-demo-tasks", "no file in it"), ("s3://other/a", "there is s3:1"),
        ("s3://ls-demo-images/a", "s3:2 of project 3 has"), ("gs://nowhere/a", "no source storage of type Google"),
        ("azure-blob://box/a", "no source storage of type Azure"),
    ],
)  # fmt: skip
def test_links_that_no_storage_claims(tell: Tell, link: str, told: str):
    check, message = why(tell(link))
    assert check == "storage.uri_unresolvable" and told in message


def test_an_endpoint_that_the_rules_refuse(tell: Tell, bucket: FakeBucket):
    check, message = why(tell(PICTURE, bucket_endpoints=()))
    assert check == "storage.endpoint_blocked_ssrf" and "LSCONSOLE_BUCKET_ENDPOINTS" in message
    web = tell("http://169.254.169.254/latest/meta-data/a.jpg")
    assert "does not ask" in str(web["files"][0]["steps"]) and "reserved network" in str(web["files"][0]["steps"])


@pytest.mark.usefixtures("bucket")
def test_a_task(tell: Tell, session: Session):
    data = {"text": [PICTURE, {"b": "s3://other/x"}], "url": "https://files.invalid/x.jpg?X-Amz-Signature=aa&X-Amz-Date=20200101T000000Z&X-Amz-Expires=9",
            "plain": "not s3 at all", "n": 1}  # fmt: skip
    session.execute(text("update task set data = :data where id = 60"), {"data": json.dumps(data)})
    session.commit()
    document = tell("http://localhost:8080/projects/1/data?task=60&tab=2", project_id=None)
    assert [(file["field"], file["why"]["check"]) for file in document["files"]] == [
        ("text", ""), ("text", "storage.uri_unresolvable"), ("url", "storage.presigned_in_data"),
    ]  # fmt: skip
    assert document["why"]["check"] == "storage.uri_unresolvable" and document["task_id"] == 60
    encoded = base64.urlsafe_b64encode(PICTURE.encode()).decode()
    assert tell(f"/tasks/60/resolve/?fileuri={encoded}", project_id=None)["state"] == "ok"
    assert tell(f"/tasks/41/presign/?fileuri={encoded}", project_id=None)["project_id"] == 1


def test_tasks_that_name_no_file(tell: Tell, session: Session):
    session.execute(text('update task set data = \'{"text": "hello"}\' where id = 60'))
    session.execute(text('update task set data = \'{"image": "cat.jpg"}\' where project_id = 3'))
    session.commit()
    assert tell("60", project_id=None)["state"] == "ok"
    number = session.scalar(text("select min(id) from task where project_id = 3"))
    assert "is no address" in why(tell(f"task {number}", project_id=None))[1]
    assert "no task 99999999" in why(tell("99999999", project_id=None))[1]
    assert "belongs to project 1" in why(tell("http://localhost:8080/projects/3/data?task=60", project_id=None))[1]


def test_addresses_of_the_web(tell: Tell):
    assert "Can't resolve" in why(tell("https://files.invalid/a%20b.jpg"))[1]
    twice = tell("https://files.invalid/a%2520b.jpg")
    assert "%2520" in str(twice["files"][0]["steps"])
    assert "container" in why(tell("http://minio:9000/bucket/a.jpg", label_studio_url="http://label.example.com"))[1]
    made = f"{datetime.now(UTC) - timedelta(hours=3):%Y%m%dT%H%M%SZ}"
    ended = tell(f"https://files.invalid/a.jpg?X-Amz-Date={made}&X-Amz-Expires=3600&X-Amz-Signature=00ff")
    assert why(ended)[0] == "storage.presign_403" and "2 h ago" in ended["why"]["message"]


def test_local_files(tell: Tell, session: Session, tmp_path: Path):
    folder = tmp_path / "files"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    session.execute(text("update io_storages_localfilesmixin set path = :path where id = 1"), {"path": str(folder)})
    session.commit()
    place = str(folder).lstrip("/")
    serving = {"local_files_serving": True, "project_id": 2}
    assert tell(f"/data/local-files/?d={place}/a.txt", **serving)["state"] == "ok"
    assert why(tell(f"/data/local-files/?d={place}/a.txt"))[0] == "local.serving_off"
    assert "'a.txt': case counts" in why(tell(f"/data/local-files/?d={place}/A.TXT", **serving))[1]
    assert "folder" in why(tell(f"/data/local-files/?d={place}/sub", **serving))[1]
    assert why(tell("/data/local-files/?d=etc/passwd", **serving))[0] == "local.no_covering_storage"
    below = {**serving, "local_files_root": folder}
    assert why(tell("http://ls/data/local-files/?d=../../etc/passwd", **below))[0] == "local.outside_root"
    other = tell(f"/data/local-files/?d={place}/a.txt", **{**serving, "project_id": 1})
    assert "project 2" in str(other["files"][0]["steps"])


def test_uploads(tell: Tell, tmp_path: Path):
    assert tell("/data/upload/1/d140c7c1-reviews.csv")["state"] == "unknown"
    path = tmp_path / "label-studio/media/upload/1/d140c7c1-reviews.csv"
    path.parent.mkdir(parents=True)
    assert "not in the media directory" in why(tell("/data/upload/1/d140c7c1-reviews.csv"))[1]
    path.write_text("a,b")
    assert tell("http://ls.example/data/upload/1/d140c7c1-reviews.csv")["state"] == "ok"
    assert "No uploaded file" in why(tell("/data/upload/1/none.csv"))[1]


def test_the_file_proxy(tell: Tell, session: Session, s3: S3Server, bucket: FakeBucket):
    """The login goes to addresses of the project's own tasks, never to one that somebody pastes."""
    bucket.public = True
    address = f"{s3.endpoint}/ls-demo-tasks/pic.jpg"
    link = f"/api/projects/1/file-proxy/?url={base64.urlsafe_b64encode(address.encode()).decode()}"
    assert "has none" in why(tell(link))[1]
    session.execute(text("update project set task_data_login = 'me', task_data_password = 'open sesame' where id = 1"))
    session.execute(text("update task set data = :data where id = 60"), {"data": json.dumps({"text": address})})
    session.commit()
    s3.log.clear()
    assert tell(link)["state"] == "unknown" and not s3.log
    document = tell("task 60", project_id=None)
    assert "open sesame" not in json.dumps(document) and "passes the file on" in str(document["files"][0]["steps"])
    assert {seen.headers.get("authorization") for seen in s3.log} <= {LOGIN, None} and len(s3.log) > 0
