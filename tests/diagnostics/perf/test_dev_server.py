"""perf.dev_server: Label Studio on the server that Django brings for developers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from console.diagnostics.check import Context
from console.diagnostics.perf.dev_server import dev_server
from console.diagnostics.runner import ask
from tests.diagnostics.perf.web_server import Quiet, serving


@contextmanager
def server(name: str) -> Iterator[str]:
    """A web server that calls itself so."""

    class Named(Quiet):
        def version_string(self) -> str:
            return name

    with serving(Named) as url:
        yield url


@pytest.mark.parametrize(("name", "found"), [("nginx/1.25", 0), ("", 0), ("WSGIServer/0.2 CPython/3.11.9", 1)])
def test_the_name_of_the_server(ctx: Context, name: str, found: int) -> None:
    with server(name) as url:
        ctx.deployment.settings = replace(ctx.settings, label_studio_url=url + "/")
        findings = dev_server.run(ctx)
    assert len(findings) == found
    for finding in findings:
        assert finding.subject == "deployment:label-studio"
        assert finding.evidence.rows == [{"address": f"{url}/health/", "server": name}]


def test_no_address_and_no_answer(ctx: Context) -> None:
    assert ask(dev_server, ctx).outcome == "not_applicable"
    ctx.deployment.settings = replace(ctx.settings, label_studio_url="http://127.0.0.1:9")
    result = ask(dev_server, ctx)
    assert result.outcome == "unknown"
    assert "did not answer" in result.reason
