"""Charts of the queues: depth, what was done, what failed, from the samples in our own store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from . import charts

#: Points of a line; samples of a minute are put together.
POINTS = 144
BARS = 48
#: Looks that make a chart, and the shortest time it shows.
LEAST, SHORTEST = 3, timedelta(minutes=30)
#: A silence longer than this many spans is drawn as a gap.
GAP_SPANS = 3
#: Failures in one bar from which it is coloured, and then only when it stands out.
BAD = 10


def all_of(samples: Sequence[Any], start: datetime, end: datetime) -> list[charts.Chart]:
    """Waiting, finished per minute, failed; empty while there are too few samples.

    The time axis begins with the first sample, so that a console which was started a moment ago shows something.
    """
    if len({sample.at for sample in samples}) < LEAST:
        return []
    start = min(max(start, samples[0].at), end - SHORTEST)
    span = (end - start) / POINTS
    waiting = _spans(samples, start, span, "waiting", max)
    per_minute = {
        name: [(at, None if value is None else value * 60 / span.total_seconds()) for at, value in points]
        for name, points in _spans(samples, start, span, "finished", sum).items()
    }
    gap = max(span * GAP_SPANS, timedelta(minutes=5))
    quiet: dict[str, list[charts.Sample]] = {
        "all queues": [(at, 0.0) for at in sorted({sample.at for sample in samples})]
    }
    waiting, per_minute = waiting or quiet, per_minute or quiet
    drawn = [
        charts.lines("Waiting", _now(waiting, "job"), _words("Waiting jobs", waiting), waiting, start, end, gap=gap),
        charts.lines("Finished per minute", _rate(per_minute), _words("Finished jobs per minute", per_minute), per_minute,
                     start, end, gap=gap),
        _failures(samples, start, end),
    ]  # fmt: skip
    return [chart for chart in drawn if chart is not None]


def _spans(
    samples: Sequence[Any], start: datetime, span: timedelta, field: str, put_together: Any
) -> dict[str, list[charts.Sample]]:
    """One point for each span and queue that was looked at; quiet queues are left out."""
    collected: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for sample in samples:
        value = getattr(sample, field)
        if value is not None and sample.at >= start:
            collected[sample.queue][min(int((sample.at - start) / span), POINTS - 1)].append(value)
    return {
        queue: [(start + span * (place + 0.5), float(put_together(values))) for place, values in sorted(places.items())]
        for queue, places in collected.items()
        if any(any(values) for values in places.values())
    }


def _failures(samples: Sequence[Any], start: datetime, end: datetime) -> charts.Chart:
    points = [(sample.at, float(sample.failed_new)) for sample in samples if sample.failed_new]
    total = sum(value for _, value in points)
    per = _length((end - start) / BARS)
    worst = max(points, key=lambda point: point[1], default=None)
    words = f"Failed jobs per {per}: {total:,.0f} in all" + (
        f", most around {worst[0]:%Y-%m-%d %H:%M} UTC" if worst else ""
    )
    usual = total / BARS
    return charts.bars(f"Failed per {per}", f"{total:,.0f} in all", words, points, start, end, number=BARS,
                       bad_from=max(BAD, 3 * usual))  # fmt: skip


def _length(bar: timedelta) -> str:
    """`half hour`, `12 min`, `3.5 h`."""
    minutes = round(bar.total_seconds() / 60)
    if minutes in (30, 60):
        return {30: "half hour", 60: "hour"}[minutes]
    return f"{minutes} min" if 0 < minutes < 60 else f"{bar.total_seconds() / 3600:.1f} h" if minutes else "minute"


def _now(series: Mapping[str, Sequence[charts.Sample]], what: str) -> str:
    total = sum(points[-1][1] or 0 for points in series.values())
    return f"{total:,.0f} {what}{'' if total == 1 else 's'}"


def _rate(series: Mapping[str, Sequence[charts.Sample]]) -> str:
    total = sum(points[-1][1] or 0 for points in series.values())
    return f"{total:,.1f} now" if 0 < total < 10 else f"{total:,.0f} now"


def _words(what: str, series: Mapping[str, Sequence[charts.Sample]]) -> str:
    told = [f"{name} {points[-1][1] or 0:,.0f} now, {max(value or 0 for _, value in points):,.0f} at most"
            for name, points in series.items()]  # fmt: skip
    return f"{what}: {'; '.join(told)}" if told else f"{what}: none"
