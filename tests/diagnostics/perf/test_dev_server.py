"""perf.dev_server: Label Studio on the server that Django brings for developers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from console.diagnostics.check import Context
from console.diagnostics.perf.dev_server import dev_server
from console.diagnostics.runner import ask


@contextmanager
def server(name: str) -> Iterator[str]:
    """A web server that calls itself so."""

    class Handler(BaseHTTPRequestHandler):
        def version_string(self) -> str:
            return name

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    http = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_port}"
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


@pytest.mark.parametrize(("name", "found"), [("nginx/1.25", 0), ("", 0), ("WSGIServer/0.2 CPython/3.11.9", 1)])
def test_the_name_of_the_server(ctx: Context, name: str, found: int) -> None:
    with server(name) as url:
        ctx.deployment.settings = replace(ctx.settings, label_studio_url=url + "/")
        findings = dev_server.run(ctx)
    assert len(findings) == found
    for finding in findings:
        assert finding.subject == "deployment:label-studio"
        assert finding.evidence.rows == [{"address": f"{url}/health/", "server": name}]


def test_no_address_and_no_answer(ctx: Context) -> None:
    assert ask(dev_server, ctx).outcome == "not_applicable"
    ctx.deployment.settings = replace(ctx.settings, label_studio_url="http://127.0.0.1:9")
    result = ask(dev_server, ctx)
    assert result.outcome == "unknown"
    assert "did not answer" in result.reason
