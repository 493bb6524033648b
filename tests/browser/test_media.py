"""Why does this file not show? A real browser is refused a file, its URL is pasted, and the page says why."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import text
from werkzeug.serving import make_server

from console.app import build
from console.config import Settings
from console.deployment import Deployment
from console.deployment.buckets import Reach, open_bucket
from console.doctor import media
from console.service import Console
from tests.browser.conftest import Site, sign_in
from tests.s3_server import KEY_ID, SECRET, Cors, S3Server, Stored
from tests.served import QuietHandler

PASSWORD = "Fixture-Pass-1"
LINK = "s3://ls-demo-images/img/street 1.svg"
PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>'
#: What an editor does with a file that it draws on a canvas.
READ = "url => fetch(url, {cache: 'no-store'}).then(answer => answer.text(), error => String(error))"


@pytest.fixture
def s3() -> Iterator[S3Server]:
    with S3Server() as server:
        server.bucket("ls-demo-images", {"img/street 1.svg": Stored(PICTURE, content_type="image/svg+xml")})
        yield server


def plant(deployment: Deployment, s3: S3Server) -> None:
    """Storage s3:2 of project 3 reaches the server."""
    with deployment.write() as session:
        session.execute(
            text("update io_storages_s3importstorage set s3_endpoint = :endpoint, aws_access_key_id = :key,"
                 " aws_secret_access_key = :secret, aws_session_token = null where id = 2"),
            {"endpoint": s3.endpoint, "key": KEY_ID, "secret": SECRET},
        )  # fmt: skip


@pytest.fixture
def own_site(settings: Settings, s3: S3Server) -> Iterator[Site]:
    """A console on the dump, at the address where its deployment's people are supposed to open Label Studio."""
    server = make_server(
        "127.0.0.1", 0, lambda environ, start: app(environ, start), threaded=True, request_handler=QuietHandler
    )
    address = f"http://127.0.0.1:{server.server_port}"
    console = Console(
        replace(settings, label_studio_url=address, bucket_endpoints=("127.0.0.1",), support=("alice@example.com",))
    )
    app = build(console=console)
    plant(console.deployment, s3)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield Site(address, ("alice@example.com", PASSWORD), ("alice@example.com", PASSWORD))
    server.shutdown()
    server.server_close()
    thread.join(5)
    console.close()


def test_a_bucket_without_cors(page: Page, own_site: Site, s3: S3Server) -> None:
    sign_in(page, own_site, own_site.support)
    page.get_by_role("searchbox", name="Search the deployment").fill(LINK)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Why does this file not show?")).to_be_visible()
    page.get_by_role("button", name="Follow it").click()
    verdict = page.locator("#verdict")
    expect(verdict).to_contain_text("names no origin that may read it")
    expect(page.locator("li.step-finding")).to_have_count(1)
    expect(page.locator("li.step-finding h3")).to_contain_text("Pages of Label Studio may read the file (CORS)")
    expect(page.get_by_role("link", name="A CORS error in a task")).to_be_visible()
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        assert Axe().run(page).response["violations"] == []
    page.set_viewport_size({"width": 375, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    page.set_viewport_size({"width": 1440, "height": 900})
    shown = page.url

    s3.buckets["ls-demo-images"].cors = [Cors(origins=(own_site.url,))]
    page.get_by_role("link", name="Look again").click()
    page.get_by_role("button", name="Follow it").click()
    expect(page.locator("#verdict")).to_contain_text("Nothing was found")
    page.goto(shown)
    expect(page.locator("#verdict")).to_contain_text("names no origin", timeout=5000)  # what was seen stays as it was


class Blank(BaseHTTPRequestHandler):
    """A page with nothing on it, whose origin is the deployment's."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>blank</title>")

    def log_message(self, *_: object) -> None:
        return None


def test_what_is_told_is_what_a_browser_does(browser: Browser, deployment: Deployment, s3: S3Server) -> None:
    """The same signed address, read by a page of the deployment's origin and judged by the console."""
    blank = ThreadingHTTPServer(("127.0.0.1", 0), Blank)
    threading.Thread(target=blank.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    origin = f"http://127.0.0.1:{blank.server_address[1]}"
    settings = replace(deployment.settings, label_studio_url=origin, bucket_endpoints=("127.0.0.1",))
    reach = Reach.of(settings)
    plant(deployment, s3)
    bucket = open_bucket("s3", s3.row("ls-demo-images"), reach)
    tab = browser.new_page()
    tab.goto(origin)
    for rules, readable in (
        (None, False),
        ([Cors(origins=(origin,))], True),
        ([Cors(origins=("http://else.example",))], False),
        ([Cors()], True),
    ):
        s3.buckets["ls-demo-images"].cors = rules
        told = media.story(deployment, settings, LINK, project_id=3)
        got = tab.evaluate(READ, bucket.presign("img/street 1.svg", 60))
        assert (told["state"] == "ok", got == PICTURE.decode()) == (readable, readable), (rules, told["why"], got)
    tab.close()
    bucket.close()
    blank.shutdown()
    blank.server_close()
