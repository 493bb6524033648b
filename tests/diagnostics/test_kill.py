"""A process that is killed while it applies or undoes leaves all rows old or all new, and the audit log tells which."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import event, select

from console.config import Settings
from console.deployment.models import Task
from console.diagnostics import change, row_update
from console.diagnostics import plan as plans
from console.service import Console
from console.state import audit
from tests.diagnostics.planned import actions, apply, plan_of, tasks_of, undo
from tests.factories import BOTH_ENGINES

ROWS = 500
#: Where the process dies -> whether the rows are written by then.
POINTS = {
    "before the intent": False,
    "after the intent": False,
    "between two updates": False,
    "before the transaction id is stored": False,
    "before the commit": False,
    "after the commit": True,
    "while the outcome is written": True,
}


def end_at(point: str, console: Console, end: Callable[[], None]) -> None:
    """Patch this process so that it ends at the point."""

    def before(owner: Any, name: str, at_call: int = 1) -> None:
        original, calls = getattr(owner, name), [0]

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            calls[0] += 1
            if calls[0] == at_call:
                end()
            return original(*args, **kwargs)

        setattr(owner, name, wrapped)

    def after(owner: Any, name: str, at_call: int = 1) -> None:
        original, calls = getattr(owner, name), [0]

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            calls[0] += 1
            if calls[0] == at_call:
                end()
            return result

        setattr(owner, name, wrapped)

    if point == "before the intent":
        after(audit, "append")  # written, not yet committed
    elif point == "after the intent":
        before(change, "apply")
    elif point == "between two updates":
        change.CHUNK = 100
        before(change, "_update", at_call=3)
    elif point == "before the transaction id is stored":
        before(plans, "_transaction_id")
    elif point == "before the commit":
        event.listen(console.deployment.fix_engine, "commit", lambda connection: end())
    elif point == "after the commit":
        before(plans, "_finish")
    else:
        after(audit, "append", at_call=2)


def in_child(settings: Settings, plan_id: str, doing: str, point: str, sign: signal.Signals) -> int:
    """Fork a process that applies or undoes the plan and sends itself the signal at the point; its pid."""
    child = os.fork()
    if child:
        return child
    try:
        console = Console(settings)
        end_at(point, console, lambda: os.kill(os.getpid(), sign))
        if doing == "apply":
            console.apply(plan_id, by="killed", reason="ticket 3", verify=False)
        else:
            console.undo(plan_id, by="killed", reason="ticket 3", verify=False)
    finally:
        os._exit(3)


def numbers(console: Console, project_id: int) -> set[int]:
    with console.deployment.read() as session:
        return set(session.scalars(select(Task.total_annotations).where(Task.project_id == project_id)))


def settled(console: Console) -> list[plans.Outcome]:
    """What recovering tells; PostgreSQL needs a moment to notice that a client is gone."""
    deadline = time.monotonic() + 10
    while True:
        found = console.recover()
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


@pytest.fixture
def planned(console, session):
    """A plan over 500 tasks of one project, and the project's id."""
    project_id, ids = tasks_of(console, session, ROWS)
    session.close()
    changes = [row_update(Task, key, before={"total_annotations": 0}, after={"total_annotations": 9}) for key in ids]
    return plan_of(console, changes), project_id


@BOTH_ENGINES
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("doing", ["apply", "undo"])
def test_killed(console, planned, doing, point):
    plan, project_id = planned
    old, new = (0, 9) if doing == "apply" else (9, 0)
    if doing == "undo":
        apply(console, plan)
    noted = actions(console)

    child = in_child(console.settings, plan.id, doing, point, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, "the point was never reached"

    written = POINTS[point]
    if point == "before the intent":
        assert console.recover() == []
        assert actions(console) == noted
    else:
        [outcome] = settled(console)
        told = {"apply": "applied", "undo": "undone"}[doing] if written else "failed"
        assert (outcome.status, outcome.rows) == (told, ROWS if written else 0)
        assert actions(console) == [*noted, f"{doing} intended", told]
    assert numbers(console, project_id) == {new if written else old}
    assert audit.verify(console.store).ok
    assert console.recover() == []

    # What is left can be carried on with.
    stands = plans.get(console.store, plan.id)
    assert stands.owner is None or point == "before the intent"
    if doing == "apply" and written:
        undo(console, plan)
        assert numbers(console, project_id) == {0}
    if doing == "undo" and not written:
        assert stands.status == "applied"
        undo(console, plan)
        assert numbers(console, project_id) == {0}


@BOTH_ENGINES
@pytest.mark.parametrize("point", ["after the intent", "before the commit", "after the commit"])
def test_a_process_that_is_alive_is_left_alone(console, planned, point):
    plan, project_id = planned
    child = in_child(console.settings, plan.id, "apply", point, signal.SIGSTOP)
    try:
        _, status = os.waitpid(child, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert console.recover() == []
        assert plans.get(console.store, plan.id).status == "applying"
    finally:
        os.kill(child, signal.SIGKILL)
    time.sleep(0.05)  # a zombie until somebody waits for it: dead all the same
    [outcome] = settled(console)
    os.waitpid(child, 0)
    written = POINTS[point]
    assert outcome.status == ("applied" if written else "failed")
    assert numbers(console, project_id) == {9 if written else 0}


@BOTH_ENGINES
def test_a_commit_whose_answer_is_lost_is_settled_by_asking_the_server(console, planned, engine):
    """The connection breaks while committing: neither "nothing was written" nor "applied" may be guessed."""
    plan, project_id = planned

    def cut(connection: Any) -> None:
        if engine == "postgresql":
            raw = connection.connection.dbapi_connection
            os.dup2(os.open(os.devnull, os.O_RDWR), raw.fileno())
        else:
            raise OSError("disk")

    event.listen(console.deployment.fix_engine, "commit", cut, once=True)
    with pytest.raises(Exception, match=r"nothing was written|not known yet|disk"):
        apply(console, plan)
    assert numbers(console, project_id) == {0}
    assert audit.verify(console.store).ok
    console.recover()
    assert plans.get(console.store, plan.id).status == "failed"
    assert actions(console) == ["apply intended", "failed"]


@BOTH_ENGINES
def test_two_consoles_that_recover_at_once_write_one_outcome(console, planned):
    plan, _ = planned
    child = in_child(console.settings, plan.id, "apply", "after the commit", signal.SIGKILL)
    os.waitpid(child, 0)
    others = [Console(console.settings) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = [outcome for told in pool.map(Console.recover, others) for outcome in told]
    assert [outcome.status for outcome in found] == ["applied"]
    assert actions(console) == ["apply intended", "applied"]
    for other in others:
        other.close()
