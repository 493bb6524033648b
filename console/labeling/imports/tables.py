"""CSV and TSV files as tasks: one per row, in bounded memory however large the file.

What Label Studio gets from pandas is kept: a column holds whole numbers, numbers, truth values or texts as a whole;
empty cells and words for nothing (`NA`, `null`, …) become empty texts and turn whole numbers into decimal ones; a
repeated header gets a number, an empty one a name; a row may not be wider than the header and the first row, and what
stands left of the header's width is dropped. So the file is read twice: for the kinds, then for the values.

Source: Label Studio's `data_import/models.py read_tasks_list_from_csv`, which is `pandas.read_csv` with its defaults.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

from ...errors import ConsoleError

NOTHING = frozenset({
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
})  # fmt: skip
_TRUTH = {"True": True, "TRUE": True, "true": True, "False": False, "FALSE": False, "false": False}
_WHOLE = re.compile(r"[ \t]*[+-]?[0-9]+[ \t]*", re.ASCII)
_NUMBER = re.compile(r"[ \t]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t]*", re.ASCII)
_LARGEST = 2**63 - 1
_END = "\0end of the file\0"
csv.field_size_limit(2**31 - 1)


class BadTable(ConsoleError):
    """The file is no table; says which line."""

    status = 400


def separator(first_line: str) -> str:
    """`;` where the first line has more of them than commas."""
    return ";" if first_line.count(";") > first_line.count(",") else ","


def read(file: BinaryIO, *, tabs: bool) -> Iterator[dict[str, Any]]:
    """The rows of a CSV (or with `tabs` TSV) file as task data. Raises BadTable, UnicodeDecodeError; needs `seek`."""
    file.seek(0)
    mark = "\t" if tabs else separator(file.readline().decode("utf-8-sig"))
    rows = _rows(file, mark)
    header, first = _header(rows)
    if first is None:
        return
    dropped = max(len(first) - len(header), 0)
    width = max(len(first), len(header))
    columns = [_Column() for _ in range(width)]
    for row in _again(rows, first, width):
        for column, cell in zip(columns, row, strict=False):
            column.look(cell)
        for column in columns[len(row) :]:
            column.look("")
    makers = [column.maker() for column in columns[dropped:]]
    rows = _rows(file, mark)
    next(rows)
    for _, row in rows:
        cells = row[dropped:]
        cells += [""] * (len(header) - len(cells))
        yield {name: make(cell) for name, make, cell in zip(header, makers, cells, strict=True)}


class _Column:
    """What all cells of a column are, seen one by one."""

    def __init__(self) -> None:
        self.gaps = self.negative = self.huge = False
        self.kinds: set[str] = set()

    def look(self, cell: str) -> None:
        if cell in NOTHING:
            self.gaps = True
        elif "text" in self.kinds:
            return
        elif _WHOLE.fullmatch(cell):
            self.kinds.add("whole")
            number = int(cell) if len(cell) < 4000 else 10**30
            self.negative |= number < 0
            self.huge |= not -_LARGEST - 1 <= number <= _LARGEST
        elif _NUMBER.fullmatch(cell):
            self.kinds.add("number")
        else:
            self.kinds.add("truth" if cell in _TRUTH else "text")

    def maker(self) -> Callable[[str], Any]:
        """Cell -> value."""
        if self.kinds == {"truth"}:
            return lambda cell: _TRUTH.get(cell, "")
        if self.kinds == {"whole"} and not self.gaps and not (self.huge and self.negative):
            return _whole
        if self.kinds == {"whole"} and self.huge:
            return _text
        if self.kinds and self.kinds <= {"whole", "number"}:
            return _number
        return _text


def _whole(cell: str) -> Any:
    return int(cell) if len(cell) < 4000 else cell


def _number(cell: str) -> Any:
    """Too large a number stays the text it is: JSON has no infinity."""
    if cell in NOTHING:
        return ""
    number = float(cell)
    return number if math.isfinite(number) else cell


def _text(cell: str) -> str:
    return "" if cell in NOTHING else cell


def _rows(file: BinaryIO, mark: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every row that is not blank. Raises BadTable for a quote that is never closed."""
    file.seek(0)
    text = io.TextIOWrapper(io.BufferedReader(_Open(file)), encoding="utf-8-sig", newline="")
    reader = csv.reader(_with_end(text), delimiter=mark)
    before = 0
    for row in reader:
        if row == [_END]:
            break
        if row and row[-1].endswith(_END):
            raise BadTable(f"Error tokenizing data. C error: EOF inside string starting at row {before}")
        before = reader.line_num
        if row and (len(row) > 1 or not row[0] or row[0].strip(" \t") or mark == "\t"):
            yield reader.line_num, row


def _with_end(lines: Iterator[str]) -> Iterator[str]:
    """The lines and one more, which a quote left open would swallow."""
    line = "\n"
    for line in lines:
        yield line
    if not line.endswith(("\n", "\r")):
        yield "\n" if '"' not in line else ""
    yield _END


def _header(rows: Iterator[tuple[int, list[str]]]) -> tuple[list[str], list[str] | None]:
    found = next(rows, None)
    if found is None:
        raise BadTable("No columns to parse from file")
    seen: dict[str, int] = {}
    names: list[str] = []
    given = found[1]
    for place, name in enumerate(given):
        name = name or f"Unnamed: {place}"
        unique = name
        while unique in names or (unique != name and unique in given):
            seen[name] = seen.get(name, 0) + 1
            unique = f"{name}.{seen[name]}"
        names.append(unique)
    first = next(rows, None)
    return names, first[1] if first else None


def _again(rows: Iterator[tuple[int, list[str]]], first: Sequence[str], width: int) -> Iterator[Sequence[str]]:
    yield first
    for line, row in rows:
        if len(row) > width:
            raise BadTable(f"Error tokenizing data. C error: Expected {width} fields in line {line}, saw {len(row)}\n")
        yield row


class _Open(io.RawIOBase):
    """The file under a text wrapper that may be thrown away without closing it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._file.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)
