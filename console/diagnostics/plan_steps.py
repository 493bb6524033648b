"""Plans that are no transaction: carried out step by step, each step written down before and after.

A chunk of steps is journaled as `writing` with all that undo needs, then done, then journaled as done, left (the thing
moved on since the plan was made) or failed. After a `kill -9` the steps in between are settled by looking at the
deployment. What is done stays done when somebody stops the plan halfway, and undo takes back exactly that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from types import ModuleType
from typing import Any, cast

from sqlalchemy import Table, bindparam, insert, select, update

from ..deployment import Deployment
from ..state import Store
from ..state.models import PlanRow, PlanStep
from ..state.sealing import Sealer
from .documents import StepChange, step_of

#: Where a step's change stands in the plan, and the change.
Step = tuple[int, StepChange]
#: (position, done | left | failed, message, the change as written)
Result = tuple[int, str, str, StepChange]
Progress = Callable[[int, int, str], None]
#: Lines of what went otherwise that a message holds.
SHOWN = 3
#: Steps that one audit event names.
MOST_TOLD = 200


_STEPS = cast(Table, PlanStep.__table__)
_ONE = (_STEPS.c.plan_id == bindparam("of"), _STEPS.c.position == bindparam("step"))
_ENDED = update(_STEPS).where(*_ONE).values(
    status=bindparam("ended"), message=bindparam("told"), at=bindparam("when"))  # fmt: skip
_WRITTEN = update(_STEPS).where(*_ONE).values(document=bindparam("kept"))


class Journal:
    """What the steps of one plan have done, kept as they do it. `doing` is `apply` or `undo`."""

    def __init__(self, store: Store, deployment: Deployment, plan_id: str, doing: str, by: str = "console") -> None:
        self.store, self.plan_id, self.by, self._doing = store, plan_id, by, doing
        self._sealer = Sealer.of(deployment.settings)

    def intend(self, steps: Sequence[Step]) -> None:
        """These steps are about to be done; a change carries in `kept` what undo will need."""
        with self.store.session() as session:
            if self._doing == "undo":
                self._set(session, [position for position, _ in steps], "undoing", "")
                return
            rows = [
                {"plan_id": self.plan_id, "position": position, "status": "writing", "message": "",
                 "document": self._kept(change), "at": datetime.now(UTC)}
                for position, change in steps
            ]  # fmt: skip
            if rows:
                session.execute(insert(PlanStep), rows)

    def record(self, results: Sequence[Result]) -> None:
        """How these steps ended: done, left or failed, with a sentence for what was not done."""
        at = datetime.now(UTC)
        ended = [
            {"of": self.plan_id, "step": position, "ended": self._ended(status), "told": message, "when": at}
            for position, status, message, _ in results
        ]
        written = [
            {"of": self.plan_id, "step": position, "kept": self._kept(change)}
            for position, status, _, change in results if self._doing == "apply" and status == "done"
        ]  # fmt: skip
        with (
            self.store.session() as session
        ):  # many at once, below the ORM: thousands of statements took longer than Redis
            for statement, rows in ((_ENDED, ended), (_WRITTEN, written)):
                if rows:
                    session.connection().execute(statement, rows)

    def _ended(self, status: str) -> str:
        if self._doing == "apply":
            return status
        return "undone" if status == "done" else "done"

    def _set(self, session: Any, positions: Sequence[int], status: str, message: str) -> None:
        session.execute(
            update(PlanStep).where(PlanStep.plan_id == self.plan_id, PlanStep.position.in_(positions))
            .values(status=status, message=message, at=datetime.now(UTC))
        )  # fmt: skip

    def _kept(self, change: StepChange) -> dict[str, Any]:
        document = change.document()
        if document.get("kept") is not None:
            document["kept"] = self._sealer.seal_document(document["kept"])
        return document


def read(store: Store, deployment: Deployment, plan_id: str, *statuses: str) -> list[tuple[int, str, str, StepChange]]:
    """Position, status, message and change of the plan's steps, in order; those of some statuses alone when named."""
    sealer = Sealer.of(deployment.settings)
    statement = select(PlanStep).where(PlanStep.plan_id == plan_id).order_by(PlanStep.position)
    with store.read() as session:
        rows = session.scalars(statement.where(PlanStep.status.in_(statuses)) if statuses else statement).all()
    return [(row.position, row.status, row.message, _opened(sealer, row.document)) for row in rows]


def _opened(sealer: Sealer, document: dict[str, Any]) -> StepChange:
    if document.get("kept") is not None:
        document = document | {"kept": sealer.open_document(document["kept"])}
    return step_of(document)


def steps_of(store: Store, deployment: Deployment, plan: PlanRow, doing: str) -> list[Step]:
    """What is to be done: the plan's changes, or the inverses of what was done, the last first."""
    if doing == "apply":
        return [(position, step_of(document)) for position, document in enumerate(plan.changes)]
    done = read(store, deployment, plan.id, "done")
    return [(position, change.inverse()) for position, _, _, change in reversed(done)]  # type: ignore[union-attr]


def run(
    store: Store, deployment: Deployment, plan: PlanRow, family: str, doing: str, *, by: str, progress: Progress,
    stopped: Callable[[], bool],
) -> None:  # fmt: skip
    """Do the steps until the end, or until `stopped()`. What each did stands in the journal, whatever is raised."""
    steps = steps_of(store, deployment, plan, doing)
    _runner(family).apply(deployment, steps, Journal(store, deployment, plan.id, doing, by), progress, stopped)


def settle(store: Store, deployment: Deployment, plan: PlanRow, family: str, doing: str) -> None:
    """Look what became of steps that were under way when their process died."""
    journal = Journal(store, deployment, plan.id, doing)
    for position, _, _, change in read(store, deployment, plan.id, "writing", "undoing"):
        step = change.inverse() if doing == "undo" else change  # type: ignore[union-attr]
        status = _runner(family).settle(deployment, step)
        told = "" if status == "done" else "It broke off before this was done."
        journal.record([(position, status, told, change)])


def outcome(store: Store, plan: PlanRow, doing: str) -> tuple[str, int, str]:
    """The status the plan has now, how many steps were done (or undone), and what was not, in words."""
    with store.read() as session:
        rows = session.execute(
            select(PlanStep.status, PlanStep.message).where(PlanStep.plan_id == plan.id).order_by(PlanStep.position)
        ).all()
    counts = Counter(row.status for row in rows)
    told = _told(row.message for row in rows if row.message and (row.status != "done" or doing == "undo"))
    if doing == "undo":
        undone, left = counts["undone"], counts["done"]
        message = f"{undone:,} of {undone + left:,} taken back. {told}".strip() if left else ""
        return ("undone" if not left else "applied"), undone, message
    done, missing = counts["done"], plan.total - counts["done"]
    if not missing:
        return "applied", done, ""
    never = plan.total - len(rows)
    parts = [f"{done:,} of {plan.total:,} done" if done else "Nothing was done"]
    parts += [f"{counts[name]:,} {words}" for name, words in _NOT_DONE if counts[name]]
    parts += [f"{never:,} not begun"] if never else []
    message = f"{', '.join(parts)}. {told}".strip()
    if done:
        return "applied", done, message
    return ("conflict" if counts["left"] and not counts["failed"] else "failed"), 0, message


def told(store: Store, plan: PlanRow) -> dict[str, Any]:
    """What the audit log keeps of the steps: the first of them, each with its own sentence (sizes, a new place)."""
    with store.read() as session:
        rows = session.execute(
            select(PlanStep.position, PlanStep.status, PlanStep.message).where(PlanStep.plan_id == plan.id)
            .order_by(PlanStep.position).limit(MOST_TOLD)
        ).all()  # fmt: skip
    return {"steps": [{"step": row.position, "status": row.status, "message": row.message} for row in rows]}


_NOT_DONE = (("left", "moved on since and left alone"), ("failed", "failed"))


def _told(messages: Iterable[str]) -> str:
    """The first few different messages."""
    different = list(dict.fromkeys(messages))
    more = f" And {len(different) - SHOWN:,} more." if len(different) > SHOWN else ""
    return " ".join(different[:SHOWN]) + more


def _runner(family: str) -> ModuleType:
    if family == "queue":
        from . import queue_steps

        return queue_steps
    from . import server_steps

    return server_steps
