"""The checks: their list, one check, and running them."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from console import jobs
from console.diagnostics import registry
from console.service import Console
from console.state.models import JobRow
from tests.factories import make_user
from tests.views.conftest import Browser, assert_queries

CODE = "auth.mixed_case_email"


def test_every_check_is_listed_by_its_healthy_condition(admin: Browser) -> None:
    body = admin.text("/checks/")
    for check in registry.all_checks():
        assert check.code in body
    assert "Not run yet" in body


def test_an_outcome_narrows_the_list(admin: Browser, session: Session) -> None:
    make_user(session, email="Big.Letters@Example.com")
    admin.send(f"/checks/{CODE}/run")
    body = admin.text("/checks/?outcome=findings")
    assert CODE in body and "jobs.no_worker" not in body
    assert "cannot sign in: the e-mail has capital letters" in body
    assert admin.text("/checks/?outcome=crashed").count("No check has this outcome") == 1
    admin.text("/checks/?outcome=<script>")


def test_a_check_page_says_what_it_means_and_what_it_answered(support: Browser, session: Session) -> None:
    assert "This check has not run yet" in support.text(f"/checks/{CODE}")
    make_user(session, email="Big.Letters@Example.com")
    response = support.send(f"/checks/{CODE}/run")
    assert (response.status_code, response.location) == (303, f"/checks/{CODE}")
    body = support.text(f"/checks/{CODE}")
    assert "Big.Letters@Example.com" in body and "Earlier runs" in body
    assert f"lsconsole check {CODE}" in body


def test_only_one_full_run_at_a_time(admin: Browser, console: Console) -> None:
    under_way = _queued(console, [])
    response = admin.send("/checks/run")
    assert response.status_code == 303
    assert [job.id for job in jobs.running(console.store, "checks")] == [under_way]
    body = admin.text(response.location)
    assert "under way already" in body and f"job-{under_way}" in body


def test_the_way_back_is_the_page_it_was_started_from(admin: Browser) -> None:
    assert admin.send("/checks/run").location == "/checks/"
    page = admin.get("/jobs/").get_data(as_text=True)
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    response = admin.post("/checks/run", data={"csrf_token": token}, headers={"Referer": "http://localhost/"})
    assert response.location == "/"
    elsewhere = admin.post("/checks/run", data={"csrf_token": token}, headers={"Referer": "https://evil.example/x"})
    assert elsewhere.location == "/checks/"


@pytest.mark.parametrize("code", ["nothing.here", "auth", "../etc", "ü", "x" * 3000])
def test_an_unknown_check_is_not_found(admin: Browser, code: str) -> None:
    assert admin.get(f"/checks/{code}").status_code == 404
    assert admin.send(f"/checks/{code}/run").status_code in {404, 405}


def test_running_needs_a_token_and_a_session(admin: Browser, anonymous: Browser) -> None:
    assert admin.post("/checks/run").status_code == 400
    assert anonymous.send("/checks/run").status_code in {302, 400}


def test_few_statements(admin: Browser, console: Console) -> None:
    admin.send("/checks/run")
    with assert_queries(console.deployment.engine, at_most=4):
        admin.text("/checks/")
    with assert_queries(console.deployment.engine, at_most=4):
        admin.text(f"/checks/{CODE}")


def _queued(console: Console, names: list[str]) -> str:
    from datetime import UTC, datetime

    with console.store.session() as session:
        session.add(JobRow(id="j1", kind="checks", title="Run all checks", arguments={"names": names}, status="queued",
                           by="somebody", created_at=datetime.now(UTC), result=None))  # fmt: skip
    return "j1"
