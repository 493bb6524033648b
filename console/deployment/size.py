"""How large the deployment's database is, without reading a table."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from ..errors import NotApplicable, Unknown
from .attach import Deployment


def database_bytes(deployment: Deployment) -> int | None:
    """Bytes on disk, or None where the role may not ask."""
    if deployment.kind == "sqlite":
        path = Path(deployment.engine.url.database or "")
        return path.stat().st_size if path.is_file() else None
    try:
        with deployment.read() as session:
            return session.scalar(text("select pg_database_size(current_database())"))
    except (Unknown, NotApplicable):
        return None
