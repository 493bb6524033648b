"""Charts of numbers over time, laid out here and drawn as SVG by `macros/charts.html`.

A chart has at most four series, a scale that ends on a round number, and words that say what it shows. A gap in the
samples stays a gap: nobody looked then, and a line across it would claim that somebody had.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

#: One sample: when, and how many; None where it was not told.
Sample = tuple[datetime, float | None]
#: The plot inside a drawing of 380 by 168.
LEFT, RIGHT, TOP, BOTTOM = 34.0, 314.0, 8.0, 148.0
WIDE_RIGHT = 374.0
MOST_SERIES = 4
#: Names beside the ends of lines keep this far apart.
LINE_HEIGHT = 13.0
TICKS_X = 4


@dataclass(frozen=True)
class Line:
    """One series: its path, and where its name stands."""

    name: str
    path: str
    name_y: float
    number: int


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram."""

    x: float
    y: float
    width: float
    height: float
    bad: bool


@dataclass(frozen=True)
class Chart:
    """What the macro draws. `words` say the same for who cannot see it; `right` is where the plot ends."""

    title: str
    now: str
    words: str
    right: float
    ticks_y: tuple[tuple[float, str], ...]
    ticks_x: tuple[tuple[float, str, str], ...]
    lines: tuple[Line, ...] = ()
    bars: tuple[Bar, ...] = ()


def lines(
    title: str, now: str, words: str, series: Mapping[str, Sequence[Sample]], start: datetime, end: datetime, *,
    gap: timedelta, text: Callable[[float], str] | None = None,
) -> Chart | None:  # fmt: skip
    """A line for each series, the highest of now first; None while there are fewer than two samples of any.

    Samples further apart than `gap` are not joined.
    """
    drawn = {name: samples for name, samples in series.items() if sum(value is not None for _, value in samples) > 1}
    if not drawn:
        return None
    chosen = sorted(drawn, key=lambda name: -max(value or 0 for _, value in drawn[name]))[:MOST_SERIES]
    values = [value for name in chosen for _, value in drawn[name] if value is not None]
    top = scale(max(values))
    placed = []
    for name in chosen:
        points = [(_x(at, start, end, RIGHT), None if value is None else _y(value, top), at)
                  for at, value in drawn[name] if start <= at <= end]  # fmt: skip
        placed.append((name, _path(points, gap), next((y for _, y, _ in reversed(points) if y is not None), BOTTOM)))
    names = _apart([end_y for _, _, end_y in placed])
    return Chart(
        title, now, words, RIGHT, _ticks_y(top, text or short), _ticks_x(start, end, RIGHT),
        lines=tuple(Line(name, path, y + 4, number + 1)
                    for number, ((name, path, _), y) in enumerate(zip(placed, names, strict=True))),
    )  # fmt: skip


def bars(
    title: str, now: str, words: str, samples: Sequence[Sample], start: datetime, end: datetime, *, number: int,
    bad_from: float = math.inf,
) -> Chart:  # fmt: skip
    """Sums of the samples in `number` equal spans of time; those of `bad_from` and more are coloured."""
    sums = [0.0] * number
    whole = (end - start).total_seconds()
    for at, value in samples:
        place = int((at - start).total_seconds() / whole * number)
        if value and 0 <= place < number:
            sums[place] += value
    top = scale(max(sums, default=0))
    width = (WIDE_RIGHT - LEFT) / number
    drawn = [
        Bar(round(LEFT + at * width + 1, 1), round(_y(total, top), 1), round(max(width - 2, 1), 1),
            round(BOTTOM - _y(total, top), 1), total >= bad_from)
        for at, total in enumerate(sums) if total
    ]  # fmt: skip
    return Chart(title, now, words, WIDE_RIGHT, _ticks_y(top, short), _ticks_x(start, end, WIDE_RIGHT),
                 bars=tuple(drawn))  # fmt: skip


def scale(highest: float) -> float:
    """The round number a scale ends on: 1, 2, 4, 6 or 8 times a power of ten, and at least 4."""
    if highest <= 4:
        return 4.0
    power = 10 ** math.floor(math.log10(highest))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= highest)


def short(value: float) -> str:
    """`18k`, `2.5M`; small numbers as they are."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:g}"


def _x(at: datetime, start: datetime, end: datetime, right: float) -> float:
    return LEFT + (right - LEFT) * (at - start).total_seconds() / max((end - start).total_seconds(), 1)


def _y(value: float, top: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * value / top


def _path(points: Sequence[tuple[float, float | None, datetime]], gap: timedelta) -> str:
    """Moves where something is missing, lines elsewhere; a sample alone is a dot's length of line."""
    parts: list[str] = []
    before: datetime | None = None
    for x, y, at in points:
        if y is None:
            before = None
            continue
        joined = before is not None and at - before <= gap
        parts.append(f"{'L' if joined else 'M'}{x:.1f} {y:.1f}{'' if joined else 'h0.1'}")
        before = at
    return "".join(parts)


def _apart(heights: Sequence[float]) -> list[float]:
    """Heights of names, moved so that none covers another and none leaves the plot."""
    order = sorted(range(len(heights)), key=lambda place: heights[place])
    moved = {place: heights[place] for place in order}
    for upper, lower in pairwise(order):
        moved[lower] = max(moved[lower], moved[upper] + LINE_HEIGHT)
    limit = BOTTOM
    for place in reversed(order):
        moved[place] = min(moved[place], limit)
        limit = moved[place] - LINE_HEIGHT
    return [round(moved[place], 1) for place in range(len(heights))]


def _ticks_y(top: float, text: Callable[[float], str]) -> tuple[tuple[float, str], ...]:
    return tuple((round(_y(top * part / 4, top), 1), text(top * part / 4)) for part in range(5))


def _ticks_x(start: datetime, end: datetime, right: float) -> tuple[tuple[float, str, str], ...]:
    """Times of day for a day or less, dates for longer; the last is now."""
    form = "%H:%M" if end - start <= timedelta(days=2) else "%d %b"
    ticks = []
    for part in range(TICKS_X + 1):
        at = start + (end - start) * part / TICKS_X
        anchor = "start" if part == 0 else "end" if part == TICKS_X else "middle"
        ticks.append(
            (round(LEFT + (right - LEFT) * part / TICKS_X, 1), "now" if part == TICKS_X else f"{at:{form}}", anchor)
        )
    return tuple(ticks)
