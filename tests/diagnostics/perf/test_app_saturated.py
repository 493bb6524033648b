"""perf.app_saturated: a server that keeps everybody waiting in line."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from console.diagnostics.check import Context, Severity
from console.diagnostics.perf.app_saturated import app_saturated
from console.diagnostics.runner import ask
from tests.diagnostics.perf.web_server import Quiet, serving


@contextmanager
def slow_server(seconds: list[float]) -> Iterator[str]:
    """A web server that takes so long for each answer in turn."""

    class Slow(Quiet):
        def do_GET(self) -> None:
            time.sleep(seconds.pop(0) if seconds else 0)
            super().do_GET()

    with serving(Slow) as url:
        yield url


def test_one_slow_answer_is_no_finding(ctx: Context) -> None:
    limits = {"perf.app_saturated.over_milliseconds": 100}
    with slow_server([0.2]) as url:
        ctx.deployment.settings = replace(ctx.settings, label_studio_url=url, thresholds=limits)
        assert app_saturated.run(ctx) == []


def test_a_line_of_waiting_requests(ctx: Context) -> None:
    limits = {"perf.app_saturated.over_milliseconds": 100}
    with slow_server([0.2, 0.2, 0.2, 0, 0]) as url:
        ctx.deployment.settings = replace(ctx.settings, label_studio_url=url, thresholds=limits)
        [finding] = app_saturated.run(ctx)
    assert (finding.subject, finding.severity) == ("deployment:label-studio", Severity.WARNING)
    assert finding.summary == "A question that costs nothing is answered after 0.2 s (median of 5)"
    assert [row["status"] for row in finding.evidence] == [200] * 5


def test_no_address_and_no_answer(ctx: Context) -> None:
    assert ask(app_saturated, ctx).outcome == "not_applicable"
    ctx.deployment.settings = replace(ctx.settings, label_studio_url="http://127.0.0.1:9")
    assert ask(app_saturated, ctx).outcome == "unknown"
