"""Connections that maintenance works over: the fixing role's own, straight to the server, one statement at a time.

VACUUM and CONCURRENTLY run outside of transactions, for hours, and have to be watched and stopped meanwhile; so the
connections here are asynchronous ones of the driver: nothing ever blocks longer than it is told to.
"""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg2
from psycopg2 import sql

from ..deployment import Deployment, database
from ..errors import Busy, Refused
from ..masking import mask_text

APPLICATION_NAME = "lsconsole-maintenance"
#: Longest wait for an answer of the watching connection, and for connecting.
ANSWER_SECONDS = 5.0
#: How often the server looks whether we still live while it works for us (PostgreSQL 14 and newer).
CHECK_CLIENT_MILLISECONDS = 1000
#: How long a run waits for the one before it to let go.
TURN_SECONDS = 1.0
#: Our key among the advisory locks of a database; PostgreSQL keeps pairs apart from Label Studio's single number.
LOCK_KEY = (0x6C736D74, 1)


class Lost(Busy):
    """The server does not answer any more, or closed the connection."""


class TurnTaken(Busy):
    """Other maintenance of this database is under way."""


class Link:
    """One connection in autocommit mode. `pid` is the server's process, as the server itself says."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        """Raises psycopg2.Error when it cannot connect."""
        self._raw = psycopg2.connect(**parameters, async_=1)
        self._cursor: Any = None
        if not self._wait(ANSWER_SECONDS):
            self._raw.close()
            raise psycopg2.OperationalError("timeout expired")
        self.version: int = self._raw.server_version
        [row] = self.run("select pg_backend_pid() as pid, pg_is_in_recovery() as replica, current_user as role")
        self.pid: int = row["pid"]
        self.replica: bool = row["replica"]
        self.role: str = row["role"]

    @property
    def pooled(self) -> bool:
        """Whether a pooler stands between: it makes up the process number it announces at the start."""
        return bool(self._raw.info.backend_pid != self.pid)

    @property
    def closed(self) -> bool:
        """Whether the server, or the network, ended it."""
        return bool(self._raw.closed)

    @property
    def notices(self) -> list[str]:
        """What the server told beside its answers, oldest first."""
        return [str(line).strip() for line in self._raw.notices]

    def run(
        self, statement: Any, values: Mapping[str, Any] | None = None, *, seconds: float = ANSWER_SECONDS
    ) -> list[Any]:
        """The rows of one quick statement as dicts. Raises Lost after `seconds` without an answer."""
        self.start(statement, values)
        if not self._wait(seconds):
            raise Lost(
                f"The database did not answer within {seconds:g} s. Check the network, and look what it is doing."
            )
        return self.rows()

    def start(self, statement: Any, values: Mapping[str, Any] | None = None) -> None:
        """Send a statement and return at once."""
        del self._raw.notices[:]
        self._cursor = self._raw.cursor()
        self._cursor.execute(statement, values)

    def done(self, seconds: float) -> bool:
        """Whether the statement ended, waiting at most this long. Raises the error that ended it."""
        return self._wait(seconds)

    def rows(self) -> list[dict[str, Any]]:
        """The rows of the statement that ended last; empty when it has none."""
        if self._cursor is None or self._cursor.description is None:
            return []
        names = [column.name for column in self._cursor.description]
        return [dict(zip(names, row, strict=True)) for row in self._cursor.fetchall()]

    def text(self, statement: sql.Composable) -> str:
        """A statement as it will be sent."""
        return str(statement.as_string(self._raw))

    def cancel(self) -> None:
        """Ask the server, over a connection of its own, to give up the running statement."""
        self._raw.cancel()

    def set(self, **settings: Any) -> None:
        """Set parameters of the session."""
        for name, value in settings.items():
            self.run("select set_config(%(name)s, %(value)s, false)", {"name": name, "value": str(value)})

    def close(self) -> None:
        with contextlib.suppress(psycopg2.Error):
            self._raw.close()

    def _wait(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while True:
            state = self._raw.poll()
            if state == psycopg2.extensions.POLL_OK:
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            wants_write = state == psycopg2.extensions.POLL_WRITE
            file = [self._raw.fileno()]
            select.select([] if wants_write else file, file if wants_write else [], [], left)


def open_link(deployment: Deployment) -> Link:
    """A connection of the fixing role; raises CannotAttach or Busy when there is none to be had."""
    url = database.parse_url(deployment.settings.fix_database_url or deployment.settings.database_url or "")
    _, parameters = deployment.fix_engine.dialect.create_connect_args(url)
    parameters = dict(parameters) | {
        "application_name": APPLICATION_NAME, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3,
    }  # fmt: skip
    try:
        return Link(parameters)
    except psycopg2.Error as error:
        database.connect(deployment.fix_engine).close()  # says in one sentence why not
        raise Busy(f"No connection for maintenance: {mask_text(str(error)).strip()}.") from None


@contextlib.contextmanager
def link(deployment: Deployment) -> Iterator[Link]:
    """`open_link` for a block; what PostgreSQL refuses within it arrives as Lost or Refused."""
    opened = open_link(deployment)
    try:
        yield opened
    except psycopg2.Error as error:
        told = mask_text(str(error)).strip().splitlines()[:1]
        if opened.closed:
            raise Lost(f"The connection to the database was lost: {' '.join(told)}") from error
        raise Refused(f"PostgreSQL refused: {' '.join(told)}") from error
    finally:
        opened.close()


def prepare(worker: Link) -> list[str]:
    """Set up the connection that works; returns notes for whoever reads the outcome. Raises Refused, naming the way out."""
    if worker.pooled:
        raise Refused(
            "A connection pooler (such as PgBouncer) stands between the console and PostgreSQL, and maintenance must not "
            "run behind one. Name the server itself in LSCONSOLE_FIX_DATABASE_URL."
        )
    if worker.replica:
        raise Refused("This server is a replica and cannot be maintained; work on its primary, which it follows.")
    worker.set(statement_timeout=0, idle_in_transaction_session_timeout=0, max_parallel_maintenance_workers=0)
    if worker.version >= 170000:
        worker.set(transaction_timeout=0)
    if worker.version < 140000:
        return ["PostgreSQL before 14 does not notice when the console is killed: it would finish the statement first."]
    try:
        worker.set(client_connection_check_interval=CHECK_CLIENT_MILLISECONDS)
    except psycopg2.Error:
        return ["This server cannot notice when the console is killed: it would finish the statement first."]
    return []


_HOLDER = """
select l.pid, a.usename as role, a.application_name as application, host(a.client_addr) as address,
       to_char(a.backend_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') as since, a.query
from pg_locks l left join pg_stat_activity a on a.pid = l.pid
where l.locktype = 'advisory' and l.classid = %(key)s and l.objid = %(number)s and l.objsubid = 2 and l.granted
  and l.database = (select oid from pg_database where datname = current_database())
limit 1
"""


def take_turn(worker: Link) -> None:
    """Hold this database's maintenance for ourselves until the connection ends. Raises Busy naming who holds it.

    A moment is waited: the server notices only after a while that the run before this one has closed its connection.
    """
    values, deadline = {"key": LOCK_KEY[0], "number": LOCK_KEY[1]}, time.monotonic() + TURN_SECONDS
    while not worker.run("select pg_try_advisory_lock(%(key)s, %(number)s) as ours", values)[0]["ours"]:
        if time.monotonic() > deadline:
            raise TurnTaken(f"Other maintenance of this database is under way. {describe_holder(holder(worker))}")
        time.sleep(0.1)


def holder(link: Link) -> dict[str, Any] | None:
    """Who holds the maintenance of this database: pid, role, application, address, since (UTC, text), query; or None."""
    rows = link.run(_HOLDER, {"key": LOCK_KEY[0], "number": LOCK_KEY[1]})
    return rows[0] if rows else None


def describe_holder(found: dict[str, Any] | None) -> str:
    """One sentence about who holds it."""
    if found is None:
        return "It ended just now; try again."
    if found["role"] is None or found["since"] is None:
        return f"It runs in server process {found['pid']}; who and since when is hidden from this role. Wait for it to end."
    where = f" from {found['address']}" if found["address"] else ""
    return f"User {found['role']}{where} holds it since {found['since']} UTC (server process {found['pid']}). Wait for it to end."
