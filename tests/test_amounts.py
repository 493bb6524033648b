"""Amounts as people read them."""

from __future__ import annotations

import pytest

from console.amounts import bytes_text, counted, size


@pytest.mark.parametrize(
    ("number", "short", "told"),
    [
        (0, "0 B", "0 bytes"),
        (1023, "1023 B", "1023 bytes"),
        (1024, "1.0 kB", "1.0 KB"),
        (12_700, "12.4 kB", "12 KB"),
        (300 * 2**20, "300 MB", "300 MB"),
        (1.5 * 2**30, "1.5 GB", "1.5 GB"),
        (2345.6 * 2**40, "2,345.6 TB", "2345.6 TB"),
    ],
)
def test_sizes(number: float, short: str, told: str) -> None:
    assert (bytes_text(number), size(int(number))) == (short, told)


def test_a_size_that_nobody_knows() -> None:
    assert bytes_text(None) == "–"


def test_counted_things() -> None:
    assert [counted(number, "tab") for number in (0, 1, 2000)] == ["0 tabs", "1 tab", "2,000 tabs"]
    assert counted(2, "session waits", "sessions wait") == "2 sessions wait"
