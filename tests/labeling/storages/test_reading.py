"""What an object's bytes mean: as Label Studio reads them, and in bounded memory."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import Any

import pytest

from console.deployment.buckets import ObjectInfo, Stream
from console.deployment.storage_rules import ScanRules
from console.labeling.storages import reading
from console.labeling.storages.reading import Broken, elements, parsed

RULES = ScanRules("s3", "b", "", True, None, False, False, True, True)


def read(body: bytes, **options: Any) -> list[tuple[int | None, Any]]:
    return list(parsed(io.BytesIO(body), "key.json", **options))


def told(body: bytes, **options: Any) -> Broken:
    with pytest.raises(Broken) as caught:
        read(body, **options)
    return caught.value


def test_an_object_a_list_and_lines() -> None:
    assert read(b' \n{"a": 1}') == [(None, {"a": 1})]
    assert read(b'{\n  "a": [\n 1]\n}\n') == [(None, {"a": [1]})]
    assert read(b'[{"a": 1}, {"b": 2}]') == [(0, {"a": 1}), (1, {"b": 2})]
    assert read(b'{"a": 1}\n\n {"b": 2} \n') == [(0, {"a": 1}), (1, {"b": 2})]
    assert read(b"[]") == []
    assert read(b'{"a": 1}\n[2]\n') == [(0, {"a": 1}), (1, [2])]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "is empty"), (b" \n", "is empty"), (b"<html>", "neither { nor ["), (b"\xef\xbb\xbf{}", "neither { nor ["),
        (b'"text"', "neither { nor ["), (b"{", "neither one object nor one per line"), (b'{"a": NaN}', "database stores"),
        (b'{"a": "\xff"}', "no UTF-8"), (b"[1", "no valid JSON"), (b"[1] x", "no valid JSON"), (b"[NaN]", "no valid JSON"),
        (b'{"a": ' + b"[" * 100_000, "nested too deeply"), (b"[" * 100_000, "no valid JSON"),
    ],
)  # fmt: skip
def test_what_is_no_task(body: bytes, reason: str) -> None:
    broken = told(body)
    assert reason in broken.reason and "key.json" in broken.told


def test_older_releases_take_one_object() -> None:
    assert read(b'{"a": 1}', several=False) == [(None, {"a": 1})]
    assert "one task per file" in told(b"[]", several=False).told
    assert "no valid JSON" in told(b'{"a": 1}\n{"a": 2}', several=False).reason


def test_what_came_before_the_fault_is_handed_out() -> None:
    found = parsed(io.BytesIO(b'[{"a": 1}, {"b": 2}, x'), "key.json")
    assert [next(found), next(found)] == [(0, {"a": 1}), (1, {"b": 2})]
    with pytest.raises(Broken):
        next(found)


class Endless:
    """A bucket whose one object never ends."""

    def __init__(self, piece: bytes, first: bytes = b"", pieces: int = 10**9) -> None:
        self.piece, self.first, self.pieces, self.closed = piece, first, pieces, False

    def stream(self, key: str) -> Stream:
        def chunks() -> Any:
            yield self.first
            for _ in range(self.pieces):
                yield self.piece

        return Stream(200, chunks(), self.close)

    def close(self) -> None:
        self.closed = True


def huge(bucket: Endless) -> Any:
    return elements(bucket, ObjectInfo("huge.json", 10 << 30), RULES)  # type: ignore[arg-type]


@pytest.mark.parametrize(("first", "piece"), [(b"[", b'{"text": "x"},' * 1000), (b"", b'{"text": "x"}\n' * 1000)])
def test_lists_and_lines_of_any_size_take_little_memory(first: bytes, piece: bytes) -> None:
    bucket = Endless(piece, first)
    tracemalloc.start()
    found = huge(bucket)
    for _ in range(50_000):
        next(found)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    found.close()
    assert peak < 40 * 2**20 and bucket.closed


def test_one_value_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_VALUE_BYTES", 2**20)
    monkeypatch.setattr(reading, "SMALL_BYTES", 2**18)
    for first in (b'{"a": "', b'{"a": 1}\n{"a": "', b'[{"a": "'):
        with pytest.raises(Broken, match=r"more than 1 MiB|longer than 1,048,576"):
            list(huge(Endless(b"x" * 65536, first)))
    with pytest.raises(Broken, match="first sign"):
        list(huge(Endless(b"\x00" * 65536)))


def test_a_long_line_among_many_is_read() -> None:
    lines = b"\n".join(json.dumps({"text": "x" * size}).encode() for size in (10, 100_000, 10))
    assert [len(value["text"]) for _, value in read(lines)] == [10, 100_000, 10]
