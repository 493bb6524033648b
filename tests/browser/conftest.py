"""The demo, served as `lsconsole demo` serves it, and a real Chromium in front of it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--no-first-run", "--disable-quic"]  # fmt: skip


@dataclass(frozen=True)
class Site:
    """A running console: its address, and who can sign in."""

    url: str
    admin: tuple[str, str]
    support: tuple[str, str]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """`lsconsole demo` in a process of its own, ended with Ctrl-C."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        bind = f"127.0.0.1:{free.getsockname()[1]}"
    directory = tmp_path_factory.mktemp("demo")
    output = directory / "output"
    with output.open("w") as handle:
        process = subprocess.Popen(
            [sys.executable, "-m", "console.cli", "demo", "--bind", bind, "--directory", str(directory / "servers")],
            stdout=handle, stderr=handle, env=os.environ | {"PYTHONUNBUFFERED": "1"}, start_new_session=True,
        )  # fmt: skip
    try:
        _wait_until_ready(process, f"http://{bind}/readyz", output)
        people = re.findall(r"^\s+(\S+@\S+)\s+(\S+)\s+\((\w+)\)", output.read_text(), re.MULTILINE)
        by_role = {role: (email, password) for email, password, role in people}
        yield Site(f"http://{bind}", by_role["superuser"], by_role["support"])
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, output: Path, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"the demo ended with {process.returncode}:\n{output.read_text()}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                if "Ctrl-C ends everything" in output.read_text():  # who may sign in is told last
                    return
        except OSError:
            pass
        time.sleep(0.2)
    pytest.fail(f"the demo was not ready after {seconds:.0f} s:\n{output.read_text()}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("NO CHROMIUM: the browser tests did not run. On Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh visitor on a desktop screen. Anything the page itself complains about fails the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    tab = context.new_page()
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    yield tab
    context.close()
    expected = re.compile(r"status of (401|403|404|409)")
    assert [text for text in complaints if not expected.search(text)] == []


_cookies: dict[tuple[str, str], list[Any]] = {}


def sign_in(page: Page, site: Site, person: tuple[str, str]) -> None:
    """Signed in and on the overview. The form is used once for each person: the console limits how often it may be."""
    known = _cookies.get((site.url, person[0]))
    if known:
        page.context.add_cookies(known)
        page.goto(f"{site.url}/")
        if "/sign-in" not in page.url:
            return
    page.goto(f"{site.url}/sign-in")
    page.get_by_label("E-mail").fill(person[0])
    page.get_by_label("Password").fill(person[1])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{site.url}/")
    _cookies[site.url, person[0]] = page.context.cookies()
