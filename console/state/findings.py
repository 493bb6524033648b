"""Questions the pages ask about kept findings: filtered lists, what stands on one object, trends, plans."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, case, func, or_, select
from sqlalchemy.orm import Session, defer

from ..diagnostics.check import Severity
from .models import FindingPoint, FindingRow, PlanRow

#: Points behind the chart of one finding.
TREND_POINTS = 30


@dataclass(frozen=True)
class Filter:
    """What a list of findings is narrowed to; empty means everything that still stands."""

    severity: str = ""
    area: str = ""
    text: str = ""
    subject: str = ""


_rank = case({str(severity): severity.rank for severity in Severity}, value=FindingRow.severity, else_=0)
_light = (defer(FindingRow.rows, raiseload=True),)


_SEARCHED = (FindingRow.summary, FindingRow.cause, FindingRow.name, FindingRow.code, FindingRow.subject)


def _open(deployment: str) -> list[ColumnElement[bool]]:
    return [FindingRow.deployment == deployment, FindingRow.gone_at.is_(None)]


def _conditions(deployment: str, chosen: Filter) -> list[ColumnElement[bool]]:
    found = _open(deployment)
    if chosen.area:
        found.append(FindingRow.code.startswith(f"{chosen.area}.", autoescape=True))
    if chosen.subject:
        found.append(FindingRow.subject == chosen.subject)
    for word in chosen.text.split()[:8]:
        found.append(or_(*(column.icontains(word, autoescape=True) for column in _SEARCHED)))
    return found


def page(
    session: Session, deployment: str, chosen: Filter, *, offset: int = 0, limit: int = 50
) -> tuple[list[FindingRow], dict[str, int]]:
    """One page of what still stands, worst first, then oldest; and how many there are per severity.

    The numbers leave the filter's own severity aside. Evidence rows are left unread.
    """
    conditions = _conditions(deployment, chosen)
    grouped = select(FindingRow.severity, func.count()).where(*conditions).group_by(FindingRow.severity)
    counts = {row[0]: row[1] for row in session.execute(grouped)}
    if chosen.severity:
        conditions.append(FindingRow.severity == chosen.severity)
    rows = session.scalars(
        select(FindingRow).where(*conditions).options(*_light)
        .order_by(_rank.desc(), FindingRow.first_seen, FindingRow.id).offset(offset).limit(limit)
    )  # fmt: skip
    return list(rows), counts


def per_code(session: Session, deployment: str) -> dict[str, dict[str, int]]:
    """Findings that still stand, by code and severity."""
    found: dict[str, dict[str, int]] = {}
    statement = select(FindingRow.code, FindingRow.severity, func.count()).where(*_open(deployment))
    for code, severity, number in session.execute(statement.group_by(FindingRow.code, FindingRow.severity)):
        found.setdefault(code, {})[severity] = number
    return found


def headlines(session: Session, deployment: str) -> dict[str, str]:
    """Per code, the summary of the worst finding that still stands."""
    order = (_rank.desc(), FindingRow.first_seen, FindingRow.id)
    place = func.row_number().over(partition_by=FindingRow.code, order_by=order).label("place")
    ranked = select(FindingRow.code, FindingRow.summary, place).where(*_open(deployment)).subquery()
    rows = session.execute(select(ranked.c.code, ranked.c.summary).where(ranked.c.place == 1))
    return {row.code: row.summary for row in rows}


def of_check(session: Session, deployment: str, code: str, limit: int = 200) -> list[FindingRow]:
    """What one check found and still stands, worst first."""
    statement = select(FindingRow).where(*_open(deployment), FindingRow.code == code).options(*_light)
    return list(session.scalars(statement.order_by(_rank.desc(), FindingRow.first_seen, FindingRow.id).limit(limit)))


def on_subjects(session: Session, deployment: str, subjects: Iterable[str], limit: int = 50) -> list[FindingRow]:
    """What still stands on these objects, worst first."""
    statement = select(FindingRow).where(*_open(deployment), FindingRow.subject.in_(list(subjects))).options(*_light)
    return list(session.scalars(statement.order_by(_rank.desc(), FindingRow.first_seen, FindingRow.id).limit(limit)))


def by_ids(session: Session, ids: Iterable[int]) -> dict[int, FindingRow]:
    """Findings by id, gone ones too."""
    statement = select(FindingRow).where(FindingRow.id.in_(list(ids))).options(*_light)
    return {row.id: row for row in session.scalars(statement)}


def points(session: Session, finding_id: int) -> list[int]:
    """How many rows the finding had in its latest runs, oldest first."""
    rows = session.scalars(
        select(FindingPoint.total).where(FindingPoint.finding_id == finding_id)
        .order_by(FindingPoint.id.desc()).limit(TREND_POINTS)
    )  # fmt: skip
    return list(reversed(rows.all()))


def latest_plan(session: Session, finding_id: int) -> Any:
    """Id, status and time of the newest plan of a finding, or None."""
    statement = select(PlanRow.id, PlanRow.status, PlanRow.created_at).where(PlanRow.finding_id == finding_id)
    return session.execute(statement.order_by(PlanRow.created_at.desc()).limit(1)).first()


def severity_names() -> list[str]:
    """Worst first, as tabs and summaries list them."""
    return [str(severity) for severity in sorted(Severity, key=lambda item: -item.rank)]


def worst(counts: dict[str, int]) -> str | None:
    """The worst severity of which there is one at least."""
    present = [name for name, number in counts.items() if number]
    return max(present, key=lambda name: Severity(name).rank, default=None)
