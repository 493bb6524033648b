"""The databases that real releases made: no storage check finds anything, and the dead endpoints are unknown."""

from __future__ import annotations

import pytest

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


@pytest.mark.parametrize("version", dump_versions())
@BOTH_ENGINES
def test_nothing_is_found_and_dead_endpoints_are_unknown(ctx: Context) -> None:
    report = run_checks(ctx.deployment, registry.select(["storage"]), about=False)
    assert report.findings == []
    assert {result.code: result.outcome for result in report.results} == dict.fromkeys(
        ("storage.regex_invalid", "storage.regex_empty", "storage.queued_forever"), "pass"
    ) | dict.fromkeys(ASK_THE_BUCKET, "unknown")
    for result in report.results:
        named = [line.split(": ")[0] for line in result.undecided]
        assert named == ASK_THE_BUCKET.get(result.code, [])
        assert all("127.0.0.1:18290" in line for line in result.undecided)
