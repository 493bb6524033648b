"""Azure Blob for tests: Azurite, which checks keys and SAS for real (see `tests/azurite`), and a stand-in of ours for
answers that it never gives."""

from __future__ import annotations

import base64
import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest

from console.demo.processes import HOST, Child, free_port
from tests.servers import ROOT

AZURITE = ROOT / "tests" / "azurite" / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
ACCOUNT = "labelstore"


@dataclass(frozen=True)
class AzureServer:
    """A running blob service with one account; `endpoint` is what LSCONSOLE_AZURE_ENDPOINT would say."""

    endpoint: str
    account: str
    key: str

    @property
    def login(self) -> dict[str, str]:
        """The columns of a storage row."""
        return {"account_name": self.account, "account_key": self.key}


@contextmanager
def azure_server() -> Iterator[AzureServer]:
    """An empty Azurite. Without one the test fails: Azure storages are not half tested in silence."""
    node = shutil.which("node")
    if node is None or not AZURITE.exists():
        pytest.fail("AZURITE IS NOT INSTALLED: run tools/azurite (it needs Node and npm)", pytrace=False)
    port, key = free_port(), base64.b64encode(secrets.token_bytes(64)).decode()
    with tempfile.TemporaryDirectory(prefix="lsconsole-azure-") as directory:
        command = [node, str(AZURITE), "--blobHost", HOST, "--blobPort", str(port)]
        # links are signed with a newer version than Azurite knows
        command += ["--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableTelemetry"]
        environment = {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"}
        child = Child("Azurite", command, Path(directory, "azurite.log"), environment=environment)
        try:
            child.wait_for_port(port)
            yield AzureServer(f"http://{HOST}:{port}/{{account}}", ACCOUNT, key)
        finally:
            child.stop()


@dataclass
class Azure:
    """A stand-in that gives the one answer a test wants; `endpoint` is what LSCONSOLE_AZURE_ENDPOINT would say."""

    endpoint: str = ""
    answer: tuple[int, dict[str, str], bytes] = (200, {}, b"")
    asked: list[str] = field(default_factory=list)

    def refuse(self, status: int, code: str, message: str = "m", detail: str = "") -> None:
        """From now on the answer is an error as Azure words it."""
        more = f"<AuthenticationErrorDetail>{escape(detail)}</AuthenticationErrorDetail>" if detail else ""
        body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{escape(message)}</Message>{more}</Error>'
        self.answer = (
            status,
            {"x-ms-error-code": code, "Content-Type": "application/xml"},
            b"\xef\xbb\xbf" + body.encode(),
        )


@contextmanager
def azure() -> Iterator[Azure]:
    """A running stand-in; change its answer while it runs."""
    state = Azure()
    server = ThreadingHTTPServer((HOST, 0), type("Answering", (_Azure,), {"state": state}))
    state.endpoint = f"http://{HOST}:{server.server_port}/{{account}}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Azure(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Azure

    def do_GET(self) -> None:
        self.state.asked.append(f"{self.command} {self.path}")
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, headers, body = self.state.answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_PUT = do_DELETE = do_GET

    def log_message(self, *_: Any) -> None:
        """Quiet."""
