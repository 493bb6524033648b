"""Amounts as people read them: sizes in bytes and counted things. Pages, commands, findings and messages share it."""

from __future__ import annotations


def bytes_text(number: int | float | None) -> str:
    """`512 B`, `8.4 MB`, `31.4 GB`; a dash for None. Powers of 1024, as PostgreSQL and Redis count."""
    if number is None:
        return "–"
    value, power = _scaled(number)
    unit = ("B", "kB", "MB", "GB", "TB")[power]
    if unit == "TB":
        return f"{value:,.1f} TB"
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"


def size(number: int) -> str:
    """`512 bytes`, `8.4 MB`, `31 GB`: as far as it matters to somebody who has to decide."""
    value, power = _scaled(number)
    unit = ("bytes", "KB", "MB", "GB", "TB")[power]
    return f"{value:.0f} {unit}" if unit == "bytes" or (value >= 10 and unit != "TB") else f"{value:.1f} {unit}"


def counted(number: int, one: str, many: str = "") -> str:
    """`1 tab`, `2,000 tabs`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _scaled(number: int | float) -> tuple[float, int]:
    """A value below 1024 and how often it was divided by that, four times at the most."""
    value, power = float(number), 0
    while value >= 1024 and power < 4:
        value /= 1024
        power += 1
    return value, power
