"""A real export over HTTP: against the console's own API, and against servers that do what none of ours does."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from console.config import Settings
from console.doctor import export_probe
from console.errors import NotApplicable
from console.service import Console
from console.state import audit
from tests.served import console_on

NAMES = list(export_probe.STEPS)


@pytest.fixture
def served(dump_url: Any, tmp_path: Path, empty_state: Path) -> Iterator[tuple[str, str]]:
    """Address and database of our own API on the dump of 1.23.2."""
    url = dump_url("sqlite", "1.23.2")
    directory = tmp_path / "served"
    directory.mkdir()
    with console_on(url, directory, empty_state) as address:
        yield address, url


def settings(address: str, token: str) -> Settings:
    return Settings.load({}, label_studio_url=address, label_studio_token=token)


def token_of(url: str, email: str = "alice@example.com") -> str:
    with create_engine(url).connect() as connection:
        sql = "SELECT key FROM authtoken_token t JOIN htx_user u ON u.id = t.user_id WHERE u.email = :email"
        return str(connection.scalar(text(sql), {"email": email}))


def told(found: export_probe.ExportProbe) -> dict[str, tuple[str, str]]:
    return {step.name: (step.state, step.message) for step in found.steps}


def test_an_export_of_the_smallest_project_and_nothing_is_left(served):
    address, url = served
    with create_engine(url).connect() as connection:
        before = connection.scalar(text("SELECT count(*) FROM data_export_export"))
    shown: list[tuple[int, int, str]] = []
    found = export_probe.probe(settings(address + "/", token_of(url)), progress=lambda *line: shown.append(line))
    assert found.ok, told(found)
    steps = told(found)
    assert [*steps] == NAMES and steps["sign in"][1] == "Signed in with a legacy token of alice@example.com."
    assert steps["read it"][1].endswith("tasks, as many as the project has.")
    assert found.summary.startswith(f"An export of project {found.project_id} took ")
    assert (0, 7, "sign in") in shown and (6, 7, "remove it") in shown
    with create_engine(url).connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM data_export_export")) == before


def test_a_project_that_was_named_and_one_that_is_not_there(served):
    address, url = served
    named = export_probe.probe(settings(address, token_of(url)), project_id=1)
    assert named.ok and named.project_id == 1
    missing = export_probe.probe(settings(address, token_of(url)), project_id=99999)
    assert [step.state for step in missing.steps] == ["ok", "failed", *["skipped"] * 5]
    assert "status 404 (it is not there" in missing.summary


def test_a_token_that_is_refused_is_told_and_not_shown(served):
    address, _ = served
    for token in ("0" * 40, "aaaa.bbbb.cccc"):
        found = export_probe.probe(settings(address, token))
        assert found.steps[0].state == "failed" and "status 401 (the token is refused" in found.summary
        assert token not in json.dumps(found.document())


class Stand:
    """A small Label Studio whose answers are given as functions of the request's path."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.tokens: list[str] = []
        self.answers: dict[str, Callable[[], tuple[int, Any]]] = {}

    def answer(self, method: str, path: str, token: str) -> tuple[int, Any]:
        self.asked.append(f"{method} {path}")
        self.tokens.append(token)
        found = self.answers.get(f"{method} {path}") or DEFAULTS.get(f"{method} {path}")
        return found() if found else (404, {"detail": "Not found."})


PROJECT = {"id": 7, "title": "Small", "task_number": 2}
DEFAULTS: dict[str, Callable[[], tuple[int, Any]]] = {
    "GET /api/current-user/whoami": lambda: (200, {"email": "a@b.c"}),
    "GET /api/projects/?page=1&page_size=100": lambda: (200, [PROJECT, {"id": 8, "task_number": 0}, "odd"]),
    "GET /api/projects/7/": lambda: (200, PROJECT),
    "POST /api/projects/7/exports/": lambda: (201, {"id": 3, "status": "created"}),
    "GET /api/projects/7/exports/3": lambda: (200, {"id": 3, "status": "completed"}),
    "GET /api/projects/7/exports/3/download": lambda: (200, [{"id": 1}, {"id": 2}]),
    "DELETE /api/projects/7/exports/3": lambda: (204, b""),
    "POST /api/token/refresh/": lambda: (200, {"access": "short-lived"}),
}


@contextmanager
def standing(stand: Stand) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body = stand.answer(self.command, self.path, self.headers.get("Authorization", ""))
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            if status in (301, 302):
                self.send_header("Location", raw.decode())
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_DELETE = _answer

        def log_message(self, *_: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_personal_access_token_is_exchanged_and_again_when_it_has_run_out():
    stand = Stand()
    turns = iter([(401, {"detail": "expired"}), (200, {"id": 3, "status": "completed"})])
    stand.answers["GET /api/projects/7/exports/3"] = lambda: next(turns)
    with standing(stand) as address:
        found = export_probe.probe(settings(address, "head.payload.signature"))
    assert found.ok, told(found)
    assert found.steps[0].message == "Signed in with a personal access token of a@b.c."
    assert stand.asked.count("POST /api/token/refresh/") == 3
    assert set(stand.tokens) == {"", "Bearer short-lived"}


@pytest.mark.parametrize(
    ("path", "answer", "step", "said"),
    [
        ("GET /api/current-user/whoami", (502, b"<html>"), "sign in", "status 502 (its own failure"),
        ("GET /api/current-user/whoami", (200, b"<html>"), "sign in", "answered with no JSON"),
        ("GET /api/current-user/whoami", (301, b"https://ls.example/x"), "sign in", "redirected to ls.example"),
        ("GET /api/projects/?page=1&page_size=100", (200, {"results": []}), "choose a project", "no project with tasks"),
        ("GET /api/projects/?page=1&page_size=100", (200, "odd"), "choose a project", "no project with tasks"),
        ("POST /api/projects/7/exports/", (403, {"detail": "You may not."}), "make a snapshot", "no right to do this): You may not."),
        ("POST /api/projects/7/exports/", (201, {}), "make a snapshot", "made no snapshot"),
        ("GET /api/projects/7/exports/3", (200, {"status": "failed"}), "wait for it", "marked the snapshot failed"),
        ("GET /api/projects/7/exports/3", (200, {"status": "created"}), "wait for it", "no worker has begun it"),
        ("GET /api/projects/7/exports/3", (200, {"status": "in_progress"}), "wait for it", "a worker has begun it"),
        ("GET /api/projects/7/exports/3/download", (404, b"Can't get file"), "download it", "status 404"),
        ("GET /api/projects/7/exports/3/download", (200, b""), "download it", "The file is empty"),
        ("GET /api/projects/7/exports/3/download", (200, b"[{}, "), "read it", "The file is no JSON"),
        ("GET /api/projects/7/exports/3/download", (200, {}), "read it", "holds no list of tasks"),
        ("GET /api/projects/7/exports/3/download", (200, [1]), "read it", "holds 1 tasks, the project 2"),
        ("DELETE /api/projects/7/exports/3", (500, {"detail": "oops"}), "remove it", "(its own failure: its log says more): oops"),
    ],
)  # fmt: skip
def test_each_step_that_fails_says_why_and_what_was_made_is_removed(path, answer, step, said):
    stand = Stand()
    stand.answers[path] = lambda: answer
    with standing(stand) as address:
        found = export_probe.probe(settings(address, "t" * 40), seconds=0.3)
    state, message = told(found)[step]
    assert state == "failed" and said in message, told(found)
    assert not found.ok and said in found.summary and [*told(found)] == NAMES
    assert ("DELETE /api/projects/7/exports/3" in stand.asked) == (found.export_id is not None)


def test_a_stop_ends_the_waiting_and_removes_the_snapshot():
    stand = Stand()
    stand.answers["GET /api/projects/7/exports/3"] = lambda: (200, {"status": "created"})
    halt = threading.Event()
    threading.Timer(0.3, halt.set).start()
    began = time.monotonic()
    with standing(stand) as address:
        found = export_probe.probe(settings(address, "t" * 40), stopped=halt.is_set)
    assert time.monotonic() - began < 5 and "Stopped while the snapshot was created" in found.summary
    assert told(found)["remove it"] == ("ok", "Snapshot 3 is removed.")


def test_a_large_file_is_looked_at_from_both_ends(monkeypatch):
    monkeypatch.setattr(export_probe, "MOST_COUNTED_BYTES", 20)
    for body, ok in ((b"[" + b" " * 40 + b"]\n", True), (b"[" + b" " * 40 + b"{", False)):
        stand = Stand()
        stand.answers["GET /api/projects/7/exports/3/download"] = lambda body=body: (200, body)
        with standing(stand) as address:
            assert export_probe.probe(settings(address, "t" * 40)).ok is ok


def test_as_a_job_it_is_audited_before_and_after(console: Console):
    with pytest.raises(NotApplicable, match="LSCONSOLE_LABEL_STUDIO_TOKEN"):
        export_probe.run(console.deployment, console.store, {}, by="t", progress=lambda *_: None, stopped=lambda: False)
    with standing(Stand()) as address:
        told = console.deployment.settings.with_(label_studio_url=address, label_studio_token="t" * 40)
        object.__setattr__(console.deployment, "settings", told)
        found = export_probe.run(
            console.deployment,
            console.store,
            {"project_id": 7},
            by="t",
            progress=lambda *_: None,
            stopped=lambda: False,
        )
    assert found["ok"] and found["summary"].startswith("An export of project 7 took")
    events, _ = audit.search(console.store, "export probe")
    assert [(event.action, event.subject) for event in events] == [
        ("export probe ended", "project:7"), ("export probe intended", "project:7"),
    ]  # fmt: skip
    assert "tttt" not in str([event.data for event in events])
