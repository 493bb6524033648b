"""Plans of changes that a test names itself, without a check that finds something first."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from console.deployment.models import Task
from console.diagnostics import Change, Check, Finding, Severity
from console.diagnostics import plan as plans
from console.diagnostics.check import Context, Fix
from console.diagnostics.probes import BucketProbes
from console.service import Console
from console.state.models import AuditEvent, PlanRow
from tests.factories import make_task


def plan_of(console: Console, changes: Sequence[Change], *, reversible: bool = True) -> PlanRow:
    """A stored plan of exactly these changes."""
    check = Check("tests.planned", "Nothing is planned", Severity.INFO, lambda ctx: iter(()), "")
    check.fixes["write"] = Fix("write", "Write these rows", reversible, lambda ctx, finding: iter(changes))
    probes = BucketProbes(console.deployment)
    ctx = Context(console.deployment, probes)
    try:
        return plans.make(console.store, ctx, check, "write", [Finding("deployment:1", "seen")], by="test")
    finally:
        ctx.close()
        probes.close()


def apply(console: Console, plan: PlanRow) -> plans.Outcome:
    """Apply without asking a check afterwards: these plans have none."""
    return console.apply(plan.id, by="test", reason="ticket 1", seen=plan.fingerprint, verify=False)


def undo(console: Console, plan: PlanRow) -> plans.Outcome:
    return console.undo(plan.id, by="test", reason="ticket 2", verify=False)


def actions(console: Console) -> list[str]:
    """What the audit log says happened, oldest first."""
    with console.store.read() as session:
        return list(session.scalars(select(AuditEvent.action).order_by(AuditEvent.seq)))


def tasks_of(console: Console, session: Session, number: int) -> tuple[int, list[int]]:
    """A project of so many equal tasks, written by one statement: its id and theirs."""
    first = make_task(session)
    task = console.deployment.schema.table("task")
    row = {name: value for name, value in vars(first).items() if name != "id"}
    session.execute(insert(task), [row | {"inner_id": at} for at in range(2, number + 1)])
    session.commit()
    ids = select(Task.id).where(Task.project_id == first.project_id).order_by(Task.id)
    with console.deployment.read() as reading:
        return first.project_id, list(reading.scalars(ids))
