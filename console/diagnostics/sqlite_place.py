"""What the checks of SQLite share: the file, and that there is one at all."""

from __future__ import annotations

from pathlib import Path

from ..errors import NotApplicable
from .check import Context

POSTGRESQL = "The database is PostgreSQL, not a SQLite file."


def file_of(ctx: Context) -> Path:
    """The attached file. Raises NotApplicable on PostgreSQL."""
    if ctx.schema.dialect != "sqlite":
        raise NotApplicable(POSTGRESQL)
    return Path(ctx.deployment.engine.url.database or "").absolute()
