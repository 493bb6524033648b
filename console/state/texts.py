"""Text as our own store can keep it, whoever wrote it.

Names of queues, ids of jobs and messages come from Redis and from Label Studio's tables: PostgreSQL takes neither a NUL
nor a lone surrogate, nor more characters than a column has. SQLite takes all, and both are to keep the same.
"""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import String
from sqlalchemy import Text as Unbounded
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.types import TypeDecorator

#: Hexadecimal digits that tell two long texts with the same beginning apart.
MARK = 16


def fitted(text: str, most: int | None = None) -> str:
    """What is kept of a text. One that is too long ends in a mark of the whole, so that two stay two."""
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode()
    text = text.replace("\x00", "\N{SYMBOL FOR NULL}")
    if most is None or len(text) <= most:
        return text
    if most <= 2 * MARK:
        return text[:most]
    return f"{text[: most - MARK - 1]}~{hashlib.sha256(text.encode()).hexdigest()[:MARK]}"


class _Fitted(TypeDecorator[str]):
    impl = Unbounded
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else fitted(str(value), getattr(self.impl_instance, "length", None))


class Text(_Fitted):
    """Text of any length."""

    cache_ok = True


class Line(_Fitted):
    """Text of so many characters at most."""

    impl = String  # type: ignore[assignment]
    cache_ok = True
