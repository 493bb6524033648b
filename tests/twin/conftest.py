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
from contextlib import ExitStack, closing, contextmanager
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
#: Label Studio on both sides: whatever differs then is noise, and a status that a test expects is Label Studio's own.
AGAINST_ITSELF = bool(os.environ.get("LSCONSOLE_TWIN_AGAINST_ITSELF"))
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
def peers() -> Iterator[Callable[..., peer.LabelStudio]]:
    """`peers(engine, postgres_url, number)`: a running Label Studio on this engine, started when first asked for."""
    with ExitStack() as stack:
        running: dict[tuple[str, int], peer.LabelStudio] = {}

        def on(engine: str, postgres_url: str | None, number: int = 0) -> peer.LabelStudio:
            if (engine, number) not in running:
                running[engine, number] = stack.enter_context(peer.serving(engine, postgres_url))
            return running[engine, number]

        yield on


@pytest.fixture
def twin(
    request: pytest.FixtureRequest,
    engine: str,
    peers: Callable[..., peer.LabelStudio],
    dump_url: DumpUrl,
    tmp_path: Path,
    empty_state: Path,
) -> Iterator[Twin]:
    """Both servers on fresh copies of the 1.23.2 database, without the storages and hooks that nobody answers any more."""
    theirs = _moved(dump_url(engine, peer.VERSION), tmp_path / "label-studio.sqlite3")
    ours = dump_url(engine, peer.VERSION)
    for url in (theirs, ours):
        _silence(url)
    postgres_url = request.getfixturevalue("postgres") if engine == "postgresql" else None
    label_studio = peers(engine, postgres_url)
    label_studio.use(theirs)
    with ExitStack() as stack:
        if AGAINST_ITSELF:
            second = peers(engine, postgres_url, 1)
            second.use(ours)
            our_address = second.url
        else:
            our_address = stack.enter_context(_serving_console(ours, tmp_path, empty_state))
        twin = stack.enter_context(closing(Twin(label_studio.url, our_address, theirs, ours)))
        yield twin
    twin.finish()


@contextmanager
def _serving_console(database_url: str, directory: Path, empty_state: Path) -> Iterator[str]:
    """The console over HTTP on this database, told what Label Studio is told; yields its address."""
    data_dir = directory / "console"
    data_dir.mkdir()
    shutil.copy(empty_state, data_dir / "state.sqlite3")
    environment = {
        **peer.SHARED_ENVIRONMENT,
        "LABEL_STUDIO_BASE_DATA_DIR": str(directory / "label-studio"),
        "LSCONSOLE_JOBS": "inline",
    }
    app = build(Settings.load(environment, database_url=database_url, data_dir=data_dir))
    server = make_server(HOST, 0, app, threaded=True, request_handler=QuietHandler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
        app.extensions["console"].close()


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
