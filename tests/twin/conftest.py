"""`twin`: real Label Studio and the console, side by side on two copies of one database.

A test that asks for it runs on every engine of `LSCONSOLE_TWIN_ENGINES` (`sqlite,postgresql`; `sqlite` by default).
`LSCONSOLE_TEST_LABEL_STUDIO` names the virtual environment of Label Studio. Without it only the tests of the comparison
itself are collected: the sequences belong to `make test-twin`, which installs the peer first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.conftest import DumpUrl
from tests.served import console_on, silence
from tests.twin import peer
from tests.twin.twin import Twin

if peer.python() is None:
    collect_ignore = [
        path.name for path in Path(__file__).parent.glob("test_*.py") if path.name != "test_comparison.py"
    ]
#: Label Studio on both sides: whatever differs then is noise, and a status that a test expects is Label Studio's own.
AGAINST_ITSELF = bool(os.environ.get("LSCONSOLE_TWIN_AGAINST_ITSELF"))
ENGINES = tuple(os.environ.get("LSCONSOLE_TWIN_ENGINES", "sqlite").split(","))


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
        silence(url)
    postgres_url = request.getfixturevalue("postgres") if engine == "postgresql" else None
    label_studio = peers(engine, postgres_url)
    label_studio.use(theirs)
    with ExitStack() as stack:
        if AGAINST_ITSELF:
            second = peers(engine, postgres_url, 1)
            second.use(ours)
            our_address = second.url
        else:
            our_address = stack.enter_context(console_on(ours, tmp_path, empty_state))
        twin = stack.enter_context(closing(Twin(label_studio.url, our_address, theirs, ours)))
        yield twin
    twin.finish()


def _moved(url: str, target: Path) -> str:
    """An SQLite copy under another name, so that the next copy does not overwrite it; other URLs as they are."""
    if not url.startswith("sqlite:///"):
        return url
    Path(url.removeprefix("sqlite:///")).rename(target)
    return f"sqlite:///{target}"
