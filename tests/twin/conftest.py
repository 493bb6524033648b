"""`twin`: real Label Studio and the console, side by side on two copies of one database.

A test that asks for it runs on every engine of `LSCONSOLE_TWIN_ENGINES` (`sqlite,postgresql`; `sqlite` by default).
`LSCONSOLE_TEST_LABEL_STUDIO` names the virtual environment of Label Studio. Without it only the tests of the comparison
itself are collected: the sequences belong to `make test-twin`, which installs the peer first.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from console.app import build
from console.config import Settings
from console.demo.processes import HOST
from tests.conftest import DumpUrl
from tests.twin import peer
from tests.twin.rows import engine_of
from tests.twin.twin import Twin

if peer.python() is None:
    collect_ignore = [
        path.name for path in Path(__file__).parent.glob("test_*.py") if path.name != "test_comparison.py"
    ]
#: What would call a server that is long gone: Label Studio answers 500 to an annotation when its export storage does.
SILENCE = (
    "DELETE FROM io_storages_s3exportstoragelink",
    "DELETE FROM io_storages_s3exportstorage",
    "DELETE FROM io_storages_localfilesexportstoragelink",
    "DELETE FROM io_storages_localfilesexportstorage",
    "UPDATE webhook SET is_active = false",
    "DELETE FROM ml_mlbackend",
)
ENGINES = tuple(os.environ.get("LSCONSOLE_TWIN_ENGINES", "sqlite").split(","))


class QuietHandler(WSGIRequestHandler):
    """No line per request in the report of a failure."""

    def log_request(self, *_: object) -> None:
        return None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every sequence on every engine that this run is about, unless the test names its own."""
    named = any("engine" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "twin" in metafunc.fixturenames and not named:
        metafunc.parametrize("engine", ENGINES, scope="function")


@pytest.fixture(scope="session")
def peers() -> Iterator[Callable[[str, Callable[[], str]], peer.LabelStudio]]:
    """`peers(engine, postgres_url)`: the running Label Studio on this engine, started when first asked for."""
    with ExitStack() as stack:
        running: dict[str, peer.LabelStudio] = {}

        def on(engine: str, postgres_url: Callable[[], str]) -> peer.LabelStudio:
            if engine not in running:
                url = postgres_url() if engine == "postgresql" else None
                running[engine] = stack.enter_context(peer.serving(engine, url))
            return running[engine]

        yield on


@pytest.fixture
def twin(
    request: pytest.FixtureRequest,
    engine: str,
    peers: Callable[[str, Callable[[], str]], peer.LabelStudio],
    dump_url: DumpUrl,
    tmp_path: Path,
    empty_state: Path,
) -> Iterator[Twin]:
    """Both servers on fresh copies of the 1.23.2 database, without the storages and hooks that nobody answers any more."""
    label_studio = peers(engine, lambda: request.getfixturevalue("postgres"))
    theirs = _moved(dump_url(engine, peer.VERSION), tmp_path / "label-studio.sqlite3")
    ours = dump_url(engine, peer.VERSION)
    for url in (theirs, ours):
        _silence(url)
    label_studio.use(theirs)
    data_dir = tmp_path / "console"
    data_dir.mkdir()
    shutil.copy(empty_state, data_dir / "state.sqlite3")
    environment = {
        **peer.SHARED_ENVIRONMENT,
        "LABEL_STUDIO_BASE_DATA_DIR": str(tmp_path / "label-studio"),
        "LSCONSOLE_JOBS": "inline",
    }
    app = build(Settings.load(environment, database_url=ours, data_dir=data_dir))
    server = make_server(HOST, 0, app, threaded=True, request_handler=QuietHandler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    twin = Twin(label_studio.url, f"http://{HOST}:{server.server_port}", theirs, ours)
    try:
        yield twin
    finally:
        twin.close()
        server.shutdown()
        server.server_close()
        thread.join(5)
        app.extensions["console"].close()
    twin.finish()


def _silence(url: str) -> None:
    engine = engine_of(url)
    with engine.begin() as connection:
        for statement in SILENCE:
            connection.exec_driver_sql(statement)
    engine.dispose()


def _moved(url: str, target: Path) -> str:
    """An SQLite copy under another name, so that the next copy does not overwrite it; other URLs as they are."""
    if not url.startswith("sqlite:///"):
        return url
    Path(url.removeprefix("sqlite:///")).rename(target)
    return f"sqlite:///{target}"
