"""The document keeps its contract, whatever checks put into it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import jsonschema
import pytest

from console.diagnostics import Evidence, Finding, Severity
from console.diagnostics.auth.mixed_case_email import mixed_case_email
from console.diagnostics.check import SUBJECT_KINDS
from console.diagnostics.report import CheckResult, Report, json_schema, readable

CODE = mixed_case_email.code


def report(*results: CheckResult) -> Report:
    about = {
        "label_studio_version": "1.23.2",
        "database": {"kind": "sqlite", "version": "3.40"},
        "redis": None,
        "counts": {},
    }
    moment = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=timezone(timedelta(hours=2)))
    return Report("0123456789abcdef", moment, about, list(results), finished_at=moment)


def finding(severity: Severity = Severity.ERROR, **values) -> Finding:
    defaults = {"subject": "user:4", "summary": "seen", "code": CODE, "fixes": ("lower",)}
    return Finding(severity=severity, **defaults | values)


def validate(document: dict) -> None:
    jsonschema.Draft202012Validator(json_schema()).validate(document)


def test_the_schema_is_one_and_ships_with_the_package():
    jsonschema.Draft202012Validator.check_schema(json_schema())


def test_an_empty_run_is_a_document():
    document = report().to_dict()
    validate(document)
    assert document["run"]["started_at"] == "2026-01-02T01:04:05Z"
    assert document["summary"] == {"critical": 0, "error": 0, "warning": 0, "info": 0, "unknown": 0}


def test_odd_values_become_plain_json_and_secrets_stay_hidden():
    rows = [
        {"score": float("nan"), "size": float("inf"), "cost": Decimal("1.50"), "at": datetime(2026, 1, 1, tzinfo=UTC),
         "data": {"deep": [datetime(2026, 1, 1)]}, "password": "hunter2secret", "url": "redis://:hunter2secret@h/0", "n": None}
    ]  # fmt: skip
    evidence = Evidence("select * from x where u = 'redis://:hunter2secret@h/0'", tuple(rows[0]), rows, 1)
    text = "failed at postgresql://u:hunter2secret@h/d"
    found = finding(evidence=evidence, summary=text, cause=text, impact=text, name=text)
    document = report(CheckResult(CODE, "findings", text, 0.1, [found])).to_dict()
    validate(document)
    plain = json.dumps(document, allow_nan=False)
    assert "hunter2secret" not in plain
    [row] = document["findings"][0]["evidence"]["rows"]
    assert row["score"] == "nan" and row["cost"] == "1.50" and row["at"] == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize("kind", SUBJECT_KINDS)
def test_every_kind_of_subject(kind):
    identifier = "s3-export:4" if kind == "storage" else "4"
    document = report(CheckResult(CODE, "findings", "", 0, [finding(subject=f"{kind}:{identifier}")])).to_dict()
    validate(document)
    assert document["findings"][0]["subject"] == {"kind": kind, "id": identifier, "name": ""}


@pytest.mark.parametrize(
    "mistake",
    [
        {"schema_version": 2},
        {"extra": 1},
        {"run": {"id": "x"}},
        {"checks": [{"code": "a.b", "outcome": "fine", "reason": "", "duration_seconds": 0}]},
        {"checks": [{"code": "a-b.c", "outcome": "pass", "reason": "", "duration_seconds": 0}]},
        {"checks": [{"code": "a.b", "outcome": "unknown", "reason": "", "duration_seconds": 0}]},
        {"summary": {"critical": 0}},
        {"findings": [{}]},
    ],
)
def test_the_schema_is_strict(mistake):
    with pytest.raises(jsonschema.ValidationError):
        validate(report().to_dict() | mistake)


def result(outcome: str, *severities: Severity, undecided: tuple[str, ...] = ()) -> CheckResult:
    return CheckResult(CODE, outcome, "why", 0.0, [finding(severity) for severity in severities], list(undecided))


@pytest.mark.parametrize(
    ("results", "fail_on", "code"),
    [
        ([], Severity.ERROR, 0),
        ([result("pass"), result("not_applicable")], Severity.ERROR, 0),
        ([result("findings", Severity.WARNING)], Severity.ERROR, 0),
        ([result("findings", Severity.WARNING)], Severity.WARNING, 1),
        ([result("findings", Severity.INFO)], Severity.INFO, 1),
        ([result("findings", Severity.ERROR)], Severity.ERROR, 1),
        ([result("findings", Severity.CRITICAL)], Severity.ERROR, 1),
        ([result("findings", Severity.ERROR)], Severity.CRITICAL, 0),
        ([result("unknown")], Severity.ERROR, 3),
        ([result("findings", Severity.WARNING, undecided=("one",))], Severity.ERROR, 3),
        ([result("findings", Severity.ERROR), result("unknown")], Severity.ERROR, 1),
        # A check of ours that crashed is our own failure; it hides no finding that is there.
        ([result("crashed")], Severity.ERROR, 2),
        ([result("crashed"), result("unknown")], Severity.ERROR, 2),
        ([result("crashed"), result("findings", Severity.ERROR)], Severity.ERROR, 1),
    ],
)
def test_exit_codes(results, fail_on, code):
    assert report(*results).exit_code(fail_on) == code


def test_findings_are_sorted_worst_first_then_by_code_and_number():
    found = [
        finding(Severity.WARNING, subject="user:2"),
        finding(Severity.ERROR, subject="user:10"),
        finding(subject="user:9"),
    ]
    shown = report(CheckResult(CODE, "findings", "", 0, found)).findings
    assert [item.subject for item in shown] == ["user:9", "user:10", "user:2"]


def test_readable_keeps_what_json_has():
    for value in (None, True, 1, 1.5, "text", [1], {"a": "b"}):
        assert readable(value) == value
