"""A PostgreSQL deployment with one table that wants maintenance, and other sessions beside it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest

from console.config import Settings
from console.maintenance.run import Limits

#: Short pauses, so that a test which has to be refused twice does not take half a minute.
QUICK = Limits(attempts=2, first_pause_seconds=0.2, lock_seconds=0.5, transaction_seconds=0.5)
#: A VACUUM or ANALYZE at a snail's pace: there is time to stop it.
SLOW = Limits(attempts=2, first_pause_seconds=0.2, cost_delay_ms=100, cost_limit=1)


@pytest.fixture
def engine() -> str:
    return "postgresql"


@pytest.fixture
def connect(settings: Settings) -> Iterator[Callable[[], Any]]:
    """Cursors of sessions of their own, each statement its own transaction unless it says begin."""
    with contextlib.ExitStack() as stack:

        def opened() -> Any:
            connection = psycopg2.connect(settings.database_url)
            stack.callback(connection.close)
            connection.autocommit = True
            return connection.cursor()

        yield opened


@pytest.fixture
def other(connect: Callable[[], Any]) -> Any:
    """The first of those sessions."""
    return connect()


@pytest.fixture
def busy(other: Any) -> str:
    """A table with two indexes, a third of its rows dead."""
    other.execute("create table busy (id serial primary key, a int, t text)")
    other.execute("insert into busy (a, t) select g, md5(g::text) from generate_series(1, 20000) g")
    other.execute("create index busy_t on busy (t)")
    other.execute("delete from busy where id % 3 = 0")
    other.execute("select pg_stat_force_next_flush()")
    return "busy"


def make_slow_index(cursor: Any, *, rows: int = 4000) -> str:
    """An index that takes a millisecond for each row to build; its name."""
    cursor.execute("create table slow (id int)")
    cursor.execute(
        "create function slowly(int) returns int immutable language plpgsql as"
        " $$ begin if current_setting('application_name') = 'lsconsole-maintenance' then perform pg_sleep(0.001); end if;"
        " return $1; end $$"
    )
    cursor.execute("insert into slow select generate_series(1, %s)", [rows])
    cursor.execute("create index slow_idx on slow (slowly(id))")
    return "slow_idx"


def invalid_indexes(cursor: Any) -> list[str]:
    cursor.execute(
        "select c.relname from pg_index i join pg_class c on c.oid = i.indexrelid where not i.indisvalid order by 1"
    )
    return [name for (name,) in cursor.fetchall()]
