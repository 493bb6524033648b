"""The file proxy: files of a web server that asks for a password, fetched with the project's."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import text

from console.api import media_proxy
from console.api.media_proxy import address_of
from console.config import Settings
from console.errors import Invalid
from console.service import Console
from tests.api_client import ApiClient, client_of

PASSWORD = "open sesame"
LOGIN = "Basic " + base64.b64encode(f"files:{PASSWORD}".encode()).decode()
PICTURE = bytes(range(250))


class Files(BaseHTTPRequestHandler):
    """Answers by path; notes what each request brought."""

    seen: list[tuple[str, str | None]] = []  # noqa: RUF012

    def do_GET(self) -> None:
        Files.seen.append((self.path, self.headers.get("Authorization")))
        if self.path.startswith("/away"):
            return self._send(302, b"", {"Location": f"http://localhost:{self.server.server_address[1]}/public.jpg"})
        if self.path == "/metadata":
            return self._send(302, b"", {"Location": "http://169.254.169.254/latest/meta-data/"})
        if self.path != "/public.jpg" and self.headers.get("Authorization") != LOGIN:
            return self._send(401, b"who?", {"WWW-Authenticate": "Basic"})
        if self.path == "/page.html":
            return self._send(200, b"<script>1</script>", {"Content-Type": "text/html"})
        if self.path == "/broken.jpg":
            return self._send(200, b"no gzip", {"Content-Encoding": "gzip", "Content-Type": "image/jpeg"})
        if self.headers.get("Range") == "bytes=5-9":
            return self._send(
                206, PICTURE[5:10], {"Content-Range": f"bytes 5-9/{len(PICTURE)}", "Content-Type": "image/jpeg"}
            )
        return self._send(200, PICTURE, {"Content-Type": "application/octet-stream"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return None


@pytest.fixture(scope="module")
def files() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, ssrf_protection=False)


@pytest.fixture(autouse=True)
def login(console: Console) -> None:
    Files.seen.clear()
    with console.deployment.write() as session:
        session.execute(
            text("update project set task_data_login = 'files', task_data_password = :secret where id = 1"),
            {"secret": PASSWORD},
        )


def proxied(url: str, project: int = 1) -> str:
    return f"/api/projects/{project}/file-proxy/?url={base64.urlsafe_b64encode(url.encode()).decode()}"


def test_a_file_is_fetched_with_the_login(alice: ApiClient, files: str):
    for path in (
        proxied(f"{files}/a b.jpg".replace(" ", "%20")),
        f"/api/projects/1/file-proxy/?url={quote(f'{files}/a.jpg', safe='')}",
    ):
        answer = alice.get(path)
        assert (answer.status_code, answer.data, answer.mimetype) == (200, PICTURE, "image/jpeg")
        assert answer.headers["Content-Security-Policy"].endswith("; sandbox")
    assert {login for _, login in Files.seen} == {LOGIN}


def test_parts(alice: ApiClient, files: str):
    answer = alice.get(proxied(f"{files}/a.jpg"), headers={"Range": "bytes=5-9"})
    assert (answer.status_code, answer.data, answer.headers["Content-Range"]) == (206, PICTURE[5:10], "bytes 5-9/250")


def test_the_login_goes_to_the_first_host_alone(alice: ApiClient, files: str):
    assert alice.get(proxied(f"{files}/away")).data == PICTURE
    assert Files.seen == [("/away", LOGIN), ("/public.jpg", None)]


def test_pages_are_downloads(alice: ApiClient, files: str):
    answer = alice.get(proxied(f"{files}/page.html"))
    assert answer.headers["Content-Disposition"] == 'attachment; filename="page.html"'


def test_what_the_server_refuses(alice: ApiClient, console: Console, files: str):
    with console.deployment.write() as session:
        session.execute(text("update project set task_data_password = 'wrong' where id = 1"))
    answer = alice.get(proxied(f"{files}/a.jpg"))
    assert answer.status_code == 424 and "401" in answer.json["detail"] and "wrong" not in answer.text
    assert alice.get(proxied("http://127.0.0.1:1/a.jpg")).status_code == 424


def test_a_body_that_never_comes_is_told_by_the_status(alice: ApiClient, files: str, monkeypatch: pytest.MonkeyPatch):
    broken = alice.get(proxied(f"{files}/broken.jpg"))
    assert broken.status_code == 424 and "broke off" in broken.get_json()["detail"]
    monkeypatch.setattr(media_proxy, "MOST_BYTES", 100)
    large = alice.get(proxied(f"{files}/public.jpg"))
    assert large.status_code == 424 and "at most 100 are accepted" in large.get_json()["detail"]


def test_who_may(anonymous: ApiClient, erin: ApiClient, app: Flask, console: Console, files: str):
    assert anonymous.get(proxied(files)).status_code == 401
    assert erin.get(proxied(files)).status_code == 404
    assert client_of(app, console, "grace").get(proxied(files)).status_code == 403
    assert Files.seen == []


def test_without_a_login_there_is_no_proxy(alice: ApiClient, files: str):
    answer = alice.get(proxied(f"{files}/a.jpg", project=2))
    assert answer.status_code == 400 and "task_data_login" in answer.text and Files.seen == []


def test_private_networks_stay_closed(alice: ApiClient, console: Console, files: str):
    object.__setattr__(console.settings, "ssrf_protection", True)
    for url in (
        f"{files}/a.jpg",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://0x7f000001/",
        "http://localhost/",
    ):
        answer = alice.get(proxied(url))
        assert answer.status_code in {403, 424}, url
    assert Files.seen == []


def test_what_is_no_address():
    for given in (
        "",
        "nonsense",
        "file:///etc/passwd",
        "ftp://a/b",
        "ZmlsZTovLy9ldGMvcGFzc3dk",
        "%00",
        "http://",
        "http:// x",
    ):
        with pytest.raises(Invalid):
            address_of(given)


def test_tasks_lead_through_the_proxy(alice: ApiClient, console: Console):
    data = {"text": "http://files.lan.example/a.jpg", "n": 1, "no": "see http://x.example", "b": "s3://ls-demo-tasks/a"}
    with console.deployment.write() as session:
        session.execute(text("update task set data = :data where id = 60"), {"data": json.dumps(data)})
    shown = alice.get("/api/tasks/60/").json["data"]
    encoded = base64.urlsafe_b64encode(b"http://files.lan.example/a.jpg").decode()
    assert shown == data | {"text": f"/api/projects/1/file-proxy/?url={encoded}"}
    listed = next(task for task in alice.get("/api/tasks/?project=1&page_size=500").json["tasks"] if task["id"] == 60)
    assert listed["data"] == shown
    assert alice.get("/api/tasks/60/?resolve_uri=false").json["data"] == data
    object.__setattr__(console.settings, "label_studio_url", "https://label.example.com/app/")
    found = alice.get("/api/tasks/60/").json["data"]["text"]
    assert found.startswith("https://label.example.com/app/api/projects/1/file-proxy/?url="), "links begin with HOST"
