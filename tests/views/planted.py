"""What pages about a PostgreSQL are shown: tables that want care, written past Label Studio."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2

from console.config import Settings


@contextmanager
def by_hand(settings: Settings) -> Iterator[Any]:
    """A cursor whose every statement is its own transaction."""
    connection = psycopg2.connect(settings.database_url)
    connection.autocommit = True
    try:
        yield connection.cursor()
    finally:
        connection.close()


def make_dead_rows(settings: Settings, name: str = "mostly_dead", rows: int = 20_000) -> str:
    """A table that autovacuum leaves alone, every second row dead, and that the statistics know of."""
    made = f"create table {name} (id int primary key, t text) with (autovacuum_enabled = false)"
    filled = f"insert into {name} select g, repeat('x', 100) from generate_series(1, {rows}) g"
    with by_hand(settings) as cursor:
        for statement in (made, filled, f"analyze {name}", f"delete from {name} where id % 2 = 0"):
            cursor.execute(statement)
            cursor.execute("select pg_stat_force_next_flush()")
    return name
