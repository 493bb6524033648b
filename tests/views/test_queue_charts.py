"""Charts of the queues, from samples alone: what is not known is a gap, what is not there is not drawn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from console.views import queue_charts

NOW = datetime(2026, 5, 12, 9, 41, tzinfo=UTC)


def sample(minutes_ago: float, queue: str = "low", **values: Any) -> SimpleNamespace:
    return SimpleNamespace(at=NOW - timedelta(minutes=minutes_ago), queue=queue,
                           **{"waiting": 0, "finished": 0, "failed_new": 0} | values)  # fmt: skip


def drawn(samples: list[Any], hours: float = 24) -> dict[str, Any]:
    return {chart.title: chart for chart in queue_charts.all_of(samples, NOW - timedelta(hours=hours), NOW)}


def test_two_looks_are_no_history() -> None:
    assert queue_charts.all_of([sample(1), sample(0)], NOW - timedelta(hours=24), NOW) == []
    assert queue_charts.all_of([], NOW - timedelta(hours=24), NOW) == []


def test_the_present_value_stands_in_the_title_and_in_words() -> None:
    found = drawn([sample(minute, waiting=1000 - minute) for minute in range(600, -1, -1)])
    assert "1,000 jobs" in str(found["Waiting"]) and "low 1,000 now, 1,000 at most" in str(found["Waiting"])


def test_queues_without_a_job_are_left_out_and_a_quiet_console_is_drawn_all_the_same() -> None:
    busy = drawn(
        [
            sample(minute, queue, waiting=5 if queue == "low" else 0)
            for minute in range(60, -1, -1)
            for queue in ("low", "high")
        ]
    )
    assert "low" in str(busy["Waiting"]) and "high" not in str(busy["Waiting"])
    quiet = drawn([sample(minute) for minute in range(60, -1, -1)])
    assert set(quiet) >= {"Waiting", "Finished per minute"} and "all queues" in str(quiet["Waiting"])


def test_what_finished_is_told_per_minute() -> None:
    found = drawn([sample(minute, finished=6) for minute in range(1440, 0, -1)])
    assert "low 6 now" in str(found["Finished per minute"])


@pytest.mark.parametrize(
    ("hours", "title"), [(24, "Failed per half hour"), (168, "Failed per 3.5 h"), (1, "Failed per 1 min")]
)
def test_bars_of_failures_are_named_by_their_length(hours: int, title: str) -> None:
    assert title in drawn([sample(minute, failed_new=1) for minute in range(hours * 60, -1, -1)], hours)


def test_nearly_a_day_is_called_by_the_same_name() -> None:
    assert "Failed per half hour" in drawn([sample(minute, failed_new=1) for minute in range(1439, -1, -1)])


def test_a_burst_of_failures_is_coloured_and_a_steady_rate_is_not() -> None:
    burst = [sample(minute, failed_new=40 if minute == 300 else 0) for minute in range(1440, -1, -1)]
    assert "most around 2026-05-12 04:41" in str(drawn(burst)["Failed per half hour"])
    [bad] = [bar for bar in drawn(burst)["Failed per half hour"].bars if bar.bad]
    assert bad
    steady = drawn([sample(minute, failed_new=1) for minute in range(1440, -1, -1)])["Failed per half hour"]
    assert not any(bar.bad for bar in steady.bars)


def test_a_first_look_that_knows_no_rate_is_no_zero() -> None:
    found = drawn(
        [
            sample(60, finished=None, failed_new=None),
            *(sample(minute, finished=2, failed_new=1) for minute in range(59, -1, -1)),
        ]
    )
    assert "Finished per minute" in found
