"""Engines and sessions for Label Studio's database. Timeouts live here.

A read session is one short transaction that the server itself keeps read-only. Limits are set inside the
transaction (`SET LOCAL`), so that they hold behind a transaction pooler as well.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, exc, make_url
from sqlalchemy.engine import URL
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool, QueuePool

from ..errors import CannotAttach, ConsoleError, NotApplicable, Unknown
from ..masking import mask_text

APPLICATION_NAME = "lsconsole"
CONNECT_SECONDS = 5
LOCK_SECONDS = 5


def read_engine(url: str, *, statement_timeout_seconds: int = 30) -> Engine:
    """An engine whose every transaction is read-only and bounded in time."""
    return _engine(url, statement_timeout_seconds, writes=False)


def write_engine(url: str, *, statement_timeout_seconds: int = 120) -> Engine:
    """An engine for applying plans: bounded in time, refuses to wait long for a lock."""
    return _engine(url, statement_timeout_seconds, writes=True)


@contextlib.contextmanager
def read_session(engine: Engine) -> Iterator[Session]:
    """One read-only transaction; always rolled back at its end."""
    with Session(engine, autoflush=False) as session:
        try:
            yield session
        finally:
            session.rollback()


@contextlib.contextmanager
def write_session(engine: Engine) -> Iterator[Session]:
    """One writing transaction: committed when the block ends well, rolled back otherwise."""
    with Session(engine, autoflush=False) as session, session.begin():
        yield session


def parse_url(url: str) -> URL:
    """A database URL with the driver we use. Raises CannotAttach with one clear sentence."""
    if "://" not in url:
        path = Path(url)
        if path.suffix in {".sqlite3", ".sqlite", ".db"} or path.exists():
            return make_url(f"sqlite:///{path}")
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError):  # ValueError: a port that is no number
        raise CannotAttach(
            "The database URL cannot be read; write postgresql://USER:PASSWORD@HOST:PORT/NAME or sqlite:///PATH."
        ) from None
    backend = parsed.drivername.split("+")[0]
    if backend in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql+psycopg2")
    if backend == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise CannotAttach("The database URL names no SQLite file; write sqlite:///PATH.")
        return parsed.set(drivername="sqlite+pysqlite")
    raise CannotAttach(f"{backend} is no database of Label Studio's; postgresql:// and sqlite:/// are accepted.")


def connect(engine: Engine) -> Connection:
    """A connection, or CannotAttach with one clear sentence that holds no secret."""
    url = engine.url
    if engine.dialect.name == "sqlite" and not Path(url.database or "").is_file():
        raise CannotAttach(f"There is no SQLite file {url.database}. Check LABEL_STUDIO_BASE_DATA_DIR or the URL.")
    try:
        return engine.connect()
    except (exc.DBAPIError, exc.SQLAlchemyError, UnicodeError) as error:
        raise CannotAttach(_why_not(url, error)) from None


def explain(
    error: BaseException, *, role: str = "", version: str = "", seconds: float | None = None
) -> ConsoleError | None:
    """What a database error means for somebody who only looks, or None when it is a mistake of ours.

    A missing privilege becomes Unknown with the GRANT to give, a missing table or column NotApplicable.
    """
    if isinstance(error, exc.TimeoutError):
        return Unknown("No free connection to the database within the time allowed; try again.")
    if not isinstance(error, exc.DBAPIError):
        return None
    text = str(error.orig).strip().splitlines()[0] if error.orig else str(error)
    if isinstance(error.orig, sqlite3.Error):
        return _explain_sqlite(text, version, seconds)
    code = getattr(error.orig, "pgcode", None)
    if code == "42501":
        grant, all_at_once = grant_for(text, role), grant_for("", role)
        also = (
            f" (or, for every table at once, {all_at_once})"
            if grant.startswith("GRANT SELECT") and grant != all_at_once
            else ""
        )
        return Unknown(f"Not permitted to read: {text}. Needs: {grant}{also}")
    if code == "57014":
        return Unknown(
            "A statement was stopped at its time limit. Raise LSCONSOLE_STATEMENT_TIMEOUT_SECONDS, or look at a quieter hour."
        )
    if code in {"40P01", "40001"}:
        return Unknown("Two transactions waited for each other, and this one was given up; try again.")
    if code == "55P03":
        return Unknown("A table stayed locked by somebody else; try again, or see who holds the lock.")
    if code in {"42P01", "42703"}:
        return NotApplicable(f"Label Studio {version} has no such place: {text}".strip())
    if error.connection_invalidated or code is None or code.startswith(("08", "57P", "53")):
        return Unknown(f"The database does not answer: {mask_text(text)}")
    return None


def grant_for(message: str, role: str) -> str:
    """The exact statement that gives the right which PostgreSQL's message says is missing."""
    who = f'"{role}"' if role and not re.fullmatch(r"[a-z_][a-z0-9_]*", role) else role or "the_role"
    found = re.search(r"permission denied for (table|view|relation|schema|sequence|database|function) (\S+)", message)
    if not found:
        return f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {who};"
    kind, name = found.groups()
    if kind == "schema":
        return f"GRANT USAGE ON SCHEMA {name} TO {who};"
    if kind == "function":
        return f"GRANT EXECUTE ON FUNCTION {name} TO {who};"
    return f"GRANT SELECT ON {name} TO {who};"


def _engine(url: str, seconds: int, *, writes: bool) -> Engine:
    parsed = parse_url(url)
    if parsed.drivername.startswith("sqlite"):
        return _sqlite_engine(parsed, seconds, writes=writes)
    engine = create_engine(
        parsed, pool_size=5, max_overflow=10, pool_timeout=10, pool_pre_ping=True, pool_recycle=1800,
        connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": APPLICATION_NAME},
        execution_options={"postgresql_readonly": not writes},
        hide_parameters=True,
    )  # fmt: skip
    limits = (
        f"select set_config('application_name', '{APPLICATION_NAME}', true),"
        f" set_config('statement_timeout', '{seconds * 1000}', true),"
        f" set_config('lock_timeout', '{LOCK_SECONDS * 1000}', true)"
    )

    @event.listens_for(engine, "begin")
    def set_limits(connection: Connection) -> None:
        with connection.connection.cursor() as cursor:  # type: ignore[attr-defined]
            cursor.execute(limits)

    return engine


def _sqlite_engine(url: URL, seconds: int, *, writes: bool) -> Engine:
    path = Path(url.database or "").absolute()

    def open_file() -> sqlite3.Connection:
        # isolation_level None: we say BEGIN ourselves, so that a reader sees one state from start to end.
        connection = sqlite3.connect(
            f"{path.as_uri()}?{'mode=rw' if writes else _reading_mode(path)}",
            uri=True,
            timeout=LOCK_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute("pragma foreign_keys = on" if writes else "pragma query_only = on")
        return connection

    # Readers open the file anew for each transaction, as `_reading_mode` holds for a moment only.
    engine = create_engine(url, creator=open_file, poolclass=QueuePool if writes else NullPool, hide_parameters=True)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("begin immediate" if writes else "begin")

    @event.listens_for(engine, "before_cursor_execute")
    def start_clock(connection: Connection, *_: Any) -> None:
        deadline = time.monotonic() + seconds
        raw = connection.connection.dbapi_connection
        raw.set_progress_handler(lambda: time.monotonic() > deadline, 100_000)  # type: ignore[union-attr]

    return engine


def _reading_mode(path: Path) -> str:
    """How to open a file for looking. Opening one in WAL mode makes `-wal` and `-shm` files beside it, or fails where
    that is not allowed; while there is no `-wal` file nobody writes, and SQLite may be told to make none."""
    try:
        with path.open("rb") as file:
            in_wal_mode = file.read(20)[18:20] == b"\x02\x02"
    except OSError:
        return "mode=ro"  # SQLite says in its own words why it cannot open the file
    at_rest = in_wal_mode and not path.with_name(f"{path.name}-wal").exists()
    return "mode=ro&immutable=1" if at_rest else "mode=ro"


def _explain_sqlite(text: str, version: str, seconds: float | None) -> ConsoleError | None:
    if "locked" in text or "busy" in text:
        return Unknown(
            f"The SQLite file is locked by another process; waited {LOCK_SECONDS} s. Try again when its work is done."
        )
    if text == "interrupted":
        return Unknown("A statement was stopped at its time limit. Raise LSCONSOLE_STATEMENT_TIMEOUT_SECONDS.")
    if text.startswith(("no such table", "no such column")):
        return NotApplicable(f"Label Studio {version} has {text.replace('no such', 'no')}".strip())
    if "not a database" in text:
        return Unknown("This is no SQLite file. Check LABEL_STUDIO_BASE_DATA_DIR, DATABASE_NAME or the URL.")
    if "malformed" in text:
        return Unknown(f"The SQLite file is damaged ({text}). Run `sqlite3 FILE 'pragma integrity_check'` on a copy.")
    if "unable to open" in text or "readonly" in text or "disk I/O" in text:
        return Unknown(f"The SQLite file cannot be read ({text}). Check the rights of the file and its directory.")
    return None


def _why_not(url: URL, error: BaseException) -> str:
    where = f"{url.host or 'localhost'}:{url.port or 5432}"
    text = mask_text(str(getattr(error, "orig", None) or error)).strip()
    lowered = text.lower()
    if url.drivername.startswith("sqlite"):
        known = explain(error)
        return str(known) if known else f"The SQLite file {url.database} cannot be opened: {text.splitlines()[0]}."
    if "password authentication failed" in lowered or "no password supplied" in lowered:
        return f"PostgreSQL at {where} refused the password of user {url.username}. Check POSTGRE_PASSWORD or the URL."
    if "does not exist" in lowered and "database" in lowered:
        return f"PostgreSQL at {where} has no database {url.database}. Check POSTGRE_NAME or the URL."
    if "does not exist" in lowered and "role" in lowered:
        return f"PostgreSQL at {where} has no user {url.username}. Check POSTGRE_USER or the URL."
    if "could not translate host name" in lowered or "name or service not known" in lowered:
        return f"The host name {url.host} is not known here. Check POSTGRE_HOST or the URL."
    if "connection refused" in lowered:
        return f"Nothing listens at {where}. Check that PostgreSQL runs and the host and port are right."
    if "timeout" in lowered or "timed out" in lowered:
        return f"PostgreSQL at {where} did not answer within {CONNECT_SECONDS} s. Check the network between here and there."
    if "no pg_hba.conf entry" in lowered:
        return f"PostgreSQL at {where} does not let user {url.username} in from here (no pg_hba.conf entry)."
    if "permission denied for database" in lowered:
        return f"User {url.username} may not connect: GRANT CONNECT ON DATABASE {url.database} TO {url.username};"
    first = text.splitlines()[0] if text else type(error).__name__
    return f"PostgreSQL at {where} cannot be used: {first.rstrip('.')}."
