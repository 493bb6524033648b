"""Plans: dry run, apply, undo, and what a crash in between leaves behind.

Plans of rows are told here; those of queues and of the database server go step by step, see `plan_steps`.

A plan is made from the rows of a finding and kept in the state store. Applying it writes, in this order: the intent
(audit), the rows of Label Studio in one transaction, the outcome (audit). Just before the commit the store learns
PostgreSQL's transaction id and what was written; so after a `kill -9` at any point `recover` can tell whether the
commit happened, and the audit says so.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ..deployment import Deployment
from ..errors import Conflict, ConsoleError, NotFound, Refused
from ..state import Store, audit, leases, new_id
from ..state.models import PlanRow
from ..state.sealing import Sealer
from ..state.store import is_alive, this_process
from . import change as changes_module
from . import plan_steps
from .change import Change
from .change import from_dict as rows_from_dict
from .check import Check, Context, Finding
from .documents import AnyChange, family_of, is_reversible, to_dict
from .plan_commits import was_committed

#: Most changes one plan holds; a finding with more wrong rows is repaired shard by shard.
PLAN_LIMIT = 5000
#: An unfinished plan of another machine is looked at after this long.
ABANDONED_AFTER = timedelta(minutes=10)
#: For so long it is tried to find out what became of the last steps of a plan that broke off.
UNSETTLED_AFTER = timedelta(days=1)
#: Plans that this very process is carrying out.
_under_way: Counter[str] = Counter()


@dataclass(frozen=True)
class Outcome:
    """What applying or undoing a plan did."""

    plan_id: str
    status: str
    rows: int
    audit_seq: int
    message: str = ""


def make(
    store: Store, ctx: Context, check: Check, fix_id: str, findings: Sequence[Finding], *, by: str,
    finding_id: int | None = None, job_id: str | None = None,
) -> PlanRow:  # fmt: skip
    """Plan one fix for one finding, or for several of the same check. Nothing is written to the deployment.

    Raises Refused when the fix has nothing to change or says why it must not.
    """
    fix = check.get_fix(fix_id)
    planned: list[AnyChange] = []
    left_out = 0
    for finding in findings:
        before = len(planned)
        planned += list(fix.plan(ctx, finding))
        left_out += max(0, finding.evidence.total - len(finding.evidence.rows)) if len(planned) > before else 0
    if not planned:
        raise Refused(f"{check.code}: there is nothing to change any more. Run the check again.")
    subject, name = (findings[0].subject, findings[0].name) if len(findings) == 1 else ("", f"{len(findings)} findings")
    return keep(
        store, ctx.deployment, planned, code=check.code, fix_id=fix_id, title=fix.title, subject=subject, name=name, by=by,
        reversible=fix.reversible and is_reversible(planned), left_out=left_out, finding_id=finding_id, job_id=job_id,
    )  # fmt: skip


def keep(
    store: Store, deployment: Deployment, changes: Sequence[AnyChange], *, code: str, fix_id: str, title: str, subject: str,
    name: str, by: str, reversible: bool = True, left_out: int = 0, finding_id: int | None = None,
    job_id: str | None = None,
) -> PlanRow:  # fmt: skip
    """Keep changes as a plan to be reviewed. `code` is a check, or an area whose checks are asked after the apply."""
    if len(changes) > PLAN_LIMIT:
        left_out, changes = left_out + len(changes) - PLAN_LIMIT, changes[:PLAN_LIMIT]
    documents = _documents(deployment, changes)
    family_of(documents)
    row = PlanRow(
        id=new_id(), deployment=deployment.identity, code=code, fix_id=fix_id, title=title,
        subject=subject, subject_name=name, finding_id=finding_id, job_id=job_id, reversible=reversible,
        status="planned", fingerprint=fingerprint(deployment.identity, documents), changes=documents,
        total=len(documents), left_out=left_out, written=None, created_by=by, created_at=datetime.now(UTC), verify=None,
    )  # fmt: skip
    with store.session() as session:
        session.add(row)
    return row


def _documents(deployment: Deployment, changes: Sequence[AnyChange]) -> list[dict[str, Any]]:
    """Changes as they are kept: the secrets among them sealed."""
    sealer = Sealer.of(deployment.settings)
    return [to_dict(sealer.seal(item) if isinstance(item, Change) else item) for item in changes]


def fingerprint(deployment: str, documents: Sequence[dict[str, Any]]) -> str:
    """Names exactly these changes on exactly this database."""
    text_ = json.dumps([deployment, list(documents)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text_.encode()).hexdigest()


def get(store: Store, plan_id: str) -> PlanRow:
    with store.read() as session:
        row = session.get(PlanRow, plan_id)
    if row is None:
        raise NotFound(f"There is no plan {plan_id}.")
    return row


def by_audit(store: Store, seq: int) -> PlanRow:
    """The plan that an audit event is about. Raises Refused for an event without one."""
    event = audit.get(store, seq)
    if not event.plan_id:
        raise Refused(
            f"Audit event {seq} ({event.action}) changed nothing in the deployment; there is nothing to undo."
        )
    return get(store, event.plan_id)


def _quiet(done: int, total: int, label: str) -> None:
    """No progress wanted."""


def apply(
    store: Store, deployment: Deployment, plan_id: str, *, by: str, reason: str, seen: str | None = None,
    progress: plan_steps.Progress = _quiet, stopped: Callable[[], bool] = lambda: False,
) -> Outcome:  # fmt: skip
    """Carry a plan out. `seen` is the fingerprint the person looked at.

    Rows are written all or none: raises Conflict (and writes nothing) when one moved on. Step-wise plans do what can be
    done until `stopped()`; the message tells what was not. Raises Refused when the plan is not one to apply.
    """
    plan = get(store, plan_id)
    if fingerprint(plan.deployment, plan.changes) != plan.fingerprint or (
        seen is not None and seen != plan.fingerprint
    ):
        raise Refused(f"Plan {plan_id} is not the one that was shown. Plan again and review it.")
    if family(plan) != "rows":
        return _by_steps(store, deployment, plan, by, reason, "apply", progress, stopped)
    changes = [rows_from_dict(document) for document in plan.changes]
    return _in_one_transaction(store, deployment, plan, changes, by=by, reason=reason, doing="apply")


def undo(
    store: Store, deployment: Deployment, plan_id: str, *, by: str, reason: str, progress: plan_steps.Progress = _quiet,
    stopped: Callable[[], bool] = lambda: False,
) -> Outcome:  # fmt: skip
    """Write the inverses in reverse order under the same guard."""
    plan = get(store, plan_id)
    if not plan.reversible:
        raise Refused(f"“{plan.title}” cannot be undone; its old values stand in the audit log.")
    if family(plan) != "rows":
        return _by_steps(store, deployment, plan, by, reason, "undo", progress, stopped)
    inverses = [rows_from_dict(document).inverse() for document in reversed(plan.written or [])]
    return _in_one_transaction(store, deployment, plan, inverses, by=by, reason=reason, doing="undo")


def family(plan: PlanRow) -> str:
    """`rows`, `queue` or `server`: what the plan changes, and so how it is carried out."""
    return family_of(plan.changes)


_WORDS = {"apply": ("applying", "applied", "apply intended"), "undo": ("undoing", "undone", "undo intended")}
_FROM = {"apply": "planned", "undo": "applied"}


def _take(
    store: Store, deployment: Deployment, plan: PlanRow, by: str, reason: str, doing: str, data: dict[str, Any]
) -> None:
    """Make the plan ours, and write the intent. Raises Refused when somebody else has it, or it is another's."""
    during, after, intent = _WORDS[doing]
    if not reason.strip():
        raise Refused("Say why: a reason is kept in the audit log. A ticket number is enough.")
    if plan.deployment != deployment.identity:
        raise Refused(f"Plan {plan.id} was made for another database; nothing was written.")
    with store.session() as session:
        taken = session.execute(
            update(PlanRow).where(PlanRow.id == plan.id, PlanRow.status == _FROM[doing])
            .values(status=during, owner=this_process(), transaction_id=None, reason=reason,
                    applied_by=by, applied_at=datetime.now(UTC))
        )  # fmt: skip
        if taken.rowcount != 1:  # type: ignore[attr-defined]
            now = session.scalar(select(PlanRow.status).where(PlanRow.id == plan.id))
            raise Refused(f"Plan {plan.id} is {now}; only a plan that is {_FROM[doing]} can be {after}.")
        _event(session, plan, by, intent, reason, 0, data | {"fingerprint": plan.fingerprint})


@contextmanager
def _at_work(plan_id: str) -> Iterator[None]:
    _under_way[plan_id] += 1
    try:
        yield
    finally:
        _under_way[plan_id] -= 1


def _in_one_transaction(
    store: Store, deployment: Deployment, plan: PlanRow, changes: Sequence[Any], *, by: str, reason: str, doing: str
) -> Outcome:
    with _at_work(plan.id):
        return _written(store, deployment, plan, changes, by, reason, doing)


def _written(
    store: Store, deployment: Deployment, plan: PlanRow, changes: Sequence[Any], by: str, reason: str, doing: str
) -> Outcome:
    _take(store, deployment, plan, by, reason, doing, {"changes": [to_dict(item) for item in changes]})
    after = _WORDS[doing][1]
    try:
        sealer = Sealer.of(deployment.settings)
        opened = [sealer.open(item) for item in changes]
        with deployment.write() as target:
            written = changes_module.apply(target, deployment.schema, opened)
            with store.session() as session:
                row = session.get_one(PlanRow, plan.id)
                row.transaction_id = _transaction_id(target)
                if doing == "apply":
                    row.written = _documents(deployment, written)
    except ConsoleError as error:
        status = "conflict" if isinstance(error, Conflict) else "failed"
        # A refused undo leaves an applied plan behind, which may be undone later.
        _finish(store, plan, by, status, reason, 0, str(error), keep=_FROM[doing] if doing == "undo" else None)
        raise
    except SQLAlchemyError as error:
        # The connection broke, perhaps while committing: only the server knows. Ask it, or leave it to `recover`.
        settled = _try_to_settle(store, deployment, plan.id)
        told = settled.message if settled else "Whether it was committed is not known yet; the audit log will tell."
        raise Refused(f"The database failed while writing ({type(error).__name__}). {told}") from error
    except BaseException:
        _try_to_settle(store, deployment, plan.id)
        raise
    event = _finish(store, plan, by, after, reason, len(written), "")
    return Outcome(plan.id, after, len(written), event or get(store, plan.id).audit_seq or 0)


def _by_steps(
    store: Store, deployment: Deployment, plan: PlanRow, by: str, reason: str, doing: str,
    progress: plan_steps.Progress, stopped: Callable[[], bool],
) -> Outcome:  # fmt: skip
    """Do the steps one by one; whatever ends it, the audit log says what was done and what was not."""
    with _at_work(plan.id):
        _take(store, deployment, plan, by, reason, doing, {"changes": plan.changes})
        with leases.working(store, _lease(plan.id), stopped) as still:
            return _stepped(store, deployment, plan, by, reason, doing, progress, still)


def _lease(plan_id: str) -> str:
    """Tells consoles on other machines that the plan is being worked on."""
    return f"plan {plan_id}"


def _stepped(
    store: Store, deployment: Deployment, plan: PlanRow, by: str, reason: str, doing: str,
    progress: plan_steps.Progress, stopped: Callable[[], bool],
) -> Outcome:  # fmt: skip
    try:
        plan_steps.run(store, deployment, plan, family(plan), doing, by=by, progress=progress, stopped=stopped)
    except ConsoleError as error:
        done = _end_steps(store, deployment, plan, by, reason, doing, str(error))
        if not done.rows:
            raise
        return done
    except BaseException:
        _end_steps(store, deployment, plan, by, reason, doing, "The console stopped with an error of its own.")
        raise
    done = _end_steps(store, deployment, plan, by, reason, doing, "")
    if not done.rows and not stopped():
        raise (Conflict if done.status == "conflict" or doing == "undo" else Refused)(done.message)
    return done


def _end_steps(
    store: Store, deployment: Deployment, plan: PlanRow, by: str, reason: str, doing: str, error: str
) -> Outcome:
    """The outcome as the journal tells it: steps under way are looked at first."""
    try:
        plan_steps.settle(store, deployment, plan, family(plan), doing)
    except (ConsoleError, SQLAlchemyError) as unsettled:
        why = str(unsettled) if isinstance(unsettled, ConsoleError) else type(unsettled).__name__
        error = f"{error} What became of the last steps is not known: {why}".strip()
        if plan.applied_at is None or datetime.now(UTC) - plan.applied_at < UNSETTLED_AFTER:
            return _put_off(store, plan, doing, error)
    status, rows, message = plan_steps.outcome(store, plan, doing)
    message = " ".join(part for part in (message, error) if part)
    # An undo that did not get through leaves an applied plan; the log must not say that it was applied again.
    word = ("undone in part" if rows else "undo failed") if doing == "undo" and status == "applied" else status
    told = plan_steps.told(store, plan) | ({"message": message} if message else {})
    shown = "" if word == "undo failed" else message
    seq = _finish(store, plan, by, word, reason, rows, shown, keep=status, data=told)
    return Outcome(plan.id, status, rows, seq or get(store, plan.id).audit_seq or 0, message)


def _put_off(store: Store, plan: PlanRow, doing: str, told: str) -> Outcome:
    """Leave the plan to `recover`, which looks again until the deployment answers."""
    rows = plan_steps.outcome(store, plan, doing)[1]
    with store.session() as session:
        session.execute(update(PlanRow).where(PlanRow.id == plan.id).values(owner=None, message=told))
    return Outcome(plan.id, _WORDS[doing][0], rows, get(store, plan.id).audit_seq or 0, told)


def _try_to_settle(store: Store, deployment: Deployment, plan_id: str) -> Outcome | None:
    """Settle a plan of this very process, or give it up so that `recover` may, from whatever console."""
    try:
        with store.session() as session:
            session.execute(update(PlanRow).where(PlanRow.id == plan_id).values(owner=None))
        return _settle(store, deployment, plan_id, by="console")
    except (ConsoleError, SQLAlchemyError):
        return None


def _transaction_id(session: Session) -> int | None:
    if session.get_bind().dialect.name != "postgresql":
        return None
    return session.scalar(text("select txid_current()"))


def _event(session: Session, plan: PlanRow, by: str, action: str, reason: str, rows: int, data: dict[str, Any]) -> int:
    event = audit.append(
        session, actor=by, action=action, subject=plan.subject, code=plan.code, reason=reason, plan_id=plan.id,
        rows=rows, data={"title": plan.title, "fix": plan.fix_id} | data,
    )  # fmt: skip
    return event.seq


def _finish(
    store: Store, plan: PlanRow, by: str, status: str, reason: str, rows: int, message: str, keep: str | None = None,
    data: dict[str, Any] | None = None,
) -> int | None:  # fmt: skip
    """Write the outcome and end the plan's time as applying or undoing; None when somebody else has done so."""
    with store.session() as session:
        ended = session.execute(
            update(PlanRow).where(PlanRow.id == plan.id, PlanRow.status.in_(["applying", "undoing"]))
            .values(status=keep or status, message=message, owner=None)
        )  # fmt: skip
        if ended.rowcount != 1:  # type: ignore[attr-defined]
            return None
        seq = _event(session, plan, by, status, reason, rows, ({"message": message} if message else {}) | (data or {}))
        row = session.get_one(PlanRow, plan.id)
        if status in {"applied", "undone"}:
            row.audit_seq = seq
    return seq


def recover(store: Store, deployment: Deployment) -> list[Outcome]:
    """Settle plans whose process died between intent and outcome. Safe to call at any time, from any console."""
    with store.read() as session:
        rows = session.scalars(
            select(PlanRow).where(
                PlanRow.status.in_(["applying", "undoing"]), PlanRow.deployment == deployment.identity
            )
        ).all()
    settled = []
    for row in rows:
        if _is_worked_on(store, row):
            continue
        outcome = _settle(store, deployment, row.id, by="console")
        if outcome:
            settled.append(outcome)
    return settled


def _is_worked_on(store: Store, row: PlanRow) -> bool:
    """Whether the process that took the plan is still at it, as far as can be told from here."""
    alive = is_alive(row.owner)
    if alive is None:
        recent = row.applied_at is not None and datetime.now(UTC) - row.applied_at < ABANDONED_AFTER
        return recent or leases.is_held(store, _lease(row.id))
    return alive and (row.owner != this_process() or _under_way[row.id] > 0)


def _settle(store: Store, deployment: Deployment, plan_id: str, *, by: str) -> Outcome | None:
    """Find out whether an interrupted transaction was committed, and write the missing outcome. None: still running."""
    plan = get(store, plan_id)
    doing = "undo" if plan.status == "undoing" else "apply"
    if plan.status not in {"applying", "undoing"}:
        return None
    if family(plan) != "rows":
        told = "The process stopped before all was done."
        return _end_steps(store, deployment, plan, by, plan.reason, doing, told)
    committed = was_committed(deployment, plan, doing)
    if committed is None:
        return None
    after, back = ("undone", "applied") if doing == "undo" else ("applied", "failed")
    message = (
        f"The process stopped after the commit; all {plan.total} changes are in place."
        if committed
        else "The process stopped before the commit; nothing was written."
    )
    status = after if committed else "failed"
    seq = _finish(store, plan, by, status, plan.reason, plan.total if committed else 0, message,
                  keep=None if committed else back)  # fmt: skip
    if seq is None:
        return None
    return Outcome(plan.id, status, plan.total if committed else 0, seq, message)


def set_verify(store: Store, plan_id: str, verify: dict[str, Any]) -> None:
    """Keep what the check said after the plan was applied or undone."""
    with store.session() as session:
        row = session.get_one(PlanRow, plan_id)
        row.verify = verify
        _event(session, row, "console", "verified", "", int(verify.get("findings", 0)), {"verify": verify})
