"""Which PostgreSQL answers: some columns and functions came with a release."""

from __future__ import annotations

from sqlalchemy.orm import Session

from ...errors import NotApplicable


def major(session: Session) -> int:
    """13 to 18. Raises NotApplicable on another database than PostgreSQL."""
    dialect = session.connection().dialect
    if dialect.name != "postgresql":
        raise NotApplicable("This database is SQLite; only PostgreSQL keeps such statistics.")
    return int((dialect.server_version_info or (13,))[0])
