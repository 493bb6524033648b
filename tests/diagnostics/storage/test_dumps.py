"""The databases that real releases made: what their README announces is found and nothing else, and the dead endpoints
are unknown."""

from __future__ import annotations

import pytest

from console.config import Settings
from console.diagnostics import registry
from console.diagnostics.check import Context
from console.diagnostics.runner import run_checks
from tests.factories import BOTH_ENGINES
from tests.servers import dump_versions

ASK_THE_BUCKET = {
    "storage.regex_no_match": ["s3:1", "s3:2"],
    "storage.blob_toggle_off": ["s3:1"],
    "storage.blob_toggle_on_json": ["s3:2"],
    "storage.list_not_get": ["s3:1", "s3:2"],
}
#: One storage has a session token beside a permanent key.
ANNOUNCED = {("storage.sts_expired", "storage:s3:2"), ("storage.keys_mixed_up", "storage:s3:2")}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """As the servers ran that made them."""
    return settings.with_(ssrf_protection=False)


@pytest.mark.parametrize("version", dump_versions())
@BOTH_ENGINES
def test_only_what_is_announced_is_found_and_dead_endpoints_are_unknown(ctx: Context) -> None:
    report = run_checks(ctx.deployment, registry.select(["storage"]), about=False)
    assert {(finding.code, finding.subject) for finding in report.findings} == ANNOUNCED
    assert [result.reason for result in report.results if result.outcome == "crashed"] == []
    for result in report.results:
        named = [line.split(": ")[0] for line in result.undecided]
        assert named == ASK_THE_BUCKET.get(result.code, []), result.code
        assert all("127.0.0.1:18290" in line for line in result.undecided)
