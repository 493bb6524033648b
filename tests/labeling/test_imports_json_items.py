"""JSON taken item by item says exactly what `json.loads` says, wherever the pieces end."""

from __future__ import annotations

import io
import json
import tracemalloc

import pytest

from console.labeling.imports import json_items
from console.labeling.imports.json_items import BadJson, JsonItems

GOOD = [
    "[]", " [ ] ", "[{}]", '[{"a": 1}, {"b": [1, 2, {"c": "x,]}\\""}]}]', "[1,2 ,3\n,  4]", "[12345678901234567890123]",
    '["\\ud83d\\ude00 ü 東京", "\\u0000"]', "[true,false,null]", "[-1.5e3, 0.1, 2E-7]", '{"a": {"b": [1]}}', ' {"x":"y"}\n',
    "123456", '"text"', "null", '[{"a":"\\\\"},{"b":"\\\\\\""}]', '[\n  {"a": 1},\n  {"b": 2}\n]\n',
]  # fmt: skip
BAD = [
    "", "  ", "[", "[1", "[1,", "[1,]", "[1 2]", "[,1]", '[{"a":1}', '[{"a":1},', '[{"a" 1}]', "[{'a': 1}]", '[{"a":1}}',
    '[{"a":1}] x', "{", '{"a"', '{"a":', '{"a":1', '{"a":1,}', "nul", "[tru]", '["ab', '["a\nb"]', '["\\x"]', '["\\u12"]',
    "[1.]", "[01]", "[--1]", "[+1]", '{"a":1} {"b":2}', '\n\n[\n{"a": 1},\n{"b": }\n]', "[1, 2,\n 3 4]", "\ufeff[1]",
]  # fmt: skip


@pytest.fixture(params=[1, 3, 7, 64, 1 << 18])
def piece(request, monkeypatch):
    monkeypatch.setattr(json_items, "PIECE_BYTES", request.param)
    return request.param


@pytest.mark.parametrize("text", GOOD)
def test_the_values_are_those_of_the_whole_document(text, piece):
    items = JsonItems(io.BytesIO(text.encode()))
    whole = json.loads(text)
    assert list(items) == (whole if items.root == "list" else [whole])
    assert items.root == {list: "list", dict: "object"}.get(type(whole), "other")


@pytest.mark.parametrize("text", BAD)
def test_a_mistake_is_told_as_of_the_whole_document(text, piece):
    with pytest.raises(ValueError) as expected:
        json.loads(text)
    with pytest.raises(BadJson) as refused:
        list(JsonItems(io.BytesIO(text.encode())))
    assert str(refused.value) == str(expected.value)


@pytest.mark.parametrize("cut", range(0, 200, 7))
def test_broken_off_anywhere(cut, piece):
    text = json.dumps([{"data": {"text": f"número {i}", "n": [i, i / 7]}} for i in range(9)])[:cut]
    with pytest.raises(BadJson):
        list(JsonItems(io.BytesIO(text.encode())))


@pytest.mark.parametrize("text", ["[NaN]", "[1e999]", "[-Infinity]", '{"a": 1e400}', "[" + "9" * 5000 + "]"])
def test_numbers_that_no_database_takes_are_refused(text, piece):
    with pytest.raises(BadJson, match=r"Out of range float values|Exceeds the limit"):
        list(JsonItems(io.BytesIO(text.encode())))


def test_depth_and_bytes_that_are_no_text():
    with pytest.raises(BadJson, match="nested too deeply"):
        list(JsonItems(io.BytesIO(b"[" * 100_000)))
    with pytest.raises(BadJson, match="'utf-8' codec can't decode byte 0xff in position 2"):
        list(JsonItems(io.BytesIO(b'["\xff"]')))
    assert list(JsonItems(io.BytesIO('["é"]'.encode("latin-1")), "latin-1")) == ["é"]


def test_memory_stays_flat_and_an_early_mistake_is_told_early():
    item = json.dumps({"data": {"text": "x" * 200}}).encode() + b",\n"
    stream = _Endless(b"[", item, 16_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(BadJson):
            for _ in JsonItems(stream):
                pass
        assert tracemalloc.get_traced_memory()[1] < 6_000_000
    finally:
        tracemalloc.stop()
    broken = _Endless(b'[{"a" 1},', item, 16_000_000)
    with pytest.raises(BadJson, match="Expecting ':' delimiter: line 1 column 7"):
        list(JsonItems(broken))
    assert broken.given < 1_000_000


class _Endless(io.RawIOBase):
    """A start, then the same bytes again and again, until `most` bytes were given."""

    def __init__(self, start: bytes, again: bytes, most: int) -> None:
        self.waiting, self.again, self.most, self.given = start, again, most, 0

    def read(self, size: int = -1) -> bytes:
        if self.given >= self.most:
            return b""
        while len(self.waiting) < size:
            self.waiting += self.again * (size // len(self.again) + 1)
        piece, self.waiting = self.waiting[:size], self.waiting[size:]
        self.given += len(piece)
        return piece
