"""Repairs too large for one plan: task ids are taken shard by shard, each with a plan and audit event of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import func, select

from .deployment.models import Task
from .diagnostics.check import Check, Scope, Subject
from .diagnostics.plan import PLAN_LIMIT
from .diagnostics.runner import Progress, run_checks
from .errors import Refused, Unknown
from .jobs import Cancelled
from .service import Console

#: Task ids per shard. Every one of them may be wrong, so a shard is no larger than a plan.
SHARD_IDS = PLAN_LIMIT


def repair_in_shards(
    console: Console, check: Check, fix_id: str, *, subject: str, by: str, reason: str, job_id: str,
    progress: Progress, cancelled: Callable[[], bool],
) -> dict[str, Any]:  # fmt: skip
    """Check, plan and apply each shard of task ids in turn; returns rows written and plan ids.

    Raises Cancelled between shards when asked to stop, Conflict when a row moved on meanwhile.
    """
    fix = check.get_fix(fix_id)
    if not fix.sharded:
        raise Refused(f"{check.code}.{fix_id} is not repaired in shards; plan it for one finding.")
    project_id = Scope.of(Subject.parse(subject)).project_id if subject else None
    low, high = _range(console, project_id)
    rows, plan_ids, shards = 0, [], list(range(low, high, SHARD_IDS))
    for number, start in enumerate(shards):
        if cancelled():
            raise Cancelled(f"Stopped after {number} of {len(shards)} shards; {rows} rows are repaired and stay so.")
        progress(number, len(shards), f"tasks {start} to {start + SHARD_IDS - 1}, {rows} rows repaired")
        scope = Scope(project_id=project_id, task_range=(start, start + SHARD_IDS))
        report = run_checks(console.deployment, [check], scope=scope, evidence_limit=SHARD_IDS, about=False)
        if report.undecided:
            raise Unknown(report.results[0].reason)
        repairable = [finding for finding in report.findings if fix_id in (finding.fixes or ())]
        if repairable:
            plan = console.plan_many(check, fix_id, repairable, by=by, job_id=job_id)
            rows += console.apply(plan.id, by=by, reason=reason, verify=False).rows
            plan_ids.append(plan.id)
    progress(len(shards), len(shards), f"{rows} rows repaired")
    console.look_again(check.code, subject, by="console")
    return {"rows": rows, "plans": plan_ids}


def _range(console: Console, project_id: int | None) -> tuple[int, int]:
    statement = select(func.min(Task.id), func.max(Task.id))
    if project_id is not None:
        statement = statement.where(Task.project_id == project_id)
    with console.deployment.read() as session:
        low, high = session.execute(statement).one()
    return (low, high + 1) if low is not None else (0, 0)
