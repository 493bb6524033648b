"""Runs and findings over time: what a report leaves in the state store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..deployment import Deployment
from ..diagnostics import registry
from ..diagnostics.change import plain, revive
from ..diagnostics.check import Evidence, Finding, Scope, Severity, Subject
from ..diagnostics.report import CheckResult, Report, finding_dict
from ..errors import NotFound
from .models import FindingPoint, FindingRow, Run
from .store import Store

#: PostgreSQL advisory lock under which a report is kept.
RECORDING_LOCK = 7_315_022
#: Points of a finding's small chart, and runs behind an area's trend.
TREND_RUNS = 14
#: Runs that the latest answer of each check is looked for in.
ANSWER_RUNS = 60


def record(store: Store, deployment: Deployment, report: Report, *, by: str) -> Run:
    """Keep a finished report: the run, its findings, and which of the open findings are gone."""
    now = report.finished_at or datetime.now(UTC)
    with store.session() as session:
        if session.get_bind().dialect.name == "postgresql":
            # One console at a time: runs are numbered, and a finding has one row. SQLite lets one write anyway.
            session.execute(select(func.pg_advisory_xact_lock(RECORDING_LOCK)))
        run = Run(
            id=report.run_id, number=(session.scalar(select(func.max(Run.number))) or 0) + 1,
            deployment=deployment.identity, scope=_scope_text(report.scope), by=by, started_at=report.started_at,
            finished_at=now, duration_seconds=(now - report.started_at).total_seconds(),
            full=not report.scope.words and len(report.results) == len(registry.all_checks()) and not report.cancelled,
            summary=report.summary(), areas=_areas(report.results), about=report.deployment,
            checks=[result.to_dict() | {"findings": len(result.findings)} for result in report.results],
        )  # fmt: skip
        session.add(run)
        known = {
            (row.code, row.subject): row
            for row in session.scalars(
                select(FindingRow).where(
                    FindingRow.deployment == deployment.identity,
                    FindingRow.code.in_([result.code for result in report.results]),
                )
            )
        }
        seen = {(finding.code, finding.subject) for finding in report.findings}
        for finding in report.findings:
            _keep(session, deployment, run, known.get((finding.code, finding.subject)), finding, now)
        decided = {
            result.code
            for result in report.results
            if result.outcome in {"pass", "findings", "not_applicable"} and not result.undecided
        }
        for identity, row in known.items():
            if row.gone_at is None and row.code in decided and identity not in seen and _covers(report, row.subject):
                row.gone_at = now
                session.add(FindingPoint(finding_id=row.id, at=now, total=0))
    return run


def _keep(
    session: Session, deployment: Deployment, run: Run, row: FindingRow | None, finding: Finding, now: datetime
) -> None:
    document = finding_dict(finding)
    values: dict[str, Any] = {
        "name": document["subject"]["name"], "severity": document["severity"], "summary": document["summary"],
        "impact": document["impact"], "cause": document["cause"], "source": document["evidence"]["source"],
        "columns": list(finding.evidence.columns), "rows": plain(finding.evidence.rows),
        "total": finding.evidence.total, "fixes": list(finding.fixes or ()), "last_seen": now, "run_id": run.id,
    }  # fmt: skip
    if row is None:
        row = FindingRow(deployment=deployment.identity, code=finding.code, subject=finding.subject, first_seen=now,
                         gone_at=None, **values)  # fmt: skip
        session.add(row)
        session.flush()
    else:
        if row.gone_at is not None:
            row.first_seen, row.gone_at = now, None
        for name, value in values.items():
            setattr(row, name, value)
    session.add(FindingPoint(finding_id=row.id, at=now, total=finding.evidence.total))


def _covers(report: Report, subject: str) -> bool:
    """Whether a run looked at this subject at all, so that its silence means health."""
    if report.scope.task_range is not None:
        return False
    if not report.scope.words:
        return True
    parsed = Subject.parse(subject)
    own = Scope.of(parsed)
    if report.scope.user_ids and own.user_ids:
        return own.user_ids[0] in report.scope.user_ids
    if report.scope.storage:
        return own.storage == report.scope.storage
    if report.scope.project_id is not None:
        return own.project_id == report.scope.project_id or subject in report.covered
    return False


def _scope_text(scope: Scope) -> str:
    parts = [f"user:{user}" for user in scope.user_ids]
    parts += [f"project:{scope.project_id}"] if scope.project_id is not None else []
    parts += [f"storage:{scope.storage}"] if scope.storage else []
    return " ".join(parts)


def _areas(results: Sequence[CheckResult]) -> dict[str, Any]:
    areas: dict[str, Counter[str]] = {}
    for result in results:
        area = areas.setdefault(result.code.split(".")[0], Counter())
        for finding in result.findings:
            area[str(finding.severity)] += 1
        area[f"outcome_{result.outcome}"] += 1
    return {area: dict(counter) for area, counter in areas.items()}


def last_run(store: Store, deployment: str, *, full: bool = True) -> Run | None:
    """The newest run (of all checks, unless `full` is false)."""
    with store.read() as session:
        statement = select(Run).where(Run.deployment == deployment).order_by(Run.number.desc()).limit(1)
        return session.scalars(statement.where(Run.full) if full else statement).first()


def looked_at(store: Store, deployment: str) -> datetime | None:
    """When the newest full run ended; None before the first."""
    with store.read() as session:
        return session.scalar(
            select(Run.finished_at).where(Run.deployment == deployment, Run.full).order_by(Run.number.desc()).limit(1)
        )


def recent_runs(session: Session, deployment: str, limit: int = TREND_RUNS) -> list[Run]:
    """The newest full runs, oldest first."""
    rows = session.scalars(
        select(Run).where(Run.deployment == deployment, Run.full).order_by(Run.number.desc()).limit(limit)
    )
    return list(reversed(rows.all()))


@dataclass(frozen=True)
class Answer:
    """What one check answered in one run over the whole deployment."""

    run_id: str
    finished_at: datetime
    outcome: str
    reason: str
    duration_seconds: float
    findings: int


def answers(session: Session, deployment: str, code: str | None = None) -> dict[str, list[Answer]]:
    """Answers per check over the newest runs that were not narrowed to one object, newest first."""
    rows = session.execute(
        select(Run.id, Run.finished_at, Run.checks).where(Run.deployment == deployment, Run.scope == "")
        .order_by(Run.number.desc()).limit(ANSWER_RUNS)
    )  # fmt: skip
    found: dict[str, list[Answer]] = {}
    for run_id, finished_at, checks in rows:
        for item in checks:
            if code is None or item["code"] == code:
                answer = Answer(run_id, finished_at, item["outcome"], item["reason"], item["duration_seconds"],
                                item.get("findings", 0))  # fmt: skip
                found.setdefault(item["code"], []).append(answer)
    return found


def get(session: Session, run_id: str) -> Run | None:
    """One run, or None."""
    return session.get(Run, run_id)


def findings_about(store: Store, deployment: str, subjects: Sequence[str], limit: int = 50) -> list[FindingRow]:
    """Open findings of these subjects (`user:4`), worst first, then oldest."""
    return _open_where(store, deployment, FindingRow.subject.in_(subjects), limit)


def findings_of_area(store: Store, deployment: str, area: str, limit: int = 50) -> list[FindingRow]:
    """Open findings of one area's checks, worst first, then oldest."""
    return _open_where(store, deployment, FindingRow.code.startswith(f"{area}.", autoescape=True), limit)


def _open_where(store: Store, deployment: str, condition: Any, limit: int) -> list[FindingRow]:
    with store.read() as session:
        rows = session.scalars(
            select(FindingRow).where(FindingRow.deployment == deployment, FindingRow.gone_at.is_(None), condition)
            .order_by(FindingRow.first_seen).limit(limit).options(*_without_rows())
        ).all()  # fmt: skip
    return sorted(rows, key=lambda row: (-Severity(row.severity).rank, row.first_seen, row.id))


def worst_by_subject(store: Store, deployment: str, kind: str) -> dict[str, tuple[str, int]]:
    """Subjects of a kind with open findings: the worst severity and how many there are."""
    with store.read() as session:
        rows = session.execute(
            select(FindingRow.subject, FindingRow.severity, func.count())
            .where(FindingRow.deployment == deployment, FindingRow.gone_at.is_(None),
                   FindingRow.subject.startswith(f"{kind}:", autoescape=True))
            .group_by(FindingRow.subject, FindingRow.severity)
        ).all()  # fmt: skip
    found: dict[str, tuple[str, int]] = {}
    for subject, severity, number in rows:
        worst, total = found.get(subject, (severity, 0))
        found[subject] = (max(worst, severity, key=lambda name: Severity(name).rank), total + number)
    return found


def _without_rows() -> list[Any]:
    from sqlalchemy.orm import defer

    return [defer(FindingRow.rows, raiseload=True)]


def finding(store: Store, finding_id: int) -> FindingRow:
    with store.read() as session:
        row = session.get(FindingRow, finding_id) if 0 < finding_id < 2**31 else None
    if row is None:
        raise NotFound(f"There is no finding {finding_id}.")
    return row


def as_finding(row: FindingRow) -> Finding:
    """A stored finding as a check yielded it, for planning its fix."""
    return Finding(
        subject=row.subject, summary=row.summary, name=row.name, severity=Severity(row.severity), impact=row.impact,
        cause=row.cause, code=row.code, fixes=tuple(row.fixes),
        evidence=Evidence(row.source, tuple(row.columns), revive(row.rows), row.total),
    )  # fmt: skip
