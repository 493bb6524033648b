"""The console's own checks find every planted fault and pass over every healthy twin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from console import demo
from console.config import Settings
from console.diagnostics.report import Report
from console.server import DEMO_ADDRESS
from console.service import Console


@pytest.fixture(scope="module")
def report(deployment: demo.Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    data: Path = tmp_path_factory.mktemp("state")
    settings = Settings.load({}, database_url=deployment.database_url, redis_url=deployment.redis_url, data_dir=data,
                             label_studio_url=DEMO_ADDRESS,
                             bucket_endpoints=(deployment.s3_endpoint.partition("//")[2],))  # fmt: skip
    console = Console(settings)
    yield console.check(by="test")
    console.close()


def test_every_planted_fault_is_found(deployment: demo.Deployment, report: Report) -> None:
    found = {(finding.code, finding.subject) for finding in report.findings}
    missed = [fault for fault in deployment.faults if (fault.code, fault.subject) not in found]
    assert not missed


def test_no_healthy_twin_is_reported(deployment: demo.Deployment, report: Report) -> None:
    found = {(finding.code, finding.subject) for finding in report.findings}
    assert not [twin for twin in deployment.twins if (twin.code, twin.subject) in found]
