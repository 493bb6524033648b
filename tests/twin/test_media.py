"""Files as tasks show them: the same requests to Label Studio and to the console get the same files, in the same parts."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
import requests
from sqlalchemy import text

from tests.s3_server import KEY_ID, SECRET, S3Server, Stored
from tests.twin.twin import Pair, Twin

#: Headers that a player or a cache goes by.
HEADERS = ("Content-Type", "Content-Length", "Content-Range", "Accept-Ranges", "Cache-Control", "ETag", "Last-Modified")
MOVIE = bytes(range(256)) * 400


@pytest.fixture
def s3(twin: Twin) -> Iterator[S3Server]:
    """Both storages of the dump reach one server; the second hands files on."""
    with S3Server() as server:
        server.bucket("ls-demo-tasks", {
            "a.jpg": Stored(b"jpeg", content_type="image/jpeg"), "movie.mp4": Stored(MOVIE, content_type="video/mp4"),
            "ü b'c&d=%20.txt": b"odd", "typeless.png": Stored(b"png", content_type="binary/octet-stream"), "none": b"",
        })  # fmt: skip
        server.buckets["ls-demo-images"] = server.buckets["ls-demo-tasks"]
        twin.execute(
            "UPDATE io_storages_s3importstorage SET s3_endpoint = :endpoint, aws_access_key_id = :key,"
            " aws_secret_access_key = :secret, aws_session_token = NULL",
            endpoint=server.endpoint, key=KEY_ID, secret=SECRET,
        )  # fmt: skip
        twin.execute("UPDATE io_storages_s3importstorage SET presign = false WHERE id = 2")
        yield server


def link(key: str, path: str = "/tasks/60/resolve/", bucket: str = "ls-demo-tasks") -> str:
    return f"{path}?fileuri={base64.urlsafe_b64encode(f's3://{bucket}/{key}'.encode()).decode()}"


def passed_on(key: str) -> str:
    return link(key, "/projects/3/resolve/", "ls-demo-images")


def fetched(twin: Twin, path: str, *, expect: int, as_user: str | None = "alice", **headers: str) -> Pair:
    """Both answers, without following a redirect: equal status, body and headers."""
    answers = []
    for side in twin.sides:
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        told |= {"Authorization": f"Token {twin.tokens[as_user]}"} if as_user else {}
        answers.append(requests.get(f"{side.url}{path}", headers=told, allow_redirects=False, timeout=20))
    theirs, ours = answers
    seen = f"{path} {headers}"
    assert (theirs.status_code, ours.status_code) == (expect, expect), seen
    if expect not in {303, 424}:
        assert theirs.content == ours.content, seen
    if expect in {200, 206}:
        assert {name: theirs.headers.get(name) for name in HEADERS if name in theirs.headers} == {
            name: ours.headers.get(name) for name in HEADERS if name in theirs.headers
        }, seen
    return Pair(theirs, ours)


def test_signed_addresses(twin: Twin, s3: S3Server):
    for path in (link("a.jpg"), link("ü b'c&d=%20.txt"), link("none", "/tasks/60/presign/"), link("a.jpg", "/projects/1/presign/"),
                 f"/tasks/60/resolve/?fileuri={quote('s3://ls-demo-tasks/a.jpg', safe='')}"):  # fmt: skip
        pair = fetched(twin, path, expect=303)
        assert pair.theirs.headers["Cache-Control"] == pair.ours.headers["Cache-Control"]
        theirs, ours = (urlsplit(answer.headers["Location"]) for answer in (pair.theirs, pair.ours))
        assert theirs.path == ours.path
        made_then = {"X-Amz-Date", "X-Amz-Signature"}
        assert [one for one in parse_qsl(theirs.query) if one[0] not in made_then] == [
            one for one in parse_qsl(ours.query) if one[0] not in made_then
        ]
        assert requests.get(pair.ours.headers["Location"], timeout=5).status_code == 200
    assert len(s3.log) == 5, "signing asks nobody"


def test_what_is_no_link(twin: Twin, s3: S3Server):
    for path in (
        link("a.jpg", "/tasks/99999/resolve/"), link("a.jpg", "/projects/99/resolve/"), link("a.jpg", bucket="other"),
        "/tasks/60/resolve/?fileuri=nonsense", "/tasks/60/resolve/?fileuri=",
        "/tasks/60/resolve/?fileuri=S3%3A%2F%2Fls-demo-tasks%2Fa",
    ):  # fmt: skip
        fetched(twin, path, expect=404)
    for path in ("/tasks/60/resolve/", "/projects/1/presign/"):
        fetched(twin, path, expect=400)
    fetched(twin, link("a.jpg"), expect=403, as_user="grace")
    twin.get(link("a.jpg"), as_user=None, expect=401)
    assert not s3.log


def test_passed_on(twin: Twin, s3: S3Server):
    for key in ("a.jpg", "ü b'c&d=%20.txt", "movie.mp4", "typeless.png", "none"):
        pair = fetched(twin, passed_on(key), expect=200)
        tag = pair.theirs.headers["ETag"]
        fetched(twin, passed_on(key), expect=304, If_None_Match=tag)
        fetched(twin, passed_on(key), expect=200, If_None_Match='"other"')
    for asked in (
        "bytes=0-",
        "bytes=0-0",
        "bytes=100-199",
        "bytes=100000-",
        "bytes=-5",
        "bytes=x",
        "bytes=5-0",
        "bytes=7",
    ):
        fetched(twin, passed_on("movie.mp4"), expect=206, Range=asked)


def test_what_the_bucket_refuses(twin: Twin, s3: S3Server):
    pair = fetched(twin, passed_on("gone.jpg"), expect=424)
    assert pair.theirs.json()["error"] == pair.ours.json()["error"]
    fetched(twin, passed_on("movie.mp4"), expect=424, Range="bytes=999999999-")
    s3.buckets["ls-demo-images"].faults["GET"] = "deny"
    fetched(twin, passed_on("a.jpg"), expect=424)


def test_links_in_task_data(twin: Twin):
    for data in (
        {"text": '<img src="s3://ls-demo-tasks/a b.png"> and s3://ls-demo-tasks/b'},
        {"text": {"a": ["s3://ls-demo-tasks/1", {"b": "s3://nope/1"}]}},
        {
            "text": "/data/local-files/?d=a/b.txt",
            "u": "/data/upload/1/x.csv",
            "h": "http://x.example/a.jpg",
            "s": "S3://b/1",
        },
    ):
        twin.execute("UPDATE task SET data = :data WHERE id = 60", data=json.dumps(data))
        twin.get("/api/tasks/60/", expect=200)
        twin.get("/api/tasks/?project=1&page_size=100", ignore=["avg_lead_time"], expect=200)


@pytest.fixture
def disk(twin: Twin, tmp_path: Path) -> Path:
    """One folder for both sides; the storage of project 2 has it."""
    folder = tmp_path / "shared"
    for name in ("a b.txt", "pic.svg", "sub/ü.wav", "empty.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"" if name.startswith("empty") else name.encode())
    (tmp_path / "outside.txt").write_text("outside")
    (folder / "link.txt").symlink_to(tmp_path / "outside.txt")
    twin.execute("UPDATE io_storages_localfilesmixin SET path = :path WHERE id = 1", path=str(folder))
    return folder


def test_local_files(twin: Twin, disk: Path):
    def path(name: str) -> str:
        return f"/data/local-files/?d={quote(str(disk / name).lstrip('/'))}"

    for name in ("a b.txt", "pic.svg", "sub/ü.wav", "empty.png", "link.txt", "sub/../a b.txt"):
        pair = fetched(twin, path(name), expect=200)
        fetched(twin, path(name), expect=304, If_None_Match=pair.theirs.headers["ETag"])
    for asked in ("bytes=0-1", "bytes=2-", "bytes=-2", "bytes=0-999"):
        fetched(twin, path("a b.txt"), expect=206, Range=asked)
    for asked in ("bytes=4-2", "bytes=0-1,3-4", "bytes=x", "lines=0-1"):
        fetched(twin, path("a b.txt"), expect=200, Range=asked)
    for name in ("none.txt", "", "../outside.txt"):
        fetched(twin, path(name), expect=404)
    assert fetched(twin, "/data/local-files/", expect=403).ours.content == b""
    fetched(twin, "/data/local-files/?d=etc/passwd", expect=404)
    fetched(twin, path("a b.txt"), expect=404, as_user="grace")
    twin.get(path("a b.txt"), as_user=None, expect=401)


def test_uploaded_files(twin: Twin):
    made = twin.post(
        "/api/projects/1/import?commit_to_project=false", files={"file": ("ü b.txt", b"one\ntwo\n")}, expect=201
    )
    ids = made["file_upload_ids"]
    assert len(ids) == 1
    twin.rows()
    for side in twin.sides:
        told = {"Authorization": f"Token {twin.tokens['alice']}"}
        name = requests.get(f"{side.url}/api/import/file-upload/{ids[0]}", headers=told, timeout=5).json()["file"]
        answer = requests.get(f"{side.url}/data/{quote(name)}", headers=told | {"Range": "bytes=4-6"}, timeout=5)
        assert (answer.status_code, answer.content) == (206, b"two")
        assert [answer.headers[header] for header in HEADERS[:3]] == ["text/plain", "3", "bytes 4-6/8"]
        assert "sandbox" in answer.headers["Content-Security-Policy"]
    with twin.sides[0].database.connect() as connection:
        known = connection.execute(text("SELECT file FROM data_import_fileupload WHERE id = 1")).scalar_one()
    fetched(twin, f"/data/{known}", expect=403, as_user="grace")
    fetched(twin, "/storage-data/uploaded/", expect=404)
    fetched(twin, "/storage-data/uploaded/?filepath=upload/1/none", expect=403)
    fetched(twin, "/storage-data/uploaded/?filepath=secret", expect=403)
