"""A plan is applied whole or not at all, says what it did, and is taken back exactly."""

from __future__ import annotations

import multiprocessing
from dataclasses import asdict

import pytest
from sqlalchemy import select, update

from console.config import Settings
from console.deployment.models import Task, User
from console.diagnostics import plan as plans
from console.diagnostics import row_update
from console.diagnostics.change import from_dict
from console.errors import Conflict, NotFound, Refused
from console.service import Console
from console.state import audit
from console.state.models import PlanRow
from tests.diagnostics.planned import actions, apply, plan_of, tasks_of, undo
from tests.factories import BOTH_ENGINES, change_row
from tests.round_trip import table_digests


def rename(user_id: int = 1, before: str = "alice@example.com", after: str = "alice@example.org"):
    return row_update(User, user_id, before={"email": before}, after={"email": after})


def email(console: Console, user_id: int = 1) -> str:
    with console.deployment.read() as session:
        return session.scalar(select(User.email).where(User.id == user_id))


def test_planning_writes_nothing_and_names_what_it_will_do(console):
    before = table_digests(console.deployment)
    plan = plan_of(console, [rename()])
    assert table_digests(console.deployment) == before
    assert plan.total == 1 and plan.status == "planned" and plan.reversible
    assert plan.fingerprint == plans.fingerprint(console.deployment.identity, plan.changes)
    assert asdict(from_dict(plan.changes[0]))["after"] == {"email": "alice@example.org"}


@BOTH_ENGINES
def test_apply_and_undo_leave_intent_and_outcome_in_the_audit_log(console):
    before = table_digests(console.deployment)
    plan = plan_of(console, [rename()])
    outcome = apply(console, plan)
    assert (outcome.status, outcome.rows) == ("applied", 1)
    assert email(console) == "alice@example.org"
    undone = undo(console, plan)
    assert (undone.status, undone.rows) == ("undone", 1)
    assert table_digests(console.deployment) == before
    assert actions(console) == ["apply intended", "applied", "undo intended", "undone"]
    assert audit.verify(console.store) == audit.Verdict(True, 4)


@BOTH_ENGINES
def test_a_row_that_moved_is_a_conflict_and_no_row_is_written(console, session):
    plan = plan_of(console, [rename(2, "bob@example.com", "bob@example.org"), rename()])
    change_row(session, "htx_user", 1, email="alice@elsewhere.example")
    before = table_digests(console.deployment)
    with pytest.raises(Conflict, match=r"htx_user 1 changed since this plan was made \(email is now 'alice@elsewhere"):
        apply(console, plan)
    assert table_digests(console.deployment) == before
    assert actions(console) == ["apply intended", "conflict"]
    assert plans.get(console.store, plan.id).status == "conflict"


@BOTH_ENGINES
def test_a_row_that_is_gone_is_a_conflict(console):
    plan = plan_of(console, [rename(4711)])
    with pytest.raises(Conflict, match="htx_user 4711 is gone"):
        apply(console, plan)


@BOTH_ENGINES
def test_a_value_the_database_refuses_writes_nothing(console):
    plan = plan_of(console, [rename(), rename(2, "bob@example.com", "carol@example.com")])
    before = table_digests(console.deployment)
    with pytest.raises(Refused, match=r"failed while writing|Nothing was written"):
        apply(console, plan)
    assert table_digests(console.deployment) == before
    assert plans.get(console.store, plan.id).status == "failed"
    assert actions(console) == ["apply intended", "failed"]


def test_a_conflict_never_shows_a_secret(console, session):
    plan = plan_of(console, [row_update(User, 1, before={"password": "expected"}, after={"password": "new"})])
    with pytest.raises(Conflict) as caught:
        apply(console, plan)
    assert "pbkdf2" not in str(caught.value) and "another secret" in str(caught.value)


def test_a_plan_is_applied_once(console):
    plan = plan_of(console, [rename()])
    apply(console, plan)
    with pytest.raises(Refused, match="is applied; only a plan that is planned can be applied"):
        apply(console, plan)
    assert actions(console) == ["apply intended", "applied"]


def test_a_plan_is_undone_once(console):
    plan = plan_of(console, [rename()])
    with pytest.raises(Refused, match="is planned"):
        undo(console, plan)
    apply(console, plan)
    undo(console, plan)
    with pytest.raises(Refused, match="is undone; only a plan that is applied can be undone"):
        undo(console, plan)


@BOTH_ENGINES
def test_undo_after_the_row_moved_is_a_conflict_and_may_be_tried_again(console, session):
    plan = plan_of(console, [rename()])
    apply(console, plan)
    change_row(session, "htx_user", 1, email="alice@elsewhere.example")
    with pytest.raises(Conflict):
        undo(console, plan)
    assert email(console) == "alice@elsewhere.example"
    assert plans.get(console.store, plan.id).status == "applied"
    change_row(session, "htx_user", 1, email="alice@example.org")
    undo(console, plan)
    assert email(console) == "alice@example.com"


def test_a_plan_without_an_inverse_is_not_undone(console):
    plan = plan_of(console, [rename()], reversible=False)
    apply(console, plan)
    with pytest.raises(Refused, match="cannot be undone"):
        undo(console, plan)
    assert email(console) == "alice@example.org"


def test_a_plan_that_was_altered_in_the_store_is_refused(console):
    plan = plan_of(console, [rename()])
    altered = [document | {"key": {"id": 2}} for document in plan.changes]
    with console.store.session() as session:
        session.execute(update(PlanRow).values(changes=altered))
    with pytest.raises(Refused, match="not the one that was shown"):
        apply(console, plan)


def test_the_fingerprint_somebody_saw_must_be_the_one_applied(console):
    plan = plan_of(console, [rename()])
    with pytest.raises(Refused, match="not the one that was shown"):
        console.apply(plan.id, by="test", reason="ticket", seen="0" * 64)
    assert actions(console) == []


def test_a_reason_is_needed(console):
    plan = plan_of(console, [rename()])
    with pytest.raises(Refused, match="Say why"):
        console.apply(plan.id, by="test", reason="  ")


def test_a_plan_of_another_database_is_refused(console, dump_url, tmp_path):
    plan = plan_of(console, [rename()])
    (tmp_path / "other").mkdir()
    moved = tmp_path / "other" / "label_studio.sqlite3"
    moved.write_bytes((tmp_path / "label-studio-1.23.2.sqlite3").read_bytes())
    elsewhere = Console(console.settings.with_(database_url=f"sqlite:///{moved}"))
    with pytest.raises(Refused, match="another database; nothing was written"):
        apply(elsewhere, plan)
    assert email(elsewhere) == "alice@example.com"
    elsewhere.close()


def test_unknown_plans_and_events_are_not_found(console):
    with pytest.raises(NotFound):
        apply(console, PlanRow(id="nope", fingerprint=""))
    for number in (0, -1, 7, 2**40):
        with pytest.raises(NotFound, match="no audit event"):
            plans.by_audit(console.store, number)


def test_a_fix_that_has_nothing_left_to_do_is_refused(console):
    with pytest.raises(Refused, match="nothing to change any more"):
        plan_of(console, [])


@BOTH_ENGINES
def test_five_thousand_rows_in_one_plan(console, session):
    project_id, ids = tasks_of(console, session, plans.PLAN_LIMIT + 10)
    changes = [row_update(Task, key, before={"total_annotations": 0}, after={"total_annotations": 7}) for key in ids]
    plan = plan_of(console, changes)
    assert (plan.total, plan.left_out) == (plans.PLAN_LIMIT, 10)
    assert apply(console, plan).rows == plans.PLAN_LIMIT
    with console.deployment.read() as reading:
        assert reading.scalar(select(Task.total_annotations).where(Task.id == ids[-1])) == 0
        sevens = reading.scalars(select(Task.id).where(Task.project_id == project_id, Task.total_annotations == 7))
        assert len(list(sevens)) == plans.PLAN_LIMIT
    assert undo(console, plan).rows == plans.PLAN_LIMIT
    with console.deployment.read() as reading:
        assert not reading.scalar(select(Task.id).where(Task.total_annotations == 7, Task.project_id == project_id))


@BOTH_ENGINES
def test_two_processes_apply_the_same_plan_and_one_of_them_does(console):
    plan = plan_of(console, [rename()])
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        told = pool.starmap(_apply_elsewhere, [(console.settings, plan.id)] * 2)
    assert sorted(word for word, _ in told) == ["Refused", "applied"], told
    assert email(console) == "alice@example.org"
    assert actions(console) == ["apply intended", "applied"]


def _apply_elsewhere(settings: Settings, plan_id: str) -> tuple[str, str]:
    console = Console(settings)
    try:
        outcome = console.apply(plan_id, by="other process", reason="at once", verify=False)
        return outcome.status, ""
    except Refused as error:
        return type(error).__name__, str(error)
    finally:
        console.close()


@pytest.mark.parametrize("engine", ["postgresql"])
def test_a_role_that_may_only_look_is_told_the_grant_and_nothing_is_written(console, session):
    session.connection().exec_driver_sql("drop role if exists plan_looker")
    session.connection().exec_driver_sql("create role plan_looker login")
    session.connection().exec_driver_sql("grant select on all tables in schema public to plan_looker")
    session.commit()
    url = console.settings.database_url.replace("postgres@", "plan_looker@")
    looking = Console(console.settings.with_(database_url=url))
    plan = plan_of(looking, [rename()])
    assert looking.deployment.can_fix is False
    with pytest.raises(Refused, match="GRANT SELECT, INSERT, UPDATE, DELETE ON htx_user TO plan_looker;"):
        apply(looking, plan)
    assert actions(looking) == ["apply intended", "failed"]
    looking.close()
    fixing = Console(console.settings.with_(database_url=url, fix_database_url=console.settings.database_url))
    plan = plan_of(fixing, [rename()])
    assert apply(fixing, plan).status == "applied"
    undo(fixing, plan)
    fixing.close()
    session.connection().exec_driver_sql("drop owned by plan_looker")
    session.connection().exec_driver_sql("drop role plan_looker")
    session.commit()
