"""Charts of the database: growth of the whole and of one table, from the samples in our own store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from ..amounts import bytes_text
from ..state.models import TableSample
from . import charts

#: Samples come each hour; a longer silence is drawn as a gap.
GAP = timedelta(hours=6)
#: Samples that make a chart, and the shortest time it shows.
LEAST, SHORTEST = 3, timedelta(hours=6)


def growth(samples: Sequence[TableSample], title: str, days: int) -> charts.Chart | None:
    """Size over time, in the unit that fits the largest; None while there are too few samples."""
    told = [(sample.at, sample.total_bytes) for sample in samples if sample.total_bytes is not None]
    if len(told) < LEAST:
        return None
    divisor, unit = _unit(max(number for _, number in told))
    now = bytes_text(told[-1][1])
    words = f"{title}: {now} now, {bytes_text(told[0][1])} {(told[-1][0] - told[0][0]).days} days before"
    start, end = _axis(told[0][0], days)
    series: dict[str, list[charts.Sample]] = {"size": [(at, number / divisor) for at, number in told]}
    return charts.lines(f"{title}, {unit}", now, words, series, start, end, gap=GAP)


def dead_rows(samples: Sequence[TableSample], days: int) -> charts.Chart | None:
    """Live and dead rows over time; None while there are too few samples."""
    series = {
        "rows": [(sample.at, None if sample.live_rows is None else float(sample.live_rows)) for sample in samples],
        "dead": [(sample.at, None if sample.dead_rows is None else float(sample.dead_rows)) for sample in samples],
    }
    if len(samples) < LEAST:
        return None
    told = {name: [value for _, value in points if value is not None] for name, points in series.items()}
    words = "; ".join(
        f"{name} {values[-1]:,.0f} now, {max(values):,.0f} at most" for name, values in told.items() if values
    )
    now = f"{told['dead'][-1]:,.0f} dead" if told["dead"] else ""
    start, end = _axis(samples[0].at, days)
    return charts.lines("Rows", now, f"Rows: {words}", series, start, end, gap=GAP)


def _axis(first: datetime, days: int) -> tuple[datetime, datetime]:
    end = datetime.now(UTC)
    return min(max(first, end - timedelta(days=days)), end - SHORTEST), end


def _unit(most: int) -> tuple[int, str]:
    """What to divide by, so that the largest is not below 4 (the least scale of a chart), and the unit's name."""
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB")):
        if most >= 4 * 1024**power:
            return 1024**power, unit
    return 1024, "kB"
