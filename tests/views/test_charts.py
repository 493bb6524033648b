"""Charts end on round numbers, leave gaps where nobody looked, and keep names apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from console.views import charts

START = datetime(2026, 11, 1, tzinfo=UTC)
END = START + timedelta(hours=24)
GAP = timedelta(minutes=90)


def samples(*values: float | None) -> list[charts.Sample]:
    """One each hour."""
    return [(START + timedelta(hours=at), value) for at, value in enumerate(values)]


def draw(**series: list[charts.Sample]) -> charts.Chart | None:
    return charts.lines("Waiting", "5 jobs", "in words", series, START, END, gap=GAP)


@pytest.mark.parametrize(("highest", "end"), [(0, 4), (3, 4), (5, 6), (17, 20), (41, 60), (100, 100), (18_204, 20_000)])
def test_a_scale_ends_on_a_round_number_that_holds_the_highest(highest, end):
    assert charts.scale(highest) == end


def test_a_gap_stays_a_gap():
    drawn = draw(low=[*samples(1, 2), *[(at + timedelta(hours=6), value) for at, value in samples(3, 4)]])
    assert drawn is not None
    assert drawn.lines[0].path.count("M") == 2 and drawn.lines[0].path.count("L") == 2
    unknown = draw(low=samples(1, None, 2, 2))
    assert unknown is not None and unknown.lines[0].path.count("M") == 2


def test_one_sample_is_no_chart():
    assert draw(low=samples(1)) is None and draw() is None


def test_the_highest_four_are_drawn_and_their_names_do_not_touch():
    drawn = draw(**{f"q{number}": samples(number, number) for number in range(7)})
    assert drawn is not None
    assert [line.name for line in drawn.lines] == ["q6", "q5", "q4", "q3"]
    heights = sorted(line.name_y for line in drawn.lines)
    assert all(lower - upper >= charts.LINE_HEIGHT for upper, lower in pairwise(heights))
    assert all(charts.TOP <= height <= charts.BOTTOM + 4 for height in heights)


def test_points_stand_where_they_belong():
    drawn = draw(low=[(START, 0.0), (END, 4.0)])
    assert drawn is not None
    path = charts.lines("", "", "", {"low": [(START, 0.0), (END, 4.0)]}, START, END, gap=timedelta(days=2))
    assert path is not None and path.lines[0].path == "M34.0 148.0h0.1L314.0 8.0"
    assert drawn.ticks_y[0] == (148.0, "0") and drawn.ticks_y[-1] == (8.0, "4")
    assert [text for _, text, _ in drawn.ticks_x] == ["00:00", "06:00", "12:00", "18:00", "now"]


def test_bars_sum_their_span_and_mark_the_bad_ones():
    drawn = charts.bars("Failed", "9", "in words", samples(1, 2, 6, None), START, END, number=12, bad_from=5)
    assert [(bar.bad, bar.height > 0) for bar in drawn.bars] == [(False, True), (True, True)]
    assert charts.bars("Failed", "0", "in words", [], START, END, number=12).bars == ()


def test_numbers_are_short():
    assert [charts.short(value) for value in (0, 12, 1500, 2_500_000, 3e9)] == ["0", "12", "1.5k", "2.5M", "3G"]
