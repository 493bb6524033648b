"""The databases that real releases made, untouched: what the checks of accounts, tasks and database say of each."""

from __future__ import annotations

import pytest

from console.diagnostics import registry
from console.diagnostics.check import Context
from console.diagnostics.runner import run_checks
from tests.factories import BOTH_ENGINES
from tests.servers import dump_versions


@pytest.mark.parametrize("version", dump_versions())
@BOTH_ENGINES
def test_only_the_announced_faults_are_found(ctx: Context, engine: str, version: str) -> None:
    report = run_checks(ctx.deployment, registry.select(("auth", "tasks", "pg")), about=False)
    expected = {("auth.mixed_case_email", "user:4")}
    if version != "1.8.2.post1":
        expected.add(("auth.active_org_deleted", "user:7"))
    assert {(finding.code, finding.subject) for finding in report.findings} == expected
    absent = {result.code: result.reason for result in report.results if result.outcome == "not_applicable"}
    assert set(absent) == ({"pg.dead_tuples"} if engine == "sqlite" else set())
    assert not report.undecided
