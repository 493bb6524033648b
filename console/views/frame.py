"""What every page carries: navigation counts, the deployment's name and state, who is signed in."""

from __future__ import annotations

import time
from typing import Any

from flask import current_app
from flask_login import current_user
from sqlalchemy import func, select

from .. import __version__
from ..diagnostics import registry
from ..diagnostics.check import Severity
from ..errors import CannotAttach
from ..service import Console
from ..state.models import FindingRow, JobRow

#: Whether the deployment answers is asked at most this often.
ATTACHED_SECONDS = 5.0
_attached: dict[int, tuple[float, bool]] = {}


def context() -> dict[str, Any]:
    """Values of the frame for a page; empty for people who are not signed in."""
    if not current_user or not current_user.is_authenticated:
        return {"console_version": __version__}
    console: Console = current_app.extensions["console"]
    return {"nav": _nav(console), "deployment": about(console), "console_version": __version__}


def bare() -> dict[str, Any]:
    """Values that let the plain frame be drawn whatever is broken."""
    return {"console_version": __version__}


def can_be_drawn() -> bool:
    console: Console = current_app.extensions["console"]
    _nav(console)
    return True


def about(console: Console) -> dict[str, Any]:
    """The deployment as the frame shows it."""
    up = is_attached(console)
    if not up:
        return {"name": "Label Studio", "attached": False, "label_studio_version": "", "can_fix": False}
    deployment = console.deployment
    return {"name": deployment.name, "attached": True, "label_studio_version": deployment.schema.label_studio_version,
            "can_fix": deployment.can_fix}  # fmt: skip


def is_attached(console: Console) -> bool:
    asked, answer = _attached.get(id(console), (0.0, False))
    if time.monotonic() - asked > ATTACHED_SECONDS:
        answer = console.attached()
        _attached[id(console)] = (time.monotonic(), answer)
    return answer


def _nav(console: Console) -> dict[str, Any]:
    try:
        identity = console.deployment.identity
    except CannotAttach:
        identity = ""
    with console.store.read() as session:
        rows = session.execute(
            select(FindingRow.severity, func.count())
            .where(FindingRow.deployment == identity, FindingRow.gone_at.is_(None)).group_by(FindingRow.severity)
        ).all()  # fmt: skip
        jobs = (
            session.scalar(select(func.count()).select_from(JobRow).where(JobRow.status.in_(["queued", "running"])))
            or 0
        )
    counts: dict[str, int] = {row.severity: row[1] for row in rows}
    worst = max(counts, key=lambda severity: Severity(severity).rank, default=None)
    return {
        "findings": sum(counts.values()),
        "worst": worst,
        "checks": len(registry.all_checks()),
        "jobs_running": jobs,
    }
