"""CSV and TSV rows are what pandas makes of them, since that is what Label Studio stores."""

from __future__ import annotations

import io
import random
import tracemalloc
import warnings
from collections.abc import Iterator
from typing import Any

import pandas
import pytest

from console.errors import ConsoleError
from console.labeling.imports import tables

CASES = [
    "a,b\n1,2\n3,\n", "a\n99999999999999999999\n1\n", "a\n9223372036854775808\n-1\n", "a\n True\ntrue\n",
    "a,b\nTrue,1\n,2\nFALSE,3", "a\n 1\n2 \n", "a\n 1.5\n2 \n+3\n", "a\n1e5\n2\n", "a\n.5\n1.\n", "a\n1_000\n", "a\n0x10\n",
    "a\nnan\nx\n", "a,a,a\n1,2,3", "a,,b\n1,2,3", "a.1,a,a\n1,2,3", "a,b\n1,2,3\n", "a,b\n1,2,\n3,4,\n", "a,b\n", "a\n\n1\n",
    "a\n  \n1\n", "\n\na\n1\n", 'a,b\n"x,1","y\nz"\n', 'a\n"x"y\n', 'a\nx"y\n', "\ufeffa,b\n1,2", "a\r1\r2", "a\r\n1\r\n2\r\n",
    "a\n1\n2\nx\n", "a\n1,5\n", "a\n01\n02", "a\n-0\n", "a\nTrue\n1\n", "a,b\nx,NA\ny,z\n", "a b,c \n1,2\n", "a\nx\x00y\n",
    "a\nNone\n1\n", "a\n١\n", "a\n1 2\n", "a\n \n", "a,b\n,\n,\n", "a,b\n1,2\n \n3,4", 'a\n"1"\n"NA"\n', "1,2\n3,4", 'a\n""\n',
]  # fmt: skip
BROKEN = ["", "\n\n", "a,b\n1\n1,2,3\n", "a,b\n1,2,3\n1,2,3,4\n", 'a\n"open\n', 'a\n1\n\n2\n"open', "a,b\n\n1,2\n3,4,5"]
CELLS = [
    "1",
    "2.5",
    "x",
    "",
    "NA",
    "true",
    "False",
    "-3",
    " 4",
    "1e3",
    '"q,1"',
    '"a""b"',
    "0",
    "007",
    " ",
    "+1",
    "5.",
    "ü",
]


def made(text: str) -> list[dict[str, Any]]:
    return list(tables.read(io.BytesIO(text.encode()), tabs=False))


def pandas_makes(text: str) -> list[dict[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pandas.read_csv(io.BytesIO(text.encode())).fillna("").to_dict("records")  # type: ignore[return-value]


@pytest.mark.parametrize("text", CASES)
def test_the_rows_are_those_of_pandas(text):
    assert repr(made(text)) == repr(pandas_makes(text))


def test_random_tables_are_those_of_pandas():
    chosen = random.Random(7)
    for _ in range(250):
        width = chosen.randint(1, 4)
        pool = chosen.sample(CELLS, chosen.randint(1, 4))
        lines = [",".join(chosen.choice(["a", "b", "c", "", "a.1"]) for _ in range(width))]
        lines += [",".join(chosen.choice(pool) for _ in range(width)) for _ in range(chosen.randint(0, 5))]
        text = "\n".join(lines)
        try:
            expected = repr(pandas_makes(text))
        except pandas.errors.EmptyDataError:
            continue
        assert repr(made(text)) == expected, text


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_table_is_refused_in_the_same_words(text):
    with pytest.raises(ValueError) as expected:
        pandas_makes(text)
    with pytest.raises(ConsoleError) as refused:
        made(text)
    assert str(refused.value) == str(expected.value)


def test_separators():
    assert made("a;b\n1;x,y\n") == [{"a": 1, "b": "x,y"}]
    assert made("a;b,c\n1,2\n") == [{"a;b": 1, "c": 2}]
    rows = list(tables.read(io.BytesIO(b"a\tb\n1\t2\n\t\n \t3\n"), tabs=True))
    assert rows == [{"a": "1", "b": 2.0}, {"a": "", "b": ""}, {"a": " ", "b": 3.0}]


def test_infinity_stays_text_since_json_has_none():
    assert made("a\ninf\n1\n") == [{"a": "inf"}, {"a": "1"}]
    assert made("a\n1e400\n1\n") == [{"a": "1e400"}, {"a": 1.0}]


def test_bytes_that_are_no_text():
    with pytest.raises(UnicodeDecodeError):
        list(tables.read(io.BytesIO("a\ncafé\n".encode("latin-1")), tabs=False))


def test_memory_stays_flat():
    def lines() -> Iterator[bytes]:
        yield b"id,text\n"
        for number in range(20_000):
            yield b'%d,"a text of some length, with a comma"\n' % number

    file = io.BytesIO(b"".join(lines()))
    tracemalloc.start()
    try:
        assert sum(1 for _ in tables.read(file, tabs=False)) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
