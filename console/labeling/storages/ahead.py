"""Slow work on many things by a few threads, handed back in the order of the things."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Thing = TypeVar("Thing")
Done = TypeVar("Done")


def in_order(
    function: Callable[[Thing], Done], things: Iterable[Thing], *, threads: int, ahead: int
) -> Iterator[tuple[Thing, Done]]:
    """Each thing with what the function made of it. At most `ahead` of them are under way or wait for their turn;
    an exception comes up at the turn of its thing."""
    with ThreadPoolExecutor(threads, thread_name_prefix="ahead") as pool:
        waiting: deque[tuple[Thing, Future[Done]]] = deque()
        try:
            for thing in things:
                waiting.append((thing, pool.submit(function, thing)))
                if len(waiting) >= ahead:
                    yield _next(waiting)
            while waiting:
                yield _next(waiting)
        finally:
            for _, future in waiting:
                future.cancel()


def _next(waiting: deque[tuple[Thing, Future[Done]]]) -> tuple[Thing, Done]:
    thing, future = waiting.popleft()
    return thing, future.result()
