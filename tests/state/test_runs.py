"""Reports are kept: runs are numbered, findings live on, and only a run that looked may call one gone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from console.diagnostics.check import Scope
from console.service import Console
from console.state import runs
from console.state.models import FindingRow, Run


@pytest.fixture
def shared(console: Console, state_url: str) -> Console:
    """A console whose store may be shared with others."""
    there = Console(console.settings.with_(state_url=state_url))
    yield there
    there.close()


def findings(console: Console) -> dict[tuple[str, str], FindingRow]:
    with console.store.read() as session:
        return {(row.code, row.subject): row for row in session.scalars(select(FindingRow))}


def test_consoles_that_keep_reports_at_once_number_them_all(shared):
    others = [Console(shared.settings) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda other: other.check(["auth"], by="test"), others))
    with shared.store.read() as session:
        assert sorted(session.scalars(select(Run.number))) == [1, 2, 3, 4]
    assert findings(shared)["auth.mixed_case_email", "user:4"].total >= 1
    for other in others:
        other.close()


def test_a_finding_is_gone_once_a_run_that_looked_does_not_see_it(shared):
    shared.check(["auth"], by="test")
    row = findings(shared)["auth.mixed_case_email", "user:4"]
    plan = shared.plan(runs.as_finding(row), "lower", by="test", finding_id=row.id)
    shared.apply(plan.id, by="test", reason="ticket", verify=False)

    shared.check(["tasks"], by="test")
    shared.check(["auth"], scope=Scope(user_ids=(1,)), by="test")
    assert findings(shared)["auth.mixed_case_email", "user:4"].gone_at is None, "nobody looked at user 4"

    shared.check(["auth"], scope=Scope(user_ids=(4,)), by="test")
    gone = findings(shared)["auth.mixed_case_email", "user:4"]
    assert gone.gone_at is not None
    shared.undo(plan.id, by="test", reason="ticket", verify=False)
    shared.check(["auth.mixed_case_email"], by="test")
    back = findings(shared)["auth.mixed_case_email", "user:4"]
    assert (back.id, back.gone_at) == (gone.id, None) and back.first_seen > gone.gone_at


def test_only_a_run_of_all_checks_is_full(shared):
    shared.check(["auth"], by="test")
    identity = shared.deployment.identity
    assert runs.last_run(shared.store, identity) is None
    report = shared.check(by="test")
    assert runs.last_run(shared.store, identity).id == report.run_id
    shared.check(scope=Scope(user_ids=(4,)), by="test")
    assert runs.last_run(shared.store, identity).id == report.run_id
