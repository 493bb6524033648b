"""Files on the disk over the API: local storages, uploads, pictures; parts of them, and what never leaves the disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import text

from console.api.media_files import part_of
from console.config import Settings
from console.service import Console
from tests.api_client import ApiClient, client_of

BODY = b"0123456789"


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    return replace(settings, local_files_serving=True, local_files_root=tmp_path / "files")


@pytest.fixture(autouse=True)
def disk(console: Console, tmp_path: Path) -> Path:
    """A folder that the local storage of project 2 has, uploads of projects 1 and 4, a picture of bob."""
    folder, media = tmp_path / "files" / "data", tmp_path / "label-studio" / "media"
    for path in (folder / "a b.txt", folder / "pic.svg", folder.parent / "data2" / "x.txt", folder / "empty.wav",
                 media / "upload/1/d140c7c1-reviews.csv", media / "upload/4/d584fa5b-calls.json", media / "avatars/bob.png",
                 media / "upload/1/page.html", media / "secret.txt", media / "export/1.json"):  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if path.name == "empty.wav" else BODY)
    with console.deployment.write() as session:
        session.execute(text("update io_storages_localfilesmixin set path = :path where id = 1"), {"path": str(folder)})
        session.execute(text("update htx_user set avatar = 'avatars/bob.png' where id = 2"))
        session.execute(
            text(
                "insert into data_import_fileupload (id, project_id, user_id, file) values (50, 1, 1, 'upload/1/page.html')"
            )
        )
    return tmp_path


def local(path: str) -> str:
    return f"/data/local-files/?d={quote(path)}"


def test_local_files(alice: ApiClient):
    answer = alice.get(local("data/a b.txt"))
    assert (answer.status_code, answer.data, answer.mimetype) == (200, BODY, "text/plain")
    assert answer.headers["ETag"].startswith('W/"') and answer.headers["Cache-Control"] == "private, no-cache"
    again = alice.get(local("data/a b.txt"), headers={"If-None-Match": f'"x", {answer.headers["ETag"]}'})
    assert (again.status_code, again.data) == (304, b"")
    assert alice.get(local("data/a b.txt"), headers={"If-None-Match": "*"}).status_code == 304
    assert alice.get(local("data/empty.wav")).data == b""


def test_the_consoles_own_files_are_nobodys(console: Console, alice: ApiClient, settings: Settings):
    """Also not with the console's directory below the root, as it is where the root is `/`."""
    own = settings.local_files_root / "data"
    console.settings = replace(settings, data_dir=own)
    assert alice.get(local("data/a b.txt")).status_code == 404
    (own / "sub").mkdir()
    (own / "sub" / "key").symlink_to(own / "a b.txt")
    assert alice.get(local("data/sub/key")).status_code == 404
    (own / "sub" / "x.txt").write_bytes(BODY)
    assert alice.get(local("data/sub/x.txt")).status_code == 200
    (own / "sub" / "env").symlink_to("/proc/self/status")
    assert alice.get(local("data/sub/env")).status_code == 404


def test_nothing_else_of_the_disk(alice: ApiClient):
    refused = {
        "data/none.txt": 404, "data2/x.txt": 404, "data": 404, "data/../data2/x.txt": 404, "data/%00": 404,
        "../label-studio/media/secret.txt": 400, "../../../../../../etc/passwd": 400, "..%2f..%2fetc/passwd": 400,
        "data\\..\\..\\x": 404, "data/" + "a" * 5000: 404, "": 403, "data/%ff.txt": 404,
    }  # fmt: skip
    for path, status in refused.items():
        answer = alice.get(f"/data/local-files/?d={path if '%' in path else quote(path)}")
        assert answer.status_code == status, path
        assert BODY not in answer.data


def test_only_members_and_only_when_it_is_on(anonymous: ApiClient, erin: ApiClient, app: Flask, console: Console):
    assert anonymous.get(local("data/a b.txt")).status_code == 401
    assert erin.get(local("data/a b.txt")).status_code == 404
    assert client_of(app, console, "grace").get(local("data/a b.txt")).status_code == 404
    object.__setattr__(console.settings, "local_files_serving", False)
    refused = client_of(app, console, "alice").get(local("data/a b.txt"))
    assert refused.status_code == 403 and "LOCAL_FILES_SERVING_ENABLED" in refused.text


def test_a_picture_with_scripts_runs_nowhere(alice: ApiClient):
    answer = alice.get(local("data/pic.svg"))
    assert answer.mimetype == "image/svg+xml" and answer.headers["Content-Security-Policy"].endswith("; sandbox")


def test_parts(alice: ApiClient):
    parts = {
        "bytes=0-3": (206, b"0123", "bytes 0-3/10"), "bytes=7-": (206, b"789", "bytes 7-9/10"),
        "bytes=-2": (206, b"89", "bytes 8-9/10"), "bytes=-99": (206, BODY, "bytes 0-9/10"),
        "bytes=5-99": (206, b"56789", "bytes 5-9/10"), "bytes=10-": (416, b"", "bytes */10"), "bytes=4-2": (200, BODY, None),
        "bytes=0-1,4-5": (200, BODY, None), "lines=0-1": (200, BODY, None), "bytes=x": (200, BODY, None), "bytes=-0": (200, BODY, None),
    }  # fmt: skip
    for asked, expected in parts.items():
        answer = alice.get(local("data/a b.txt"), headers={"Range": asked})
        assert (answer.status_code, answer.data, answer.headers.get("Content-Range")) == expected
        assert answer.headers["Content-Length"] == str(len(expected[1]))


def test_uploads(alice: ApiClient, erin: ApiClient, anonymous: ApiClient, app: Flask, console: Console):
    mine, foreign = "/data/upload/1/d140c7c1-reviews.csv", "/data/upload/4/d584fa5b-calls.json"
    answer = alice.get(mine, headers={"Range": "bytes=0-1"})
    assert (answer.status_code, answer.data, answer.mimetype) == (206, b"01", "text/csv")
    assert erin.get(foreign).data == BODY
    for who, path, status in [
        (alice, foreign, 404), (erin, mine, 404), (anonymous, mine, 401), (client_of(app, console, "grace"), mine, 403),
        (alice, "/data/upload/1/none.csv", 404), (alice, "/data/upload/../secret.txt", 404), (alice, "/data/upload/1/%00", 404),
    ]:  # fmt: skip
        refused = who.get(path)
        assert refused.status_code == status, path
        assert BODY not in refused.data


def test_an_uploaded_page_runs_nowhere(alice: ApiClient):
    answer = alice.get("/data/upload/1/page.html")
    assert answer.mimetype == "text/html" and answer.headers["Content-Security-Policy"].endswith("; sandbox")


def test_pictures_of_people(alice: ApiClient, erin: ApiClient):
    assert alice.get("/data/avatars/bob.png").mimetype == "image/png"
    assert erin.get("/data/avatars/bob.png").status_code == 404
    assert alice.get("/data/avatars/../secret.txt").status_code == 404


def test_by_name(alice: ApiClient):
    names = {
        "upload/1/d140c7c1-reviews.csv": 200, "avatars/bob.png": 200, "upload/4/d584fa5b-calls.json": 403,
        "upload/1/none": 403, "export/1.json": 403, "secret.txt": 403, "../files/data/a b.txt": 403, "": 403,
    }  # fmt: skip
    for name, status in names.items():
        assert alice.get("/storage-data/uploaded/", query_string={"filepath": name}).status_code == status, name
    assert alice.get("/storage-data/uploaded/").status_code == 404


def test_one_part():
    parts = {("bytes=0-0", 5): (0, 0), ("bytes = 1 - 2", 5): (1, 2), ("bytes=0-", 0): None, ("", 5): None,
             ("bytes=99999999999999999999-", 5): None}  # fmt: skip
    assert {asked: part_of(*asked) for asked in parts} == parts
