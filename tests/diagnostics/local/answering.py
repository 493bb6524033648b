"""A stand-in for Label Studio's HTTP: a real one takes half a minute to start, and these faults are its proxy's."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from console.diagnostics.check import Context


@contextmanager
def label_studio(
    ctx: Context, answers: Mapping[str, tuple[int, str]], token: str = "its-token"
) -> Iterator[list[tuple[str, str | None]]]:
    """Answers by path without the query, 301 to `location` in place of the body; yields what was asked and by whom."""
    asked: list[tuple[str, str | None]] = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers.get("Authorization")))
            status, body = answers.get(self.path.partition("?")[0], (404, ""))
            self.send_response(status)
            if status in {301, 302}:
                self.send_header("Location", body)
                body = ""
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    ctx.deployment.settings = replace(ctx.settings, label_studio_url=url, label_studio_token=token)
    try:
        yield asked
    finally:
        server.shutdown()
        server.server_close()
