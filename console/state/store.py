"""The state store: one SQLite file by default, one PostgreSQL when consoles share it. Migrated when opened."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, exc, inspect, make_url, text
from sqlalchemy.orm import Session

from ..errors import CannotAttach
from ..masking import mask_text

#: PostgreSQL advisory lock that serialises migrations of several consoles starting at once.
MIGRATION_LOCK = 7_315_021
#: How long one process waits for another that writes the SQLite file.
BUSY_SECONDS = 15
MIGRATIONS = Path(__file__).parent / "migrations"
_migrating = threading.Lock()


class Store:
    """Our own database. `session()` is one writing transaction, `read()` one that only looks."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        # SQLite takes its write lock at BEGIN: a reader that turned writer halfway could not wait for it.
        self._writing = engine.execution_options(write=True)

    @classmethod
    def open(cls, url: str) -> Store:
        """Open and migrate. Raises CannotAttach with one clear sentence."""
        try:
            engine = _engine(url)
            with engine.begin() as connection:
                current = _is_current(connection)
            if not current:
                _migrate_alone(engine)
        except (exc.SQLAlchemyError, OSError) as error:
            reason = mask_text(str(getattr(error, "orig", None) or error)).strip().splitlines()[0]
            raise CannotAttach(
                f"The state store cannot be opened: {reason}. See LSCONSOLE_DATA_DIR and LSCONSOLE_STATE_URL."
            ) from None
        return cls(engine)

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        """One writing transaction, committed when the block ends well."""
        with Session(self._writing, expire_on_commit=False) as session, session.begin():
            yield session

    @contextlib.contextmanager
    def read(self) -> Iterator[Session]:
        """One transaction that only looks; rolled back at its end."""
        with Session(self.engine, expire_on_commit=False, autoflush=False) as session:
            yield session

    def close(self) -> None:
        self.engine.dispose()


def _is_current(connection: Connection) -> bool:
    """Whether our tables are of the newest version; spares most starts from loading Alembic."""
    if not inspect(connection).has_table("alembic_version"):
        return False
    newest = max(path.stem.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
    return connection.scalar(text("select version_num from alembic_version")) == newest


def _migrate_alone(engine: Engine) -> None:
    """Migrate while no thread, process or machine does: Alembic keeps its state in globals."""
    with _migrating, engine.execution_options(write=True).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"select pg_advisory_xact_lock({MIGRATION_LOCK})"))
        migrate(connection)


def migrate(connection: Connection) -> None:
    """Bring our tables to the newest version, inside the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def new_id() -> str:
    """A short random id that is safe in a URL."""
    return secrets.token_hex(8)


def this_process() -> str:
    """Names this process so that another can tell whether it still lives: host, pid, start time."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def is_alive(owner: str | None) -> bool | None:
    """Whether the process named by `this_process` lives; None when it ran on another host."""
    if not owner:
        return False
    host, pid, started = owner.rsplit(":", 2)
    if host != socket.gethostname():
        return None
    return _started(int(pid)) == started if pid.isdigit() else False


def _started(pid: int) -> str:
    """A process's start time as the kernel tells it; empty when there is none, or a zombie nobody waited for."""
    try:
        state, *numbers = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return "" if state in {"Z", "X"} else numbers[18]
    except (OSError, IndexError, ValueError):
        pass
    try:
        os.kill(pid, 0)
    except OSError:
        return ""
    return "alive"


def _make_private(path: Path) -> None:
    """Make the file, and its directory, for our eyes alone; what is there keeps the rights it was given.

    Plans and audit events hold rows of the deployment. SQLite gives `-wal` and `-shm` the rights of the file.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        path.touch(mode=0o600)


def _use_wal(connection: sqlite3.Connection) -> None:
    """WAL mode. While another process is changing the mode of a new file SQLite refuses at once, timeout or not."""
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("pragma journal_mode = wal")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.05)


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername="postgresql+psycopg2")
        return create_engine(parsed, pool_pre_ping=True, pool_size=5, max_overflow=15, hide_parameters=True,
                             connect_args={"connect_timeout": 5, "application_name": "lsconsole-state"})  # fmt: skip
    if not parsed.drivername.startswith("sqlite"):
        raise CannotAttach("The state store is a sqlite:/// file or a postgresql:// database.")
    if parsed.database and parsed.database != ":memory:":
        _make_private(Path(parsed.database).absolute())
    engine = create_engine(parsed, connect_args={"timeout": BUSY_SECONDS}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def prepare(connection, _record) -> None:  # type: ignore[no-untyped-def]
        connection.isolation_level = None
        _use_wal(connection)
        connection.execute("pragma synchronous = full")
        connection.execute("pragma foreign_keys = on")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("begin immediate" if connection.get_execution_options().get("write") else "begin")

    return engine
