"""What earlier runs saw, of whatever database: the memory that tells a lost deployment from a new one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import exc, select

from .models import Run
from .store import Store

#: Runs that are looked back at.
MOST_RUNS = 200


@dataclass(frozen=True)
class Seen:
    """One run: which database it was, of what kind, when, and what it held."""

    number: int
    deployment: str
    kind: str
    at: datetime
    projects: int
    tasks: int


def seen(store: Store) -> list[Seen]:
    """The newest runs that counted what they looked at, newest first; none when the store cannot be read."""
    asked = select(Run.number, Run.deployment, Run.started_at, Run.about).order_by(Run.number.desc()).limit(MOST_RUNS)
    try:
        with store.read() as session:
            rows = session.execute(asked).all()
    except exc.SQLAlchemyError:
        return []
    return [found for row in rows if (found := _seen(row.number, row.deployment, row.started_at, row.about))]


def _seen(number: int, deployment: str, at: datetime, about: Any) -> Seen | None:
    counts, database = about.get("counts"), about.get("database") or {}
    if not isinstance(counts, dict) or "projects" not in counts:
        return None
    return Seen(number, deployment, str(database.get("kind") or ""), at, counts["projects"], counts.get("tasks", 0))
