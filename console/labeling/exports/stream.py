"""Exports in bounded memory: tasks in batches that follow their size, each batch in a short transaction of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .documents import Documents, Written
from .fragments import loads
from .selection import Opened, Selection

#: The first batch is small, so that the first byte comes soon; later ones aim at so many characters of JSON.
FIRST_BATCH = 200
LARGEST_BATCH = 2_000
BATCH_CHARACTERS = 4 * 2**20

#: Called with the number of tasks done.
Told = Callable[[int], None]


def batches(opened: Opened, selection: Selection, documents: Documents) -> Iterator[list[Written]]:
    """The selected tasks, written, some hundred at a time."""
    size = FIRST_BATCH
    for window in selection.windows(opened):
        start = 0
        while start < len(window):
            ids = list(window[start : start + size])
            start += size
            with opened() as db:
                written = list(documents.write(db, ids))
            if not written:
                continue
            yield written
            characters = sum(len(task.json) for task in written)
            size = max(1, min(LARGEST_BATCH, size * 4, BATCH_CHARACTERS * len(written) // max(1, characters)))


def json_list(found: Iterator[list[Written]], told: Told | None = None) -> Iterator[bytes]:
    """One JSON list, a task a line."""
    done, lead = 0, "["
    for batch in found:
        yield (lead + ",\n".join(task.json for task in batch)).encode("utf-8", "replace")
        lead, done = ",\n", done + len(batch)
        if told:
            told(done)
    yield b"[]" if not done else b"]"


def parsed(found: Iterator[list[Written]]) -> Iterator[dict[str, Any]]:
    """The same tasks as Python values."""
    for batch in found:
        for task in batch:
            yield loads(task.json)


def with_annotations(found: Iterator[list[Written]]) -> Iterator[list[Written]]:
    """Tasks that are written with at least one annotation."""
    for batch in found:
        kept = [task for task in batch if task.annotations]
        if kept:
            yield kept


def first_and_all(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first piece, and an iterator over every piece: what goes wrong at the start is told before the answer begins."""
    first = next(chunks, b"")

    def again() -> Iterator[bytes]:
        yield first
        yield from chunks

    return first, again()


__all__: Sequence[str] = (
    "Told",
    "batches",
    "first_and_all",
    "json_list",
    "parsed",
    "with_annotations",
)
