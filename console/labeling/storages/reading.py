"""The tasks that stand in one object of a bucket: a list, one object, or one object per line.

Large objects are streamed: a list of any length, and lines, pass through without ever being in memory as a whole. What
has to be one value of its own (a single object, one line) may be `MOST_VALUE_BYTES` long.

Source: Label Studio's `io_storages/utils.py load_tasks_json_lso` and the `get_data` of its providers.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from json import JSONDecodeError
from typing import Any, BinaryIO, NoReturn

from ...deployment.buckets import Bucket, ObjectInfo, Stream
from ...deployment.storage_rules import ScanRules
from ..imports.json_items import BadJson, JsonItems

#: Objects up to this size are read whole, many at a time.
SMALL_BYTES = 2**20
#: The longest single value; Label Studio has no limit but its memory.
MOST_VALUE_BYTES = 32 * 2**20
UNSUPPORTED = (
    'File "{key}" is not a JSON/JSONL/Parquet file. Only .json, .jsonl, and .parquet files can be processed.\n'
    "If you're trying to import non-JSON data (images, audio, text, etc.), "
    'edit storage settings and enable "Tasks" import method'
)
NO_TASKS_IN = (
    "Can't import JSON-formatted tasks from {key}. If you're trying to import binary objects, "
    'perhaps you forgot to enable "Tasks" import method?'
)
_BUFFER_BYTES = 2**18
#: What Python takes for a blank at the start of an object: Label Studio looks at its bytes as Latin-1.
_BLANK = bytes(code for code in range(256) if chr(code).isspace())

Element = tuple[int | None, Any]
"""The position in a list or among lines (None for a single object), and the value."""


class Broken(Exception):
    """An object that Label Studio's sync stops at. `told` is what Label Studio says, `kind` the name of its exception;
    `reason` is a few words that are the same for every object with this fault."""

    def __init__(self, reason: str, told: str, kind: str = "ValueError") -> None:
        super().__init__(told)
        self.reason, self.told, self.kind = reason, told, kind


def need_tasks(key: str, rules: ScanRules) -> None:
    """Raise Broken for a key whose extension says that it holds no tasks, where this release looks at extensions."""
    if not rules.opens(key):
        kind = "io_storages.exceptions.UnsupportedFileFormatError"
        raise Broken("not a JSON, JSONL or Parquet file by its extension", UNSUPPORTED.format(key=key), kind)


def elements(bucket: Bucket, info: ObjectInfo, rules: ScanRules) -> Iterator[Element]:
    """The values in an object, one after the other. Raises Broken, at the place where Label Studio would notice;
    BucketError when the object cannot be read."""
    if info.size <= SMALL_BYTES:
        body = bucket.read(info.key, MOST_VALUE_BYTES)
        if rules.provider == "redis" and not body:
            return  # Label Studio passes over an empty value
        yield from parsed(io.BytesIO(body), info.key, several=rules.several)
        return
    stream = bucket.stream(info.key)
    try:
        yield from parsed(io.BufferedReader(_Chunks(stream), _BUFFER_BYTES), info.key, several=rules.several)
    finally:
        stream.close()


def parsed(file: BinaryIO, key: str, *, several: bool = True) -> Iterator[Element]:
    """The values in a file. `several`: this release takes lists and lines; older ones one object alone."""
    first = _first_sign(file)
    if first == b"{":
        yield from _object_or_lines(_after(b"{", file), key, several)
    elif first == b"[" and several:
        yield from _list(_after(b"[", file), key)
    elif not first:
        _fail(key, "the object is empty", "it is empty")
    elif first == b"[":
        raise Broken(
            "a list of tasks, which this release does not take",
            f"{key} holds a list; this release of Label Studio takes one task per file, an object.",
        )
    else:
        reason = "starts with neither { nor ["
        _fail(key, reason, f"its first sign is {first.decode('latin-1')!r}, tasks start with {{ or [")


def _list(file: BinaryIO, key: str) -> Iterator[Element]:
    try:
        yield from enumerate(JsonItems(file, longest=MOST_VALUE_BYTES))
    except BadJson as error:
        _fail(key, "a list that is no valid JSON", str(error))


def _object_or_lines(file: BinaryIO, key: str, several: bool) -> Iterator[Element]:
    """One object however it is laid out, or else one value on each line."""
    start = file.read(SMALL_BYTES)
    if len(start) < SMALL_BYTES or not _is_value(start.partition(b"\n")[0]):
        start += file.read(MOST_VALUE_BYTES - len(start) + 1)
        if len(start) > MOST_VALUE_BYTES:
            what = f"one value of more than {MOST_VALUE_BYTES // 2**20} MiB"
            raise Broken(what, f"{key} holds {what}; make it a list or lines of smaller ones.")
        try:
            yield None, _value(start)
            return
        except JSONDecodeError as error:
            if not several:
                _fail(key, "no valid JSON", str(error))
        except ValueError as error:  # not even text, or a number that no database takes
            raise Broken(_short(error), f"{key}: {error}", type(error).__name__) from None
    for index, line in enumerate(_lines(_after(start, file), key)):
        try:
            value = _value(line)
        except ValueError as error:
            _fail(key, "neither one object nor one per line", f"line {index + 1}: {error}")
        yield index, value


def _lines(file: BinaryIO, key: str) -> Iterator[bytes]:
    """Lines that are not blank, without what stands around them."""
    while line := file.readline(MOST_VALUE_BYTES + 1):
        if len(line) > MOST_VALUE_BYTES:
            what = f"a line of more than {MOST_VALUE_BYTES // 2**20} MiB"
            raise Broken(what, f"{key} has {what}.")
        if line := line.strip():
            yield line


def _value(text: bytes) -> Any:
    """As `json.loads`, without the numbers that no database stores. Raises JSONDecodeError and other ValueErrors."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _is_value(line: bytes) -> bool:
    try:
        _value(line)
    except ValueError:
        return False
    return True


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number that a database stores")


def _short(error: ValueError) -> str:
    return "text that is no UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)


def _fail(key: str, reason: str, detail: str) -> NoReturn:
    raise Broken(reason, f"{NO_TASKS_IN.format(key=key)}\n{key}: {detail}")


def _first_sign(file: BinaryIO) -> bytes:
    """The first byte that is no blank, taken off; empty at the end."""
    while sign := file.read(1):
        if sign not in _BLANK:
            return sign
    return b""


def _after(first: bytes, rest: BinaryIO) -> BinaryIO:
    """A file with some bytes put back in front of it."""
    return io.BufferedReader(_After(first, rest), _BUFFER_BYTES)


class _After(io.RawIOBase):
    def __init__(self, first: bytes, rest: BinaryIO) -> None:
        self._first, self._rest = first, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._first[: len(buffer)]
        if piece:
            self._first = self._first[len(piece) :]
        else:
            piece = self._rest.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


class _Chunks(io.RawIOBase):
    """An object on its way, as a file."""

    def __init__(self, stream: Stream) -> None:
        self._chunks, self._left = stream.chunks, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            try:
                self._left = next(self._chunks)
            except StopIteration:
                return 0
        piece, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)
