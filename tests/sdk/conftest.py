"""The official SDK on the console, over HTTP, on a copy of a real database. Jobs run inside the request.

Every workflow here was right on real Label Studio first: `LSCONSOLE_TEST_LABEL_STUDIO` names its virtual environment, and
then each test runs on both servers (`make test-twin` does so). A test of something that Label Studio's open-source
edition has no endpoint for is marked `console_only`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from label_studio_sdk import LabelStudio

from console.config import Settings
from tests.conftest import DumpUrl
from tests.sdk.site import SENTIMENT, Site, prepare, served
from tests.twin import peer

SERVERS = ("console", "label-studio") if peer.python() else ("console",)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "console_only: Label Studio's open-source edition has nothing like it")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        alone = metafunc.definition.get_closest_marker("console_only")
        metafunc.parametrize("server", SERVERS[:1] if alone else SERVERS, scope="function")


@pytest.fixture(scope="session")
def label_studio() -> Iterator[peer.LabelStudio]:
    """Real Label Studio, started when the first test asks for it."""
    with peer.serving("sqlite") as running:
        yield running


@pytest.fixture
def site(
    request: pytest.FixtureRequest,
    server: str,
    engine: str,
    version: str,
    dump_url: DumpUrl,
    tmp_path: Path,
    empty_state: Path,
) -> Iterator[Site]:
    """A server on a database of its own."""
    url = dump_url(engine, version)
    tokens = prepare(url)
    if server == "label-studio":
        running: peer.LabelStudio = request.getfixturevalue("label_studio")
        running.use(url)
        yield Site(running.url, tokens)
        return
    data_dir = tmp_path / "console"
    data_dir.mkdir()
    shutil.copy(empty_state, data_dir / "state.sqlite3")
    environment = {
        **peer.SHARED_ENVIRONMENT,
        "LABEL_STUDIO_BASE_DATA_DIR": str(tmp_path / "label-studio"),
        "LSCONSOLE_JOBS": "inline",
    }
    with served(Settings.load(environment, database_url=url, data_dir=data_dir)) as address:
        yield Site(address, tokens)


@pytest.fixture
def ls(site: Site) -> LabelStudio:
    """The SDK as alice."""
    return site.client()


@pytest.fixture
def new_project(ls: LabelStudio) -> Callable[..., int]:
    """`new_project(tasks)` makes a project of texts to call positive, negative or neutral; returns its id."""

    def make(tasks: int = 0, **fields: object) -> int:
        project = ls.projects.create(**{"title": "By script", "label_config": SENTIMENT, **fields})
        if tasks:
            ls.projects.import_tasks(id=project.id, request=[{"text": f"text {n}"} for n in range(tasks)])
        return project.id

    return make
