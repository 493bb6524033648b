"""Everything the database page shows of a PostgreSQL, read together: some twenty short statements.

A part that cannot be read, for a missing right or a table that stays locked, is None and `notes` says why; the others
are read all the same. Nobody waits long for a lock here: the page is looked at exactly when something is locked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ...errors import NotApplicable
from .. import database
from ..attach import Deployment
from . import bloat, expected, grants, indexes, sequences, server, sessions, settings, statements, tables
from .expected import Missing
from .freed import Bloat
from .grants import Grants
from .indexes import ForeignKey, IndexStats
from .sequences import Sequence
from .server import Disk, Floor, Server
from .sessions import Sessions
from .settings import Setting
from .statements import Slow
from .tables import Tables

LOCK_MILLISECONDS = 500
_LIMIT = text("select set_config('lock_timeout', :limit, true)")


@dataclass
class Overview:
    """Each part as its module describes it; None where it could not be read, and then `notes[part]` says why."""

    tables: Tables | None = None
    indexes: list[IndexStats] | None = None
    foreign_keys: list[ForeignKey] | None = None
    sessions: Sessions | None = None
    server: Server | None = None
    settings: list[Setting] | None = None
    disk: Disk | None = None
    slow: Slow | None = None
    sequences: list[Sequence] | None = None
    grants: Grants | None = None
    floor: Floor | None = None
    #: indexes that the release should have; None when the release or the indexes are not known
    missing: list[Missing] | None = None
    notes: dict[str, str] = field(default_factory=dict)


#: The parts in the order they are read.
PARTS = ("tables", "indexes", "foreign_keys", "sessions", "server", "disk", "slow", "sequences", "grants")


def read(deployment: Deployment, *, only: tuple[str, ...] = PARTS) -> Overview:
    """All parts, or those named. Raises NotApplicable on SQLite, Unknown when the database does not answer at all."""
    if deployment.kind != "postgresql":
        raise NotApplicable("This database is SQLite; only PostgreSQL keeps such statistics.")
    overview = Overview()
    readers = _readers(deployment)
    with database.read_session(deployment.engine) as session:
        for part in only:
            setattr(overview, part, _read(session, deployment, part, readers[part], overview.notes))
        if overview.server is not None:
            _with_settings(session, deployment, overview)
        if overview.tables is not None:
            _with_bloat(session, deployment, overview)
    if overview.indexes is not None:
        overview.missing = expected.missing(deployment.schema, overview.indexes)
    if overview.server is not None:
        overview.floor = server.floor(overview.server, deployment.schema)
    return overview


def _readers(deployment: Deployment) -> dict[str, Callable[[Session], Any]]:
    port = deployment.engine.url.port or 5432
    return {
        "tables": tables.read, "indexes": indexes.read, "foreign_keys": indexes.foreign_keys_without_index,
        "sessions": sessions.read, "server": lambda session: server.read(session, url_port=port), "disk": server.disk,
        "slow": lambda session: statements.slowest(session, deployment.schema.columns), "sequences": sequences.read,
        "grants": grants.read,
    }  # fmt: skip


def _read(
    session: Session, deployment: Deployment, part: str, reader: Callable[[Session], Any], notes: dict[str, str]
) -> Any:
    """One part, a second time when a lock came between, which is seen then, or a relation was dropped meanwhile."""
    for attempt in (1, 2):
        try:
            if not session.in_transaction():
                session.execute(_LIMIT, {"limit": str(LOCK_MILLISECONDS)})
            return reader(session)
        except SQLAlchemyError as error:
            session.rollback()
            known = deployment.explain(error)
            locked = getattr(getattr(error, "orig", None), "pgcode", None) == "55P03"
            if attempt == 1 and (known is None or locked):
                continue
            if known is None:
                raise
            notes[part] = str(known)
            return None
    return None


def _with_settings(session: Session, deployment: Deployment, overview: Overview) -> None:
    values = _read(session, deployment, "settings", settings.read, overview.notes)
    if values is not None and overview.server is not None:
        rows = overview.tables.rows if overview.tables else []
        largest = max((table.live_rows or 0 for table in rows), default=0)
        overview.settings = settings.worth_a_look(values, overview.server, largest_table_rows=largest)


def _with_bloat(session: Session, deployment: Deployment, overview: Overview) -> None:
    if overview.tables is None:
        return
    rows, trees = overview.tables.rows, overview.indexes or []

    def estimated(session: Session) -> dict[int, Bloat]:
        return bloat.estimate(session, rows, trees)

    found = _read(session, deployment, "bloat", estimated, overview.notes) or {}
    overview.tables = replace(overview.tables, rows=[replace(table, bloat=found.get(table.oid)) for table in rows])
    if overview.indexes is not None:
        overview.indexes = [replace(index, bloat=found.get(index.oid)) for index in trees]
