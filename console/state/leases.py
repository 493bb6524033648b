"""Leases: of several console processes one does what only one should do, and another takes over when it dies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from .models import LeaseRow
from .store import Store, is_alive


def take(store: Store, name: str, owner: str, seconds: float) -> bool:
    """Hold the lease for so many seconds more; False while another living process holds it."""
    now = datetime.now(UTC)
    until = now + timedelta(seconds=seconds)
    with store.session() as session:
        held = session.scalar(select(LeaseRow.owner).where(LeaseRow.name == name))
        if held is not None:
            whose = [owner, held] if is_alive(held) is False else [owner]
            taken: Any = session.execute(
                update(LeaseRow).where(LeaseRow.name == name, or_(LeaseRow.owner.in_(whose), LeaseRow.until < now))
                .values(owner=owner, until=until)
            )  # fmt: skip
            return bool(taken.rowcount == 1)
    try:
        with store.session() as session:
            session.execute(insert(LeaseRow).values(name=name, owner=owner, until=until))
    except IntegrityError:
        return False  # somebody else was quicker
    return True


def give_back(store: Store, name: str, owner: str) -> None:
    """Let another take it now."""
    with store.session() as session:
        session.execute(delete(LeaseRow).where(LeaseRow.name == name, LeaseRow.owner == owner))
