"""A run's answers as data: the JSON of the interface contract. `report.schema.json` beside it describes it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from math import isfinite
from typing import Any

from .. import __version__
from ..deployment import Deployment
from ..errors import Unknown
from ..masking import mask, mask_text
from . import registry
from .change import revive
from .check import Finding, Scope, Severity, Subject

OUTCOMES = ("pass", "findings", "unknown", "not_applicable", "crashed")


@dataclass
class CheckResult:
    """One check's outcome. `undecided` holds what it could not tell beside its findings."""

    code: str
    outcome: str
    reason: str = ""
    duration_seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return {"code": self.code, "outcome": self.outcome, "reason": mask_text(self.reason),
                "duration_seconds": round(self.duration_seconds, 3)}  # fmt: skip


@dataclass
class Report:
    """All answers of one run."""

    run_id: str
    started_at: datetime
    deployment: dict[str, Any]
    results: list[CheckResult] = field(default_factory=list)
    finished_at: datetime | None = None
    scope: Scope = field(default_factory=Scope)
    cancelled: bool = False
    #: storages of the project a run was narrowed to; they are covered by it
    covered: set[str] = field(default_factory=set)

    @property
    def findings(self) -> list[Finding]:
        """Worst first, then by code and subject."""
        found = [finding for result in self.results for finding in result.findings]
        return sorted(
            found, key=lambda item: (-(item.severity or Severity.INFO).rank, item.code, _natural(item.subject))
        )

    @property
    def undecided(self) -> bool:
        return any(result.outcome in {"unknown", "crashed"} or result.undecided for result in self.results)

    def summary(self) -> dict[str, int]:
        counted = Counter(str(finding.severity) for finding in self.findings)
        unknown = sum(1 for result in self.results if result.outcome == "unknown" or result.undecided)
        return {name: counted.get(name, 0) for name in ("critical", "error", "warning", "info")} | {"unknown": unknown}

    def exit_code(self, fail_on: Severity = Severity.ERROR) -> int:
        """0 nothing at or over `fail_on`; 1 findings at or over it; 3 nothing bad seen, but something undecided.

        A check that crashed is our own failure: 2, unless there are findings to act on.
        """
        if any((finding.severity or Severity.INFO).rank >= fail_on.rank for finding in self.findings):
            return 1
        if any(result.outcome == "crashed" for result in self.results):
            return 2
        return 3 if self.undecided else 0

    def to_dict(self) -> dict[str, Any]:
        """The document of `check --format json`; no secret in it."""
        return {
            "schema_version": 1,
            "run": {"id": self.run_id, "started_at": _iso(self.started_at), "finished_at": _iso(self.finished_at or datetime.now(UTC)),
                    "console_version": __version__},
            "deployment": self.deployment,
            "checks": [result.to_dict() for result in self.results],
            "findings": [finding_dict(finding) for finding in self.findings],
            "summary": self.summary(),
        }  # fmt: skip


def finding_dict(finding: Finding) -> dict[str, Any]:
    """One finding as the contract has it; times as ISO 8601, secrets masked."""
    check = registry.get(finding.code)
    subject = Subject.parse(finding.subject)
    fixes = [check.fixes[name] for name in finding.fixes or () if name in check.fixes]
    return {
        "code": finding.code, "severity": str(finding.severity),
        "subject": {"kind": subject.kind, "id": subject.id, "name": mask_text(finding.name)},
        "summary": mask_text(finding.summary), "impact": mask_text(finding.impact), "cause": mask_text(finding.cause),
        "evidence": {
            "source": mask_text(finding.evidence.source), "columns": list(finding.evidence.columns),
            "rows": [mask(readable(row)) for row in finding.evidence.rows], "total": finding.evidence.total,
        },
        "fixes": [{"id": fix.id, "title": fix.title, "reversible": fix.reversible} for fix in fixes],
        "runbook": _runbook(finding.code),
    }  # fmt: skip


def readable(value: Any) -> Any:
    """JSON-ready and plain to read: times as ISO 8601 text."""
    value = revive(value)
    if isinstance(value, datetime):
        return _iso(value)
    if isinstance(value, float) and not isfinite(value):
        return str(value)  # JSON has no word for it
    if isinstance(value, dict):
        return {str(name): readable(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [readable(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def describe(deployment: Deployment) -> dict[str, Any]:
    """The `deployment` part of the document. Redis is null when none is attached or it does not answer."""
    redis: dict[str, str] | None = None
    if deployment.redis is not None:
        try:
            redis = {"version": deployment.redis.info().version}
        except Unknown:
            redis = None
    try:
        counts = deployment.counts()
    except Unknown:
        counts = {}
    return {
        "label_studio_version": deployment.schema.label_studio_version,
        "database": {"kind": deployment.kind, "version": deployment.database_version},
        "redis": redis,
        "counts": counts,
    }


def json_schema() -> dict[str, Any]:
    """The JSON Schema that every report satisfies."""
    return json.loads(resources.files(__package__).joinpath("report.schema.json").read_text())


def _runbook(code: str) -> str | None:
    from ..runbooks import for_check

    books = for_check(code)
    return books[0].slug if books else None


def _iso(value: datetime) -> str:
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _natural(subject: str) -> tuple[str, int]:
    head, _, tail = subject.rpartition(":")
    return (head, int(tail)) if tail.isdecimal() and len(tail) < 19 else (subject, 0)
