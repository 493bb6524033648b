"""What every test stands on: a copy of a real Label Studio database, the console on it, a session for planting faults.

A test names its database by two fixtures that it may parametrize: `engine` (`sqlite`, the default, or `postgresql`)
and `version` (`1.23.2` by default). `tests.factories` makes the objects, `tests.round_trip` tells the story of a fix.
Each worker of pytest-xdist runs a PostgreSQL of its own, so that nothing is shared between two processes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql
from sqlalchemy import event
from sqlalchemy.orm import Session

from console.config import Settings
from console.deployment import Deployment
from console.diagnostics.check import Context
from console.diagnostics.probes import BucketProbes
from console.service import Console
from console.state import Store
from tests import servers

DumpUrl = Callable[[str, str], str]


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL with the contrib modules; the superuser's URL. Started when the first test asks for it."""
    with servers.debian_postgres() as url:
        yield url


@pytest.fixture(scope="session")
def other_postgres() -> Iterator[Callable[[int], str]]:
    """`other_postgres(18)`: the superuser's URL of a server of another release, see `servers.IN_THE_WHEEL`."""
    with ExitStack() as stack:
        yield cache(lambda release: stack.enter_context(servers.wheel_postgres(release)))


@pytest.fixture(scope="session")
def sqlite_dumps(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Release -> its SQLite database, unpacked once. For copying, never for writing."""
    directory = tmp_path_factory.mktemp("dumps")
    unpacked: dict[str, Path] = {}

    def dump(version: str) -> Path:
        if version not in unpacked:
            unpacked[version] = Path(servers.sqlite_dump(version, directory).removeprefix("sqlite:///"))
        return unpacked[version]

    return dump


@pytest.fixture
def dump_url(request: pytest.FixtureRequest, tmp_path: Path, sqlite_dumps: Callable[[str], Path]) -> Iterator[DumpUrl]:
    """`dump_url(engine, version)` copies a release's database for this test alone and returns its URL."""
    copied: list[str] = []

    def copy(engine: str, version: str = "1.23.2") -> str:
        if engine == "postgresql":
            copied.append(servers.load_dump(request.getfixturevalue("postgres"), version))
            return copied[-1]
        path = tmp_path / f"label-studio-{version}.sqlite3"
        shutil.copy(sqlite_dumps(version), path)
        return f"sqlite:///{path}"

    yield copy
    if copied:
        _drop_databases(request.getfixturevalue("postgres"), copied)


@pytest.fixture
def engine() -> str:
    """Which database the test runs on; see `tests.factories.BOTH_ENGINES`."""
    return "sqlite"


@pytest.fixture
def version() -> str:
    """Which Label Studio release made the database."""
    return "1.23.2"


@pytest.fixture(scope="session")
def empty_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated state store with nothing in it, to copy."""
    path = tmp_path_factory.mktemp("state") / "state.sqlite3"
    Store.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def settings(dump_url: DumpUrl, engine: str, version: str, tmp_path: Path, empty_state: Path) -> Settings:
    """Settings of a console on a fresh copy of the database, with an empty state store of its own."""
    data_dir = tmp_path / "console"
    data_dir.mkdir()
    shutil.copy(empty_state, data_dir / "state.sqlite3")
    return Settings.load(
        {},
        database_url=dump_url(engine, version),
        data_dir=data_dir,
        base_data_dir=tmp_path / "label-studio",
        bucket_endpoints=("127.0.0.1",),
    )


@pytest.fixture
def console(settings: Settings) -> Iterator[Console]:
    """The console itself: check, plan, apply, undo."""
    console = Console(settings)
    yield console
    console.close()


@pytest.fixture
def deployment(console: Console) -> Deployment:
    """The attached deployment under care."""
    return console.deployment


@pytest.fixture
def ctx(deployment: Deployment) -> Iterator[Context]:
    """What a check is given. It may be run again after a change: `session` ends its reading transaction."""
    probes = BucketProbes(deployment)
    ctx = Context(deployment, probes)
    yield ctx
    ctx.close()
    probes.close()


@pytest.fixture
def session(deployment: Deployment, ctx: Context) -> Iterator[Session]:
    """For planting faults: writes to the deployment's database. The factories commit."""
    with Session(deployment.fix_engine, expire_on_commit=False) as session:
        session.info["schema"] = deployment.schema

        @event.listens_for(session, "after_begin")
        def end_reading(*_: object) -> None:
            ctx.close()  # SQLite lets nobody write while somebody reads

        yield session


def _drop_databases(admin_url: str, urls: list[str]) -> None:
    connection = psycopg2.connect(admin_url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for url in urls:
            name = sql.Identifier(url.rpartition("/")[2])
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
    connection.close()
