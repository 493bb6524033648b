"""storage.target_sse: servers that refuse encryption."""

from __future__ import annotations

from dataclasses import replace

import pytest

from console.diagnostics import NotApplicable, Severity
from console.diagnostics.check import Context
from console.diagnostics.storage.target_sse import target_sse


def test_a_server_that_takes_both_is_healthy_and_stays_empty(ctx: Context, story) -> None:
    storage = story({}, target=True)
    assert list(target_sse.answers(ctx)) == []
    assert storage.fake.objects == {}


def test_a_server_that_refuses_encryption(ctx: Context, story) -> None:
    storage = story({}, target=True)
    storage.fake.faults["PUT"] = "sse-refused"
    [finding] = target_sse.run(ctx)
    assert (finding.subject, finding.severity) == (storage.subject, Severity.WARNING)
    assert finding.evidence.rows[1]["answer"] == "NotImplemented"
    assert storage.fake.objects == {}


def test_what_a_failed_sync_wrote_down(ctx: Context, story) -> None:
    story({}, target=True, status="failed", traceback="… ClientError: An error occurred (NotImplemented) when …")
    [finding] = target_sse.run(ctx)
    assert finding.severity == Severity.ERROR and "NotImplemented" in finding.summary


def test_nothing_is_written_without_leave(ctx: Context, story, server) -> None:
    story({}, target=True)
    ctx.deployment.settings = replace(ctx.deployment.settings, write_probes=False)
    server.log.clear()
    with pytest.raises(NotApplicable, match="LSCONSOLE_WRITE_PROBES"):
        list(target_sse.answers(ctx))
    assert not server.log


def test_amazons_own_are_not_asked(ctx: Context, story) -> None:
    story({}, target=True, s3_endpoint=None)
    with pytest.raises(NotApplicable):
        list(target_sse.answers(ctx))
