"""storage.target_no_put: a target that only lists."""

from __future__ import annotations

from dataclasses import replace

from console.diagnostics import Unknown
from console.diagnostics.check import Context
from console.diagnostics.storage.target_no_put import target_no_put


def test_a_target_that_takes_objects_is_healthy_and_stays_empty(ctx: Context, story) -> None:
    storage = story({}, target=True, prefix="out")
    assert list(target_no_put.answers(ctx)) == []
    assert storage.fake.objects == {}


def test_a_target_that_refuses(ctx: Context, story) -> None:
    storage = story({}, target=True, prefix="out")
    storage.fake.faults["PUT"] = "deny"
    [finding] = target_no_put.run(ctx)
    assert finding.subject == storage.subject and "AccessDenied" in finding.summary
    assert "s3:PutObject" in finding.cause and f"{storage.bucket}/out" in finding.cause


def test_nothing_is_written_without_leave(ctx: Context, story, server) -> None:
    storage = story({}, target=True)
    ctx.deployment.settings = replace(ctx.deployment.settings, write_probes=False)
    server.log.clear()
    [answer] = list(target_no_put.answers(ctx))
    assert isinstance(answer, Unknown) and "LSCONSOLE_WRITE_PROBES" in str(answer)
    assert storage.fake.objects == {} and "PUT" not in {seen.operation for seen in server.log}
