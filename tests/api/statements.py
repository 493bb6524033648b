"""Counting the statements of a request on Label Studio's database, the look-up of the caller included."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event, text

from console.service import Console


@contextmanager
def at_most(console: Console, number: int) -> Iterator[list[str]]:
    """No more statements than these inside the block; BEGIN and the limits set there are not counted."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.lower().startswith("begin"):
            found.append(statement)

    engines = (console.deployment.engine, console.deployment.fix_engine)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", note)
    assert len(found) <= number, f"{len(found)} statements:\n" + "\n".join(found)


def silence_webhooks(console: Console) -> None:
    """The dumps have webhooks that nobody answers; telling them takes statements of its own."""
    with console.deployment.write() as session:
        session.execute(text("update webhook set is_active = :no"), {"no": False})


def values(console: Console, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """Rows of a query on Label Studio's database."""
    with console.deployment.read() as session:
        return [tuple(row) for row in session.execute(text(statement), parameters)]
