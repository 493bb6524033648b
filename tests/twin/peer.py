"""The peer: real Label Studio 1.23.2, installed in a virtual environment of its own, serving copies of its dump.

`LSCONSOLE_TEST_LABEL_STUDIO` names that virtual environment; `make test-twin` makes one and sets it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests

from console.demo.processes import HOST, Child
from tests.servers import ROOT

VERSION = "1.23.2"
SECRET_KEY = "label-studio-fixture-secret"
PROGRAM = Path(__file__).with_name("peer_process.py")
START_SECONDS = 120.0
#: What both sides are told: no outgoing calls but to servers of the tests, uploads and exports in files.
SHARED_ENVIRONMENT: Mapping[str, str] = {
    "SECRET_KEY": SECRET_KEY,
    "SSRF_PROTECTION_ENABLED": "false",
    "LATEST_VERSION_CHECK": "false",
    "COLLECT_ANALYTICS": "false",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
    "LOCAL_FILES_SERVING_ENABLED": "true",
    "WEBHOOK_TIMEOUT": "0.2",
    "AWS_MAX_ATTEMPTS": "1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def python() -> Path | None:
    """The interpreter of the peer's virtual environment, None where none is named; fails where it lacks Label Studio."""
    named = os.environ.get("LSCONSOLE_TEST_LABEL_STUDIO")
    if not named:
        return None
    directory = ROOT / named
    if not any(directory.glob(f"lib/*/site-packages/label_studio-{VERSION}.dist-info")):
        raise RuntimeError(f"LSCONSOLE_TEST_LABEL_STUDIO is {named}, which has no Label Studio {VERSION}.")
    return directory / "bin" / "python"


@dataclass
class LabelStudio:
    """A running Label Studio. `use()` puts it on another database within milliseconds."""

    url: str
    data_dir: Path
    log: Path

    def use(self, database_url: str) -> None:
        """Serve this database from now on, with no file of an earlier one left in the media directory."""
        for directory in ("media", "export"):
            shutil.rmtree(self.data_dir / directory, ignore_errors=True)
        for directory in ("export", "media/upload", "media/export"):
            (self.data_dir / directory).mkdir(parents=True)
        path = urlsplit(database_url).path
        name = path[1:]  # sqlite:////tmp/x -> /tmp/x, postgresql://…/x -> x
        answer = requests.put(f"{self.url}/-twin-/database", params={"name": name}, timeout=20)
        assert answer.status_code == 204, answer.text


@contextmanager
def serving(engine: str, postgres_url: str | None = None) -> Iterator[LabelStudio]:
    """Label Studio on an engine, `sqlite` or `postgresql` (on this server); without a database until `use()`."""
    program = python()
    assert program is not None, "LSCONSOLE_TEST_LABEL_STUDIO names no virtual environment"
    with tempfile.TemporaryDirectory(prefix="lsconsole-twin-") as temporary:
        directory = Path(temporary)
        environment = {
            **SHARED_ENVIRONMENT,
            "DJANGO_SETTINGS_MODULE": "core.settings.label_studio",
            "BASE_DATA_DIR": str(directory),
            "DJANGO_DB": engine,
            "DATABASE_NAME": str(directory / "none.sqlite3"),
            "LOG_LEVEL": "ERROR",
        }
        if postgres_url is not None:
            server = urlsplit(postgres_url)
            environment |= {
                "POSTGRE_HOST": str(server.hostname),
                "POSTGRE_PORT": str(server.port),
                "POSTGRE_USER": str(server.username),
                "POSTGRE_NAME": server.path[1:],
            }
        log, port = directory / "label-studio.log", directory / "port"
        child = Child("Label Studio", [str(program), str(PROGRAM), str(port)], log, environment=environment)
        try:
            yield LabelStudio(f"http://{HOST}:{_port(child, port, log)}", directory, log)
        finally:
            child.stop()


def _port(child: Child, told: Path, log: Path) -> int:
    """The port it took for itself, once it listens: a port chosen before would be somebody else's by then."""
    deadline = time.monotonic() + START_SECONDS
    while not told.exists():
        if not child.running or time.monotonic() > deadline:
            raise RuntimeError(f"Label Studio did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)
    return int(told.read_text())
