"""Leases: of several console processes one does what only one should do, and another takes over when it dies."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from .models import LeaseRow
from .store import Store, is_alive, this_process

log = logging.getLogger(__name__)

#: Work under way is believed to be so for this long after it was last heard of, and is heard of this often.
WORK_SECONDS, RENEWED_SECONDS = 600.0, 60.0


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


def is_held(store: Store, name: str) -> bool:
    """Whether somebody holds the lease who is not known to be dead."""
    with store.read() as session:
        row = session.execute(select(LeaseRow.owner, LeaseRow.until).where(LeaseRow.name == name)).first()
    return row is not None and row.until > datetime.now(UTC) and is_alive(row.owner) is not False


def give_back(store: Store, name: str, owner: str) -> None:
    """Let another take it now."""
    with store.session() as session:
        session.execute(delete(LeaseRow).where(LeaseRow.name == name, LeaseRow.owner == owner))


def sweep(store: Store) -> None:
    """Forget leases whose holder has been gone for a day: work that died never gives them back."""
    with store.session() as session:
        session.execute(delete(LeaseRow).where(LeaseRow.until < datetime.now(UTC) - timedelta(days=1)))


@contextmanager
def working(store: Store, name: str, stopped: Callable[[], bool]) -> Iterator[Callable[[], bool]]:
    """Hold a lease while the block works; use what it gives instead of `stopped`: asking it shows that we live."""
    renewed = time.monotonic()
    take(store, name, this_process(), WORK_SECONDS)

    def still() -> bool:
        nonlocal renewed
        if time.monotonic() - renewed >= RENEWED_SECONDS:
            renewed = time.monotonic()
            with _unless_away(name):
                take(store, name, this_process(), WORK_SECONDS)
        return stopped()

    try:
        yield still
    finally:
        with _unless_away(name):
            give_back(store, name, this_process())


@contextmanager
def _unless_away(name: str) -> Iterator[None]:
    """The work itself does not end because our store is away for a moment."""
    try:
        yield
    except SQLAlchemyError as error:
        log.warning("the lease “%s” could not be written: %s", name, type(error).__name__)
