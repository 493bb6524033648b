"""What the console remembers in its own store, for checks that compare with earlier days."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import exc

from ..errors import ConsoleError
from ..state import Store
from .check import Context

T = TypeVar("T")


def remembered(ctx: Context, read: Callable[[Store], T]) -> T | None:
    """What `read` finds in our store; None where the store cannot be opened or read."""
    try:
        store = Store.open(ctx.settings.state_store_url)
    except ConsoleError:
        return None
    try:
        return read(store)
    except exc.SQLAlchemyError:
        return None
    finally:
        store.close()
