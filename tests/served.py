"""The console over HTTP on a copy of a dump, told what real Label Studio beside it is told."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from werkzeug.serving import WSGIRequestHandler, make_server

from console.app import build
from console.config import Settings
from console.demo.processes import HOST
from tests.twin.peer import SHARED_ENVIRONMENT
from tests.twin.rows import engine_of

#: What would call a server that is long gone: Label Studio answers 500 to an annotation when its export storage does.
SILENCE = (
    "DELETE FROM io_storages_s3exportstoragelink",
    "DELETE FROM io_storages_s3exportstorage",
    "DELETE FROM io_storages_localfilesexportstoragelink",
    "DELETE FROM io_storages_localfilesexportstorage",
    "UPDATE webhook SET is_active = false",
    "DELETE FROM ml_mlbackend",
)


class QuietHandler(WSGIRequestHandler):
    """No line per request in the report of a failure."""

    def log_request(self, *_: object) -> None:
        return None


@contextmanager
def console_on(database_url: str, directory: Path, empty_state: Path, *, jobs: str = "inline") -> Iterator[str]:
    """The console in a thread of this process, with an empty state store; yields its address. Jobs run in the request."""
    data_dir = directory / "console"
    data_dir.mkdir()
    shutil.copy(empty_state, data_dir / "state.sqlite3")
    environment = {
        **SHARED_ENVIRONMENT,
        "LABEL_STUDIO_BASE_DATA_DIR": str(directory / "label-studio"),
        "LSCONSOLE_JOBS": jobs,
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


def silence(database_url: str) -> None:
    """Take out the storages and hooks of the dump that nobody answers any more."""
    engine = engine_of(database_url)
    with engine.begin() as connection:
        for statement in SILENCE:
            connection.exec_driver_sql(statement)
    engine.dispose()
