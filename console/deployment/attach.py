"""Attach to one deployment: its database, and its Redis when there is one."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy import exc as sqlalchemy_exceptions
from sqlalchemy.orm import Session

from ..config import Settings
from ..errors import Busy, CannotAttach, ConsoleError, Refused, Unknown
from . import database
from .models import Annotation, Migration, Organization, Prediction, Project, Task, User
from .queues import QueueReader
from .schema import Schema
from .storages import count_by_kind

#: Above this many rows PostgreSQL's own estimate is shown instead of a count.
EXACT_COUNT_ROWS = 200_000
COUNTED: dict[str, type] = {
    "users": User, "organizations": Organization, "projects": Project, "tasks": Task,
    "annotations": Annotation, "predictions": Prediction,
}  # fmt: skip


@dataclass
class Deployment:
    """An attached deployment. `engine` only ever reads; `fix_engine` is for applying plans."""

    settings: Settings
    engine: Engine
    schema: Schema
    role: str
    database_version: str
    redis: QueueReader | None
    #: names this database, however it is addressed and whoever asks; plans and findings carry it
    identity: str
    #: rows that the console's own jobs work on, as (export | conversion, id): set by whoever has our store
    own_work: Callable[[], set[tuple[str, int]]] = field(default=set, repr=False)
    _fix_engine: Engine | None = field(default=None, repr=False)

    @classmethod
    def attach(cls, settings: Settings) -> Deployment:
        """Attach for looking. Raises CannotAttach with one clear sentence."""
        if not settings.database_url:
            raise CannotAttach(
                "No database is named. Give --database-url or LSCONSOLE_DATABASE_URL, or start with Label Studio's own "
                "environment (DJANGO_DB, POSTGRE_HOST, … or LABEL_STUDIO_BASE_DATA_DIR)."
            )
        engine = database.read_engine(
            settings.database_url, statement_timeout_seconds=settings.statement_timeout_seconds
        )
        with database.connect(engine) as connection:
            try:
                schema = Schema.read(connection)
                role, version, identity = _who_and_what(connection)
            except sqlalchemy_exceptions.DBAPIError as error:
                known = database.explain(error, role=engine.url.username or "")
                raise CannotAttach(str(known) if known else f"The database cannot be read: {error.orig}") from None
        redis = QueueReader(settings.redis_url) if settings.redis_url else None
        return cls(settings, engine, schema, role, version, redis, identity)

    @property
    def kind(self) -> str:
        """`postgresql` or `sqlite`."""
        return self.engine.dialect.name

    @cached_property
    def name(self) -> str:
        """What people call it: the host of Label Studio's address, else the database's name."""
        if self.settings.label_studio_url:
            return urlsplit(self.settings.label_studio_url).netloc.rpartition("@")[2] or "Label Studio"
        base = self.engine.url.database or "Label Studio"
        return Path(base).name if self.kind == "sqlite" else f"{base} on {self.engine.url.host or 'localhost'}"

    @contextlib.contextmanager
    def read(self) -> Iterator[Session]:
        """One read-only transaction; database errors arrive as Unknown or NotApplicable."""
        with database.read_session(self.engine) as session:
            try:
                yield session
            except sqlalchemy_exceptions.SQLAlchemyError as error:
                raise self.explain(error) or error from error

    @contextlib.contextmanager
    def write(self) -> Iterator[Session]:
        """One writing transaction under the fixing role; a missing right becomes Refused with the GRANT."""
        try:
            with database.write_session(self.fix_engine) as session:
                yield session
        except sqlalchemy_exceptions.DBAPIError as error:
            raise self._why_not_written(error) or error from error

    @property
    def fix_engine(self) -> Engine:
        if self._fix_engine is None:
            url = self.settings.fix_database_url or self.settings.database_url or ""
            self._fix_engine = database.write_engine(url)
        return self._fix_engine

    def explain(self, error: BaseException) -> ConsoleError | None:
        return database.explain(error, role=self.role, version=self.schema.label_studio_version)

    def _why_not_written(self, error: sqlalchemy_exceptions.DBAPIError) -> ConsoleError | None:
        code, text = getattr(error.orig, "pgcode", None), str(error.orig).splitlines()[0] if error.orig else ""
        role = self.fix_engine.url.username or self.role
        if code == "42501":
            grant = database.grant_for(text, role).replace("GRANT SELECT", "GRANT SELECT, INSERT, UPDATE, DELETE")
            other = "" if self.settings.fix_database_url else " Or name another role in LSCONSOLE_FIX_DATABASE_URL."
            return Refused(f"Nothing was written: {text}. Needs: {grant}{other}")
        if code == "25006" or "readonly" in text:
            return Refused(
                "Nothing was written: this database is read-only (a replica, or a file without write rights)."
            )
        if self.kind == "postgresql" and (error.connection_invalidated or code is None):
            return None  # perhaps broken while committing: not ours to say that nothing was written
        known = self.explain(error)
        kind = Busy if isinstance(known, Unknown) else Refused
        return kind(f"Nothing was written. {known}") if known else None

    @cached_property
    def can_fix(self) -> bool:
        """Whether the fixing role may change rows, as far as one can tell without trying."""
        if self.kind == "sqlite":
            return os.access(self.engine.url.database or "", os.W_OK)
        try:
            with database.read_session(self.fix_engine) as session:
                return bool(session.scalar(select(func.has_table_privilege("htx_user", "UPDATE"))))
        except sqlalchemy_exceptions.SQLAlchemyError:
            return False

    def counts(self) -> dict[str, int]:
        """Rows per kind of object; on PostgreSQL an estimate for tables over 200,000 rows."""
        found: dict[str, int] = {}
        with self.read() as session:
            estimates = self._estimates(session)
            for name, model in COUNTED.items():
                table = model.__tablename__  # type: ignore[attr-defined]
                if not self.schema.has_table(table):
                    continue
                estimate = estimates.get(table, -1)
                if estimate > EXACT_COUNT_ROWS:
                    found[name] = estimate
                    continue
                found[name] = self._count(session, table)
            try:
                with session.begin_nested():
                    found["storages"] = sum(count_by_kind(session, self.schema).values())
            except sqlalchemy_exceptions.DBAPIError:
                found["storages"] = -1
        return {name: number for name, number in found.items() if number >= 0}

    def _count(self, session: Session, table: str) -> int:
        try:
            with session.begin_nested():
                return session.scalar(select(func.count()).select_from(self.schema.table(table))) or 0
        except sqlalchemy_exceptions.DBAPIError as error:
            if isinstance(self.explain(error), Unknown):
                return -1
            raise

    def _estimates(self, session: Session) -> dict[str, int]:
        if self.kind != "postgresql":
            return {}
        rows: Any = session.connection().exec_driver_sql(
            "select relname, reltuples::bigint from pg_class where relkind = 'r' and relnamespace = any"
            " (select oid from pg_namespace where nspname = any (current_schemas(false)))"
        )
        return dict(rows.all())

    def close(self) -> None:
        self.engine.dispose()
        if self._fix_engine is not None:
            self._fix_engine.dispose()


def _who_and_what(connection: Connection) -> tuple[str, str, str]:
    """Role, server version, and what identifies the database: not its address, which differs from host to host."""
    if connection.dialect.name == "postgresql":
        role, version, name, number = connection.exec_driver_sql(
            "select current_user, current_setting('server_version'), current_database(),"
            " (select oid from pg_database where datname = current_database())"
        ).one()
        born = _first_migration(connection)
        return role, version.split(" ")[0], _digest("postgresql", name, number, born)
    path = Path(connection.engine.url.database or "").resolve()
    return "", connection.exec_driver_sql("select sqlite_version()").scalar_one(), _digest("sqlite", path)


def _first_migration(connection: Connection) -> Any:
    """When the database was first migrated: two fresh servers may give a database the same name and number."""
    try:
        with connection.begin_nested():
            return connection.scalar(select(func.min(Migration.applied)))
    except sqlalchemy_exceptions.DBAPIError:
        return None


def _digest(*parts: Any) -> str:
    return hashlib.sha256(":".join(map(str, parts)).encode()).hexdigest()[:16]
