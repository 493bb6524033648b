"""The console's own checks find every planted fault, pass over every healthy twin, and have nothing else to say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from console import demo
from console.config import Settings
from console.demo.processes import HOST, free_port
from console.diagnostics.report import Report
from console.server import answering
from console.service import Console

#: Faults that cannot be planted without these being true as well: code, and the codes it comes with.
COMPANIONS = {"storage.failed_status": {"storage.regex_invalid", "storage.blob_toggle_off", "storage.list_not_get"}}


@pytest.fixture(scope="module")
def report(deployment: demo.Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    """A run as `lsconsole demo` begins with: the console answers at its address meanwhile."""
    data: Path = tmp_path_factory.mktemp("state")
    bind = f"{HOST}:{free_port()}"
    told = deployment.settings(f"http://{bind}")
    console = Console(Settings.load({}, data_dir=data, bind=bind, **told))
    with answering(console):
        yield console.check(by="test")
    console.close()


def test_every_planted_fault_is_found(deployment: demo.Deployment, report: Report) -> None:
    found = {(finding.code, finding.subject) for finding in report.findings}
    missed = [fault for fault in deployment.faults if (fault.code, fault.subject) not in found]
    assert not missed


def test_no_healthy_twin_is_reported(deployment: demo.Deployment, report: Report) -> None:
    found = {(finding.code, finding.subject) for finding in report.findings}
    assert not [twin for twin in deployment.twins if (twin.code, twin.subject) in found]


def test_nothing_is_found_that_was_not_planted(deployment: demo.Deployment, report: Report) -> None:
    planted = {(fault.code, fault.subject) for fault in deployment.faults}
    strange = [
        (finding.code, finding.subject, finding.summary)
        for finding in report.findings
        if (finding.code, finding.subject) not in planted
        and not any((cause, finding.subject) in planted for cause in COMPANIONS.get(finding.code, ()))
    ]
    assert not strange


def test_every_check_could_decide(report: Report) -> None:
    """A check that found something may still have had to leave a storage out; then it has a reason, too."""
    undecided = [
        (result.code, result.reason)
        for result in report.results
        if result.outcome in {"unknown", "crashed"} or (result.outcome == "findings" and result.reason)
    ]
    assert not undecided
