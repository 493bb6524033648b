"""The bloat estimate against pgstattuple, and against what a rewrite really gives back, on generated relations."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import psycopg2

from console.config import Settings
from console.deployment import Deployment, database
from console.deployment.postgres import bloat, indexes, overview, tables
from tests import servers
from tests.deployment.postgres import relations

ROWS = 200_000
MANY = (
    "create table many_{number} (id serial primary key, a int, b text, c timestamptz, d jsonb);"
    "create index on many_{number} (a); create index on many_{number} (b); create index on many_{number} (c, a);"
    "insert into many_{number} (a, b, c, d) select g % 7, md5(g::text), now(), '{{}}' from generate_series(1, 1500) g"
)


@dataclass(frozen=True)
class Compared:
    """One relation; percents of its size. `rewritten` is what VACUUM FULL gave back, None when that was not tried."""

    name: str
    kind: str
    size_bytes: int
    estimated: float
    measured: float
    rewritten: float | None = None

    @property
    def error(self) -> float:
        """Points between estimate and pgstattuple."""
        return abs(self.estimated - self.measured)


def compare(url: str, *, rewrite: bool = False) -> list[Compared]:
    """Every relation of the database that is worth a number. `rewrite` runs VACUUM FULL at the end."""
    engine = database.read_engine(url)
    with database.read_session(engine) as session:
        of_tables, of_indexes = tables.read(session).rows, indexes.read(session)
        estimated = bloat.estimate(session, of_tables, of_indexes)
        measured = bloat.measure(session, of_tables, of_indexes)
    sizes = {table.oid: table.main_bytes for table in of_tables} | {index.oid: index.size_bytes for index in of_indexes}
    after = _rewritten(url) if rewrite else {}
    engine.dispose()
    found = []
    for item in (*of_tables, *of_indexes):
        guess, truth = estimated[item.oid].percent, measured[item.oid].percent
        if guess is not None and truth is not None:
            size = sizes[item.oid]
            freed = 100 * (size - after[item.oid]) / size if item.oid in after else None
            found.append(Compared(item.name, getattr(item, "method", "table"), size, guess, truth, freed))
    return found


def _rewritten(url: str) -> dict[int, int]:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("vacuum full")
        cursor.execute("select oid, pg_relation_size(oid) from pg_class where relkind in ('r', 'i')")
        sizes = dict(cursor.fetchall())
    connection.close()
    return sizes


def run(rows: int = ROWS) -> None:
    """Print each relation and the errors' median and 90th percentile."""
    with servers.debian_postgres() as admin:
        url = servers.empty_database(admin)
        relations.make(url, rows)
        found = compare(url, rewrite=True)
    for item in found:
        size = f"{item.size_bytes / 2**20:.1f} MB"
        seen = f"{item.estimated:.1f} %, {item.measured:.1f} %, {item.rewritten or 0:.1f} %"
        print(f"| bloat: {item.name} ({item.kind}, {size}): estimate, pgstattuple, rewrite | | {seen} |", flush=True)
    errors = sorted(item.error for item in found)
    real = sorted(abs(item.estimated - (item.rewritten or 0)) for item in found)
    for words, points in (("pgstattuple", errors), ("a rewrite", real)):
        median, ninth = statistics.median(points), points[int(len(points) * 0.9)]
        seen = f"median {median:.1f}, 90th percentile {ninth:.1f} points"
        print(
            f"| bloat estimate of {len(found)} relations against {words} | median within 10 points | {seen} |",
            flush=True,
        )


def reading(rounds: int = 7) -> None:
    """Print how long everything the database page shows takes to read, on the dump and beside a thousand more tables."""
    with servers.debian_postgres() as admin:
        url = servers.load_dump(admin, "1.23.2")
        print(
            f"| reading everything about PostgreSQL, 1.23.2 dump | under 150 ms | {_read(url, rounds):.0f} ms |",
            flush=True,
        )
        connection = psycopg2.connect(url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            for number in range(1000):
                cursor.execute(MANY.format(number=number))
            cursor.execute("analyze")
        connection.close()
        print(f"| the same with 1,000 more tables and 4,000 indexes | | {_read(url, rounds):.0f} ms |", flush=True)


def _read(url: str, rounds: int) -> float:
    """Median milliseconds."""
    deployment = Deployment.attach(Settings.load({}, database_url=url))
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        overview.read(deployment)
        taken.append((time.perf_counter() - started) * 1000)
    deployment.close()
    return statistics.median(taken)


if __name__ == "__main__":
    run()
    reading()
