"""Plans: preview, apply with a reason, conflict, undo, large ones, those without a way back."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from console.deployment.models import Task, User
from console.diagnostics import plan as plans
from console.diagnostics.auth.mixed_case_email import mixed_case_email
from console.diagnostics.change import row_update
from console.diagnostics.check import Fix
from console.service import Console
from tests.factories import change_row, make_project, make_tasks, make_user
from tests.views.conftest import Browser, assert_queries

CODE = "auth.mixed_case_email"


@pytest.fixture
def user_id(session: Session) -> int:
    return make_user(session, email="Big.Letters@Example.com").id


def plan_of(console: Console, user_id: int, fix: str = "lower") -> plans.PlanRow:
    report = console.check([CODE], by="test")
    finding = next(item for item in report.findings if item.subject == f"user:{user_id}")
    from console.state import findings

    with console.store.read() as store:
        [row] = findings.on_subjects(store, console.deployment.identity, [finding.subject])
    return console.plan(replace(finding, fixes=None), fix, by="test", finding_id=row.id)


def email_of(session: Session, user_id: int) -> str:
    session.rollback()
    email = session.scalar(select(User.email).where(User.id == user_id))
    session.rollback()
    return email or ""


def test_the_preview_shows_before_and_after(admin: Browser, console: Console, user_id: int) -> None:
    plan = plan_of(console, user_id)
    with assert_queries(console.deployment.engine, at_most=4), assert_queries(console.store.engine, at_most=14):
        body = admin.text(f"/plans/{plan.id}")
    assert "<del>Big.Letters@Example.com</del>" in body and "<ins>big.letters@example.com</ins>" in body
    assert "Apply 1 change" in body and plan.fingerprint in body


def test_apply_verify_undo(admin: Browser, console: Console, session: Session, user_id: int) -> None:
    plan = plan_of(console, user_id)
    response = admin.send(f"/plans/{plan.id}/apply", reason="T-1 <b>é雪</b>", fingerprint=plan.fingerprint)
    assert (response.status_code, response.location) == (303, f"/plans/{plan.id}")
    assert email_of(session, user_id) == "big.letters@example.com"
    body = admin.text(response.location)
    assert "checked again, nothing found" in body and "T-1 &lt;b&gt;é雪&lt;/b&gt;" in body and "Undo 1 change" in body
    again = admin.send(f"/plans/{plan.id}/apply", reason="twice", fingerprint=plan.fingerprint)
    assert "only a plan that is planned" in admin.text(again.location)
    assert admin.send(f"/plans/{plan.id}/undo", reason="").status_code == 422
    admin.send(f"/plans/{plan.id}/undo", reason="it was not that")
    assert email_of(session, user_id) == "Big.Letters@Example.com"
    assert "the finding is back" in admin.text(f"/plans/{plan.id}")
    assert "Undid" in admin.text("/")


def test_without_a_reason_nothing_is_written(admin: Browser, console: Console, session: Session, user_id: int) -> None:
    plan = plan_of(console, user_id)
    response = admin.send(f"/plans/{plan.id}/apply", reason=" \x00 ", fingerprint=plan.fingerprint)
    assert response.status_code == 422 and "Say why" in response.get_data(as_text=True)
    assert email_of(session, user_id) == "Big.Letters@Example.com"


@pytest.mark.parametrize("seen", ["", "0" * 64, "x"])
def test_another_fingerprint_is_refused(
    admin: Browser, console: Console, session: Session, user_id: int, seen: str
) -> None:
    plan = plan_of(console, user_id)
    response = admin.send(f"/plans/{plan.id}/apply", reason="T-1", fingerprint=seen)
    assert "is not the one that was shown" in admin.text(response.location)
    assert email_of(session, user_id) == "Big.Letters@Example.com"


def test_support_sees_the_plan_and_who_can_apply(
    support: Browser, admin: Browser, console: Console, session: Session, user_id: int
) -> None:
    plan = plan_of(console, user_id)
    body = support.text(f"/plans/{plan.id}")
    assert "Your account may look, not change" in body and "admin@example.com" in body
    assert "/apply" not in body and "Plan again" in body
    for doing in ("apply", "undo", "repair"):
        assert support.send(f"/plans/{plan.id}/{doing}", reason="x", fingerprint=plan.fingerprint).status_code == 403
    assert email_of(session, user_id) == "Big.Letters@Example.com"


def test_applying_needs_a_token_and_a_session(
    admin: Browser, anonymous: Browser, console: Console, user_id: int
) -> None:
    plan = plan_of(console, user_id)
    assert (
        admin.post(f"/plans/{plan.id}/apply", data={"reason": "x", "fingerprint": plan.fingerprint}).status_code == 400
    )
    assert anonymous.get(f"/plans/{plan.id}").status_code == 302
    assert plans.get(console.store, plan.id).status == "planned"


def test_a_row_that_moved_on_is_a_conflict(admin: Browser, console: Console, session: Session, user_id: int) -> None:
    plan = plan_of(console, user_id)
    change_row(session, "htx_user", user_id, email="Moved.On@Example.com")
    response = admin.send(f"/plans/{plan.id}/apply", reason="T-1", fingerprint=plan.fingerprint)
    body = admin.text(response.location)
    assert "changed since this plan was made" in body and "Plan again" in body
    assert email_of(session, user_id) == "Moved.On@Example.com"
    new = admin.send(f"/plans/{plan.id}/again")
    assert new.status_code == 303 and new.location != f"/plans/{plan.id}"
    assert "moved.on@example.com" in admin.text(new.location)


def test_planning_again_after_somebody_else_repaired_it(
    admin: Browser, console: Console, session: Session, user_id: int
) -> None:
    plan = plan_of(console, user_id)
    change_row(session, "htx_user", user_id, email="big.letters@example.com")
    response = admin.send(f"/plans/{plan.id}/again")
    assert response.location == f"/findings/{plan.finding_id}"
    assert "there is nothing to plan" in admin.text(response.location)


def test_no_way_back_takes_a_typed_phrase(
    admin: Browser, console: Console, session: Session, user_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def burn(_ctx: Any, finding: Any) -> Any:
        yield row_update(
            User, user_id, before={"email": "Big.Letters@Example.com"}, after={"email": "gone@example.com"}
        )

    monkeypatch.setitem(mixed_case_email.fixes, "burn", Fix("burn", "Burn it", False, burn))
    plan = plan_of(console, user_id, "burn")
    assert "apply 1 change" in admin.text(f"/plans/{plan.id}")
    wrong = admin.send(f"/plans/{plan.id}/apply", reason="T", fingerprint=plan.fingerprint, phrase="apply")
    assert wrong.status_code == 422 and "Type exactly" in wrong.get_data(as_text=True)
    assert email_of(session, user_id) == "Big.Letters@Example.com"
    admin.send(f"/plans/{plan.id}/apply", reason="T", fingerprint=plan.fingerprint, phrase="apply 1 change")
    assert email_of(session, user_id) == "gone@example.com"
    assert "There is no way back" in admin.text(f"/plans/{plan.id}")


def counters_plan(console: Console, session: Session, tasks: int) -> plans.PlanRow:
    """A plan for a project whose tasks all store a wrong number of annotations."""
    project = make_project(session, title="Wrong numbers")
    make_tasks(session, project, tasks, total_annotations=7)
    report, finding = console.look_again("tasks.counters_drift", f"project:{project.id}", by="test")
    assert finding is not None, report.results
    return console.plan(finding, "recount", by="test")


def wrong_rows(session: Session, plan: plans.PlanRow) -> int:
    session.rollback()
    number = session.scalar(
        select(func.count())
        .select_from(Task)
        .where(Task.total_annotations == 7, Task.project_id == int(plan.subject[8:]))
    )
    session.rollback()
    return number or 0


def test_a_large_plan_is_shown_in_part_and_written_by_a_job(admin: Browser, console: Console, session: Session) -> None:
    plan = counters_plan(console, session, 520)
    body = admin.text(f"/plans/{plan.id}")
    assert "50 of 520 changes shown" in body and "See all 520 changes" in body
    assert "520 changes, all shown" in admin.text(f"/plans/{plan.id}?changes=all")
    lines = admin.text(f"/plans/{plan.id}/changes.csv").splitlines()
    assert len(lines) == 521 and lines[0].lstrip("\ufeff") == "label,op,column,before,after"
    admin.send(f"/plans/{plan.id}/apply", reason="T-2", fingerprint=plan.fingerprint)
    assert wrong_rows(session, plan) == 0
    assert "Apply: " in admin.text("/jobs/")
    assert "checked again, nothing found" in admin.text(f"/plans/{plan.id}")
    admin.send(f"/plans/{plan.id}/undo", reason="T-2")
    assert wrong_rows(session, plan) == 520


def test_what_one_plan_leaves_out_is_repaired_in_shards(admin: Browser, console: Console, session: Session) -> None:
    plan = counters_plan(console, session, 2100)
    assert plan.left_out == 100
    body = admin.text(f"/plans/{plan.id}")
    assert "100 further rows are wrong" in body and "Repair 2,100 rows in shards" in body
    assert admin.send(f"/plans/{plan.id}/repair", reason="").status_code == 422
    response = admin.send(f"/plans/{plan.id}/repair", reason="T-3")
    assert re.fullmatch(r"/jobs/\w+", response.location)
    assert "Done" in admin.text(response.location) or "done" in admin.text(response.location)
    assert wrong_rows(session, plan) == 0


def test_a_fix_without_shards_is_not_repaired_in_shards(admin: Browser, console: Console, user_id: int) -> None:
    plan = plan_of(console, user_id)
    assert admin.send(f"/plans/{plan.id}/repair", reason="x").status_code == 400


def test_a_role_that_may_only_look_is_told(
    admin: Browser, console: Console, user_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(console, user_id)
    console.deployment.__dict__["can_fix"] = False
    body = admin.text(f"/plans/{plan.id}")
    assert "LSCONSOLE_FIX_DATABASE_URL" in body and "/apply" not in body


def test_an_unknown_plan_is_not_found(admin: Browser) -> None:
    for path in ("/plans/nothing", "/plans/nothing/changes.csv", "/plans/" + "9" * 400):
        assert admin.get(path).status_code == 404
    assert admin.send("/plans/nothing/apply", reason="x").status_code == 404
