"""A real Label Studio database on PostgreSQL for each test: a superuser's connection beside the console's reading one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import psycopg2
import pytest
from sqlalchemy.orm import Session

from console.config import Settings
from console.deployment import Deployment, database
from tests import servers

Read = Callable[[], AbstractContextManager[Session]]


class Admin:
    """Runs statements as the superuser, each at once, with the counters told at once too."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg2.connect(url)
        self.connection.autocommit = True

    def __call__(self, *statements: str) -> list[tuple]:
        with self.connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            rows = cursor.fetchall() if cursor.description else []
            cursor.execute("select pg_stat_force_next_flush()")
            return rows


@pytest.fixture
def url(dump_url: Callable[[str, str], str], version: str) -> str:
    """The superuser's URL of a fresh copy of the dump."""
    return dump_url("postgresql", version)


@pytest.fixture
def admin(url: str) -> Iterator[Admin]:
    admin = Admin(url)
    yield admin
    admin.connection.close()


@pytest.fixture
def read(url: str) -> Iterator[Read]:
    """`with read() as session`: a reading transaction of the superuser's."""
    yield from _reading(url)


@pytest.fixture
def lowly(url: str, admin: Admin) -> Iterator[Read]:
    """The same under a role that may only SELECT, and not from prediction."""
    admin(
        "do $$ begin if not exists (select from pg_roles where rolname = 'Only Looks') then"
        ' create role "Only Looks" login; end if; end $$',
        'grant usage on schema public to "Only Looks"',
        'grant select on all tables in schema public to "Only Looks"',
        'revoke select on prediction from "Only Looks"',
    )
    yield from _reading(url.replace("postgres@", "Only%20Looks@"))
    admin('drop owned by "Only Looks"')


def _reading(url: str) -> Iterator[Read]:
    engine = database.read_engine(url)

    @contextmanager
    def reading() -> Iterator[Session]:
        with database.read_session(engine) as session:
            yield session

    yield reading
    engine.dispose()


@pytest.fixture
def of_url() -> Iterator[Callable[[str], Deployment]]:
    """`of_url(url)` attaches to a database."""
    attached: list[Deployment] = []

    def attach(url: str) -> Deployment:
        attached.append(Deployment.attach(Settings.load({}, database_url=url)))
        return attached[-1]

    yield attach
    for deployment in attached:
        deployment.close()


@pytest.fixture
def empty_url(postgres: str) -> str:
    """A database without a table."""
    return servers.empty_database(postgres)
