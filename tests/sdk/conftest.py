"""The official SDK on the console, over HTTP, on a copy of a real database. Jobs run inside the request.

Every workflow here was right on real Label Studio first: `LSCONSOLE_TEST_LABEL_STUDIO` names its virtual environment, and
then each test runs on both servers (`make test-twin` does so). A test of something that Label Studio's open-source
edition has no endpoint for is marked `console_only`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
from label_studio_sdk import LabelStudio

from tests.conftest import DumpUrl
from tests.sdk.site import SENTIMENT, Site, tokens_of
from tests.served import console_on, silence
from tests.twin import peer

Shared = Callable[[str], tuple[str, str]]

SERVERS = ("console", "label-studio") if peer.python() else ("console",)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "console_only: Label Studio's open-source edition has nothing like it")
    config.addinivalue_line("markers", "own_database: what it changes or counts is seen by the whole organization")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        alone = metafunc.definition.get_closest_marker("console_only")
        metafunc.parametrize("server", SERVERS[:1] if alone else SERVERS, scope="function")


@pytest.fixture(scope="session")
def label_studio() -> Iterator[peer.LabelStudio]:
    """Real Label Studio, started when the first test asks for it."""
    with peer.serving("sqlite") as running:
        yield running


@pytest.fixture(scope="session")
def shared(
    tmp_path_factory: pytest.TempPathFactory, sqlite_dumps: Callable[[str], Path], empty_state: Path
) -> Iterator[Shared]:
    """`shared(server)`: a database for all tests that keep to projects of their own, and its address on the console."""
    with ExitStack() as stack:

        @cache
        def of(server: str) -> tuple[str, str]:
            directory = tmp_path_factory.mktemp(server)
            path = directory / "label-studio.sqlite3"
            shutil.copy(sqlite_dumps(peer.VERSION), path)
            url = f"sqlite:///{path}"
            silence(url)
            return url, stack.enter_context(console_on(url, directory, empty_state)) if server == "console" else ""

        yield of


@pytest.fixture
def site(
    request: pytest.FixtureRequest,
    server: str,
    engine: str,
    version: str,
    shared: Shared,
    dump_url: DumpUrl,
    tmp_path: Path,
    empty_state: Path,
) -> Iterator[Site]:
    """A server on the shared database, or on one of its own (`own_database`, another engine or release)."""
    with ExitStack() as stack:
        if (engine, version) == ("sqlite", peer.VERSION) and not request.node.get_closest_marker("own_database"):
            url, address = shared(server)
        else:
            url = dump_url(engine, version)
            silence(url)
            address = stack.enter_context(console_on(url, tmp_path, empty_state)) if server == "console" else ""
        if server == "label-studio":
            running: peer.LabelStudio = request.getfixturevalue("label_studio")
            running.use(url)
            address = running.url
        yield Site(address, tokens_of(url))


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
