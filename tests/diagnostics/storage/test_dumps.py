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

#: Decided from the database alone on these deployments.
FROM_ROWS = [
    f"storage.{slug}"
    for slug in (
        "base64_presign_off", "bucket_name_form", "completed_with_errors", "duplicate_sources", "endpoint_blocked_ssrf",
        "endpoint_internal_presign", "env_credentials_shadow", "failed_status", "keys_mixed_up", "mixed_content",
        "never_synced", "orphan_links", "prefix_slash", "presigned_in_data", "queued_forever", "regex_invalid",
        "shared_location", "stale_ping", "sts_expired", "sync_gateway_timeout", "target_lag", "target_silent_failures",
        "target_slows_submit", "uri_unresolvable", "url_double_encoded", "worker_oom",
    )
]  # fmt: skip
ASK_THE_BUCKET = [
    "storage.blob_toggle_off",
    "storage.blob_toggle_on_json",
    "storage.list_not_get",
    "storage.regex_no_match",
]
#: One storage has a session token beside a permanent key.
ANNOUNCED = {("storage.sts_expired", "storage:s3:2"), ("storage.keys_mixed_up", "storage:s3:2")}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """As the servers ran that made them."""
    return settings.with_(ssrf_protection=False)


@pytest.mark.parametrize("version", dump_versions())
@BOTH_ENGINES
def test_only_what_is_announced_is_found(ctx: Context) -> None:
    report = run_checks(ctx.deployment, registry.select(FROM_ROWS), about=False)
    assert {(finding.code, finding.subject) for finding in report.findings} == ANNOUNCED
    assert {result.code: result.undecided for result in report.results} == {code: [] for code in FROM_ROWS}
    assert not [result.reason for result in report.results if result.outcome == "crashed"]


@pytest.mark.parametrize("version", dump_versions())
def test_dead_endpoints_are_unknown(ctx: Context) -> None:
    report = run_checks(ctx.deployment, registry.select(ASK_THE_BUCKET), about=False)
    assert report.findings == []
    for result in report.results:
        assert result.outcome == "unknown", result.code
        named = {line.split(": ")[0] for line in result.undecided}
        assert {"s3:1", "s3:2"} & named
        assert all("127.0.0.1:18290" in line for line in result.undecided if line.startswith("s3:"))
