"""Files in buckets over the API: sent to a signed address, or passed on in parts; and what is refused."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests
from flask import Flask
from sqlalchemy import text

from console.api.media import upstream_range
from console.api.media_files import begun
from console.config import Settings
from console.deployment.buckets import BucketUnreachable
from console.service import Console
from tests.api_client import ApiClient, client_of
from tests.s3_server import KEY_ID, SECRET, S3Server, Stored

MOVIE = bytes(range(256)) * 40
HTML = b"<script>alert(document.cookie)</script>"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with S3Server() as server:
        server.bucket("ls-demo-tasks", {
            "a b.jpg": Stored(b"jpeg", content_type="binary/octet-stream"), "movie.mp4": Stored(MOVIE, content_type="video/mp4"),
            "page.html": Stored(HTML, content_type="text/html"), "odd?x=1;y.txt": b"odd",
        })  # fmt: skip
        yield server


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, bucket_endpoints=("127.0.0.1",), proxy_range_bytes=100)


@pytest.fixture(autouse=True)
def storage(console: Console, s3: S3Server) -> None:
    """Storage s3:1 of project 1 reaches the server."""
    with console.deployment.write() as session:
        session.execute(
            text("update io_storages_s3importstorage set s3_endpoint = :endpoint, aws_access_key_id = :key,"
                 " aws_secret_access_key = :secret, aws_session_token = null, presign = true, presign_ttl = 7 where id = 1"),
            {"endpoint": s3.endpoint, "key": KEY_ID, "secret": SECRET},
        )  # fmt: skip


@pytest.fixture
def passed_on(console: Console) -> None:
    """Pre-signed links are off."""
    with console.deployment.write() as session:
        session.execute(text("update io_storages_s3importstorage set presign = false"))


def link(key: str, path: str = "/tasks/60/resolve/", bucket: str = "ls-demo-tasks") -> str:
    return f"{path}?fileuri={base64.urlsafe_b64encode(f's3://{bucket}/{key}'.encode()).decode()}"


def test_the_browser_is_sent_to_a_signed_address(alice: ApiClient):
    for path in ("/tasks/60/resolve/", "/tasks/60/presign", "/projects/1/resolve", "/projects/1/presign/"):
        answer = alice.get(link("a b.jpg", path))
        assert answer.status_code == 303 and answer.headers["Cache-Control"] == "no-store, max-age=420"
        target = answer.headers["Location"]
        assert parse_qs(urlsplit(target).query)["X-Amz-Expires"] == ["420"]
    assert requests.get(target, timeout=5).content == b"jpeg"


def test_a_link_may_also_be_escaped_and_the_key_is_whole(alice: ApiClient):
    escaped = quote("s3://ls-demo-tasks/a%20b.jpg", safe="")
    assert alice.get(f"/tasks/60/resolve/?fileuri={escaped}").status_code == 303
    answer = alice.get(link("odd?x=1;y.txt"))
    assert requests.get(answer.headers["Location"], timeout=5).content == b"odd"


def test_refused_without_a_word_as_in_label_studio(alice: ApiClient):
    refused = {
        "/tasks/60/resolve/": 400, "/projects/1/resolve/": 400, link("x", "/tasks/99999/resolve/"): 404,
        link("x", "/projects/99/resolve/"): 404, link("x", bucket="other"): 404, "/tasks/60/resolve/?fileuri=%00": 404,
        "/tasks/60/resolve/?fileuri=nonsense": 404, "/tasks/60/resolve/?fileuri=" + "A" * 3000: 404,
    }  # fmt: skip
    for path, status in refused.items():
        answer = alice.get(path)
        assert (answer.status_code, answer.data) == (status, b""), path


def test_only_members_get_files(anonymous: ApiClient, erin: ApiClient, app: Flask, console: Console):
    assert anonymous.get(link("a b.jpg")).status_code == 401
    assert erin.get(link("a b.jpg")).status_code == 404
    assert client_of(app, console, "grace").get(link("a b.jpg")).status_code == 403


@pytest.mark.usefixtures("passed_on")
def test_files_are_passed_on(alice: ApiClient, bob: ApiClient):
    whole = alice.get(link("a b.jpg"))
    assert (whole.status_code, whole.data, whole.mimetype) == (200, b"jpeg", "image/jpeg")
    assert whole.headers["Cache-Control"] == "private, max-age=3600, must-revalidate"
    assert whole.headers["Accept-Ranges"] == "bytes" and "Last-Modified" in whole.headers
    tag = whole.headers["ETag"]
    assert alice.get(link("a b.jpg"), headers={"If-None-Match": tag}).status_code == 304
    assert bob.get(link("a b.jpg"), headers={"If-None-Match": tag}).status_code == 200, "a copy is good for one person"


@pytest.mark.usefixtures("passed_on")
def test_parts_are_passed_on_and_stay_small(alice: ApiClient):
    part = alice.get(link("movie.mp4"), headers={"Range": "bytes=5-9"})
    assert (part.status_code, part.data, part.headers["Content-Range"]) == (206, MOVIE[5:10], f"bytes 5-9/{len(MOVIE)}")
    rest = alice.get(link("movie.mp4"), headers={"Range": "bytes=1000-"})
    assert rest.status_code == 206 and rest.data == MOVIE[1000:1101]
    past = alice.get(link("movie.mp4"), headers={"Range": f"bytes={len(MOVIE) + 5}-"})
    assert past.status_code == 424


@pytest.mark.usefixtures("passed_on")
def test_what_the_bucket_refuses_is_told(alice: ApiClient, console: Console, s3: S3Server):
    answer = alice.get(link("none.jpg"))
    assert answer.status_code == 424 and "none.jpg" in answer.json["detail"]
    s3.buckets["ls-demo-tasks"].faults["GET"] = "deny"
    try:
        denied = alice.get(link("a b.jpg"))
    finally:
        s3.buckets["ls-demo-tasks"].faults.clear()
    assert denied.status_code == 424 and "s3:GetObject" in denied.json["detail"] and SECRET not in denied.text
    with console.deployment.write() as session:
        session.execute(
            text("update io_storages_s3importstorage set s3_endpoint = 'http://169.254.169.254' where id = 1")
        )
    assert alice.get(link("a b.jpg")).status_code == 424, "an address that the rules refuse is not asked"


@pytest.mark.usefixtures("passed_on")
def test_a_page_from_a_bucket_runs_nowhere(alice: ApiClient):
    answer = alice.get(link("page.html"))
    assert answer.data == HTML
    policy = answer.headers["Content-Security-Policy"]
    assert policy.endswith("; sandbox") and "script-src" not in policy and policy.startswith("default-src 'none'")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_ranges_are_cut_as_label_studio_cuts_them():
    cut = {
        None: None, "bytes=0-": "bytes=0-", "bytes=0-0": "bytes=0-0", "bytes=5-": "bytes=5-105", "bytes=5-0": "bytes=5-105",
        "bytes=5-9": "bytes=5-9", "bytes=0-99": "bytes=0-99", "bytes=0-100": "bytes=0-100", "bytes=0-5000": "bytes=0-100",
        "bytes=-5": "bytes=0-", "bytes=x": "bytes=0-", "5-9": "bytes=0-", "bytes=0-4,9-12": "bytes=0-",
        "bytes=9-5": "bytes=9-5", "bytes=7": "bytes=7-107",
    }  # fmt: skip
    assert {asked: upstream_range(asked, 100) for asked in cut} == cut


def test_the_first_piece_decides_about_the_status():
    def broken() -> Iterator[bytes]:
        raise BucketUnreachable("It broke off.")
        yield b""

    with pytest.raises(BucketUnreachable):
        begun(broken())
    assert list(begun(iter([b"a", b"", b"b"]))) == [b"a", b"", b"b"]
    assert list(begun(iter([]))) == []
