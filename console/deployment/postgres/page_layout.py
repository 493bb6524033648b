"""How many pages rows of a given shape need, from the layout of PostgreSQL's pages. Arithmetic only.

A page has a header of 24 bytes, and 4 bytes of line pointer for each row. A row has a header of 23 bytes, a bitmap of
one bit per column if any of them is null, and its values: a value starts where its type's alignment allows, which costs
padding, except for short values of variable length, which start anywhere. The whole is padded to 8 bytes. An entry of a
b-tree has a header of 8 bytes instead (16 with nulls), and equal keys share one entry with 6 bytes per row (13+).

Where a value of unknown length or a null precedes, the position is not known but its chances are: eight numbers, one
for each remainder by 8.

Source: "Database Page Layout" and "B-Tree Implementation" (deduplication, fill factor) in PostgreSQL's manual, 13 to 18.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

PAGE_HEADER = 24
LINE_POINTER = 4
ROW_HEADER = 23
BTREE_SPECIAL = 16
INDEX_HEADER, INDEX_HEADER_WITH_NULLS = 8, 16
ROW_POINTER = 6
MAXALIGN = 8
ALIGNMENTS = {"c": 1, "s": 2, "i": 4, "d": 8}
#: Longest value of variable length with the short header that needs no alignment.
SHORT_VALUE = 127
#: Share of a page up to which an index build packs the rows of one key into one entry.
POSTING_SHARE = 0.1


@dataclass(frozen=True)
class Column:
    """One column as the planner's statistics know it.

    `width` is the average stored width in bytes where not null, `distinct` as in `pg_stats.n_distinct` (negative: a
    share of the rows), None where no statistics are to be had.
    """

    width: float
    #: 1, 2, 4 or 8
    alignment: int
    fixed: bool
    #: stored plain: never with the short header
    plain: bool = False
    null_share: float = 0.0
    distinct: float | None = None


def row_bytes(columns: Sequence[Column], header_without_nulls: int, header_with_nulls: int) -> float:
    """Average size of header and values, padded to 8 bytes."""
    whole = math.prod(1 - column.null_share for column in columns)
    header = whole * _padded(header_without_nulls) + (1 - whole) * _padded(header_with_nulls)
    chances, width = [1.0, *[0.0] * (MAXALIGN - 1)], 0.0
    for column in columns:
        aligned, padding = _aligned(chances, _alignment(column))
        there = 1 - column.null_share
        width += there * (padding + column.width)
        moved = _moved(aligned, column)
        chances = [column.null_share * before + there * after for before, after in zip(chances, moved, strict=True)]
    _, padding = _aligned(chances, MAXALIGN)
    return header + width + padding


def heap_pages(rows: float, columns: Sequence[Column], *, block: int, fillfactor: int) -> float:
    """Pages of a freshly written table."""
    size = table_row_bytes(columns) + LINE_POINTER
    usable = (block - PAGE_HEADER) - block * (100 - fillfactor) / 100
    per_page = max(usable / size - 0.5, 1.0)  # the next row does not fit: half a row on average
    return math.ceil(rows / per_page) if rows else 0


def table_row_bytes(columns: Sequence[Column]) -> float:
    """Average size of one row of a table, its line pointer not included."""
    return row_bytes(columns, ROW_HEADER, ROW_HEADER + math.ceil(len(columns) / 8))


def btree_pages(
    rows: float,
    keys: Sequence[Column],
    *,
    block: int,
    fillfactor: int,
    deduplicated: bool,
    included: Sequence[Column] = (),
) -> float:
    """Pages of a freshly built b-tree, the inner ones and the one that describes it included."""
    columns = (*keys, *included)
    entry = row_bytes(columns, INDEX_HEADER, INDEX_HEADER_WITH_NULLS)
    leaf = rows * (entry + LINE_POINTER)
    if deduplicated:
        leaf = _deduplicated(rows, entry, distinct_keys(rows, keys), block)
    usable = (block - PAGE_HEADER - BTREE_SPECIAL) - block * (100 - fillfactor) / 100 - entry - LINE_POINTER
    leaves = math.ceil(leaf / max(usable, entry)) if rows else 0
    inner, level = 0, leaves
    fan_out = max(usable / (entry + LINE_POINTER), 2)
    while level > 1:
        level = math.ceil(level / fan_out)
        inner += level
    return leaves + inner + 1


def distinct_keys(rows: float, keys: Sequence[Column]) -> float:
    """How many different keys: the product over the columns, and no more than there are rows."""
    product = 1.0
    for column in keys:
        distinct = column.distinct
        if not distinct:  # not known: take it as unique
            return rows
        product *= max(distinct if distinct > 0 else -distinct * rows, 1) + (1 if column.null_share else 0)
    return max(min(product, rows), 1)


def _deduplicated(rows: float, entry: float, distinct: float, block: int) -> float:
    """Bytes of the leaf entries when the rows of one key share entries.

    With `mean` rows per key, a share 1/mean of the keys is taken to have one row and the others mean + 1: as when the
    numbers fall off by halves or quicker, which keeps the mean.
    """
    if not rows:
        return 0
    mean = rows / distinct
    single = distinct / mean
    several = distinct - single
    each = mean + 1
    most = max((_padded_down(block * POSTING_SHARE) - LINE_POINTER - entry) / ROW_POINTER, 2)
    entries = math.ceil(each / most)
    shared = entries * (entry + LINE_POINTER + MAXALIGN / 2) + ROW_POINTER * each
    if each < 3:
        shared = entry + _padded(ROW_POINTER * round(each)) + LINE_POINTER
    return single * (entry + LINE_POINTER) + several * shared


def _alignment(column: Column) -> int:
    if column.fixed or column.plain or column.width > SHORT_VALUE:
        return column.alignment
    return 1


def _aligned(chances: Sequence[float], alignment: int) -> tuple[list[float], float]:
    """The chances of the positions after aligning, and the padding it costs on average."""
    after, padding = [0.0] * MAXALIGN, 0.0
    for position, chance in enumerate(chances):
        needed = -position % alignment
        padding += chance * needed
        after[(position + needed) % MAXALIGN] += chance
    return after, padding


def _moved(chances: Sequence[float], column: Column) -> list[float]:
    step = round(column.width) % MAXALIGN
    moved = [chances[(position - step) % MAXALIGN] for position in range(MAXALIGN)]
    if column.fixed:
        return moved
    # All values may be of one length (a hash, a date in words) or of any: halfway between the two.
    return [(chance + 1 / MAXALIGN) / 2 for chance in moved]


def _padded(size: float) -> float:
    return math.ceil(size / MAXALIGN) * MAXALIGN


def _padded_down(size: float) -> float:
    return size // MAXALIGN * MAXALIGN
