"""Amounts in the sentences of findings."""

from __future__ import annotations


def bytes_text(number: int | float) -> str:
    """`512 B`, `8.4 MB`, `31.4 GB`; powers of 1024, as PostgreSQL counts."""
    size = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} TB"


def counted(number: int, one: str, many: str = "") -> str:
    """`1 tab`, `2,000 tabs`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
