"""A JSON document read item by item: a list of a million tasks never exists in memory as a whole.

The text is decoded in pieces and Python's own scanner takes one item after the other from them, so values, positions
and messages are those of `json.loads`, which Label Studio's bodies go through. Numbers beyond what JSON can say (NaN,
1e999) are refused: no database takes them.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterator
from json import JSONDecodeError
from typing import Any, BinaryIO, Literal, NoReturn

from ...errors import ConsoleError

PIECE_BYTES = 256 * 1024
#: A mistake this close to the end of what was read may be a value that goes on in the next piece.
_NEAR_END = 16
_BLANK = re.compile(r"[ \t\n\r]*")
_COMMA = re.compile(r"[ \t\n\r]*,[ \t\n\r]*")

Root = Literal["list", "object", "other"]


class BadJson(ConsoleError):
    """The text is no JSON; the message says what was expected and where."""

    status = 400


class JsonItems:
    """Iterates over the items of a list, or over the one value that the document is; `root` tells which it was.

    `root` is known before the first item is read; one item may be `longest` characters long. Raises BadJson for text
    that is no JSON, while iterating too.
    """

    def __init__(self, stream: BinaryIO, encoding: str = "utf-8", *, longest: int | None = None) -> None:
        self._stream, self._longest = stream, longest
        self._decode = codecs.getincrementaldecoder(encoding)()
        self._text, self._at, self._ended = "", 0, False
        self._size = PIECE_BYTES
        self._chars_before, self._lines_before, self._column_before = 0, 0, 0
        self._read_more()
        if self._text.startswith("\ufeff"):
            self._fail("Unexpected UTF-8 BOM (decode using utf-8-sig)", 0)
        self._skip_blank()
        first = self._text[self._at : self._at + 1]
        self.root: Root = "list" if first == "[" else "object" if first == "{" else "other"

    def __iter__(self) -> Iterator[Any]:
        if self.root == "list":
            yield from self._list()
        else:
            yield self._value()
        self._skip_blank()
        if self._at < len(self._text):
            self._fail("Extra data", self._at)

    def _list(self) -> Iterator[Any]:
        self._at += 1
        self._skip_blank()
        if self._text.startswith("]", self._at):
            self._at += 1
            return
        while True:
            yield self._value()
            comma = _COMMA.match(self._text, self._at)
            if comma is None or comma.end() == len(self._text):  # rare: the end, or a piece ended here
                self._skip_blank()
                sign = self._text[self._at : self._at + 1]
                if sign == "]":
                    self._at += 1
                    return
                if sign != ",":
                    self._fail("Expecting ',' delimiter", self._at)
                self._at += 1
                self._skip_blank()
            else:
                self._at = comma.end()

    def _value(self) -> Any:
        while True:
            try:
                value, end = _scan(self._text, self._at)
            except StopIteration as stop:
                self._wait_or_fail("Expecting value", stop.value)
            except JSONDecodeError as error:
                self._wait_or_fail(error.msg, error.pos)
            except RecursionError:
                raise BadJson("the document is nested too deeply") from None
            except ValueError as error:  # NaN, a number out of range, a number of thousands of digits
                raise BadJson(str(error)) from None
            else:
                if self._ended or end < len(self._text) - _NEAR_END or not isinstance(value, int | float):
                    self._at = end
                    return value
                self._read_more()  # a number may go on

    def _wait_or_fail(self, message: str, position: int) -> None:
        cut_off = message.startswith("Unterminated string") or position >= len(self._text) - _NEAR_END
        if self._ended or not cut_off:
            self._fail(message, position)
        self._read_more()

    def _skip_blank(self) -> None:
        """Move to the next sign, reading on where a piece ends."""
        while True:
            self._at = _BLANK.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text) or self._ended:
                return
            self._read_more()

    def _read_more(self) -> None:
        """Drop what was used and append the next piece; one value larger than a piece makes the pieces larger."""
        rest = self._text[self._at :]
        if self._longest is not None and len(rest) > self._longest:
            raise BadJson(f"one value is longer than {self._longest:,} characters")
        newline = self._text.rfind("\n", 0, self._at)
        self._lines_before += self._text.count("\n", 0, self._at)
        self._column_before = self._at - newline - 1 if newline >= 0 else self._column_before + self._at
        self._chars_before += self._at
        self._size = max(PIECE_BYTES, 2 * len(rest))
        more = ""
        while not more and not self._ended:
            piece = self._stream.read(self._size)
            self._ended = not piece
            try:
                more = self._decode.decode(piece, final=self._ended)
            except UnicodeDecodeError as error:
                raise BadJson(str(error)) from None
        self._text, self._at = rest + more, 0

    def _fail(self, message: str, position: int) -> NoReturn:
        """Say it as `json.loads` would of the whole document."""
        newline = self._text.rfind("\n", 0, position)
        line = self._lines_before + self._text.count("\n", 0, position) + 1
        column = position - newline if newline >= 0 else self._column_before + position + 1
        raise BadJson(f"{message}: line {line} column {column} (char {self._chars_before + position})")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"Out of range float values are not JSON compliant: {text[:40]}")
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"Out of range float values are not JSON compliant: {name!r}")


_scan = json.JSONDecoder(parse_float=_finite, parse_constant=_no_constant).scan_once  # type: ignore[attr-defined]
