"""Every release's real database, on both engines: looked at whole, without a crash and without a false alarm."""

from __future__ import annotations

import jsonschema
import pytest

from console.diagnostics import registry
from console.diagnostics.check import Severity
from console.diagnostics.report import json_schema
from tests.servers import dump_versions

#: What the dumps' own README announces, and nothing else may be an error.
ANNOUNCED = {("auth.mixed_case_email", "user:4"), ("gcs.credentials_json", "storage:gcs:1")}
#: grace has only a soft-deleted membership, in the releases that have such a thing.
SOFT_DELETED = {("auth.active_org_deleted", "user:7"), ("auth.no_membership", "user:7")}
COUNTS = {
    "users": 7, "organizations": 2, "projects": 5, "tasks": 267, "annotations": 360, "predictions": 152, "storages": 8,
}  # fmt: skip


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@pytest.mark.parametrize("version", dump_versions())
def test_a_full_run(console, engine, version):
    report = console.check(by="test")
    document = report.to_dict()
    jsonschema.Draft202012Validator(json_schema()).validate(document)

    assert [result["code"] for result in document["checks"]] == [check.code for check in registry.all_checks()]
    crashed = [(item["code"], item["reason"]) for item in document["checks"] if item["outcome"] == "crashed"]
    assert crashed == []

    about = document["deployment"]
    assert about["label_studio_version"] == version
    assert about["database"]["kind"] == engine and about["redis"] is None
    assert about["counts"] == COUNTS

    errors = {(found.code, found.subject) for found in report.findings if found.severity.rank >= Severity.ERROR.rank}
    assert errors - SOFT_DELETED == ANNOUNCED
    if version == "1.8.2.post1":  # an ordinary member then
        assert not any(found.subject == "user:7" for found in report.findings)
    assert report.exit_code() == 1
    assert report.exit_code(Severity.CRITICAL) in {0, 3}

    again = console.check(by="test").to_dict()
    assert again["findings"] == document["findings"]
