"""Findings: the filtered list, one with its proof, planning, asking again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.service import Console
from console.state import runs
from console.state.models import FindingRow
from console.views.downloads import cell
from tests.factories import change_row, make_user
from tests.views.conftest import Browser, assert_queries

CODE = "auth.mixed_case_email"


@pytest.fixture
def finding_id(console: Console, session: Session) -> int:
    """A finding of one account with a capital letter."""
    user = make_user(session, email="Big.Letters@Example.com")
    console.check([CODE], by="test")
    with console.store.read() as store:
        rows = store.query(FindingRow.id, FindingRow.subject).all()
    return next(row.id for row in rows if row.subject == f"user:{user.id}")


def make_finding(console: Console, **values: Any) -> int:
    """A kept finding as a run would leave it."""
    now = datetime.now(UTC)
    defaults: dict[str, Any] = {
        "deployment": console.deployment.identity, "code": CODE, "subject": "project:7", "name": "Seven",
        "severity": "error", "summary": "Something is wrong", "columns": [], "rows": [], "total": 0, "fixes": [],
        "first_seen": now, "last_seen": now, "gone_at": None, "run_id": "r",
    }  # fmt: skip
    with console.store.session() as store:
        row = FindingRow(**defaults | values)
        store.add(row)
        store.flush()
        return row.id


def test_nothing_checked_nothing_found_nothing_fits(admin: Browser, console: Console) -> None:
    assert "This deployment has not been checked" in admin.text("/findings/")
    make_finding(console)
    assert "No finding fits this filter" in admin.text("/findings/?text=zebra")


def test_filters(admin: Browser, console: Console) -> None:
    make_finding(console, summary="Alpha fails 100%", severity="critical")
    make_finding(console, summary="Beta waits", code="jobs.backlog", subject="queue:low", severity="warning")
    assert "Beta waits" not in admin.text("/findings/?severity=critical")
    assert "Alpha" not in admin.text("/findings/?area=jobs")
    assert "Alpha" in admin.text("/findings/?text=100%25+alpha") and "Beta" not in admin.text(
        "/findings/?text=%25+alpha"
    )
    assert "Beta waits" in admin.text("/findings/?subject=queue:low")
    for nonsense in ("severity=zebra", "area=%00", "text=" + "a " * 400, "page=-1", "page=1e9", "subject=%27--"):
        admin.text(f"/findings/?{nonsense}")


def test_worst_first_and_fifty_to_a_page(admin: Browser, console: Console) -> None:
    for number in range(60):
        make_finding(console, subject=f"project:{number}", summary=f"Number {number}.", severity="info")
    make_finding(console, subject="project:99", summary="The worst one", severity="critical")
    with assert_queries(console.store.engine, at_most=14), assert_queries(console.deployment.engine, at_most=4):
        body = admin.text("/findings/")
    assert body.index("The worst one") < body.index("Number 0.")
    assert "1 to 50 of 61" in body and "Number 59." not in body
    assert "Number 59." in admin.text("/findings/?page=2")


def test_what_people_wrote_is_never_markup(admin: Browser, console: Console) -> None:
    number = make_finding(console, name="<img src=x onerror=alert(1)>", summary="<script>alert(1)</script> ünï 雪",
                          columns=["title"], rows=[{"title": "<b>x</b>"}], total=1)  # fmt: skip
    for path in ("/findings/", f"/findings/{number}", "/"):
        body = admin.text(path)
        assert "<script>alert" not in body and "<img src=x" not in body and "<b>x</b>" not in body


def test_the_page_of_a_finding(support: Browser, console: Console, finding_id: int) -> None:
    with assert_queries(console.deployment.engine, at_most=4):
        body = support.text(f"/findings/{finding_id}")
    assert "Review fix" in body and "Evidence" in body and "1 row as CSV" in body
    assert f"lsconsole fix {CODE} --subject user:" in body
    assert "Symptom" in body


def test_a_finding_of_a_check_this_version_does_not_have(admin: Browser, console: Console) -> None:
    number = make_finding(console, code="gone.check_of_old", fixes=["mend"])
    assert "gone.check_of_old" in admin.text(f"/findings/{number}")
    admin.text("/findings/")
    assert admin.send(f"/findings/{number}/plan/mend").status_code == 404


@pytest.mark.parametrize("number", ["0", "999999", "99999999999999999999999", "-1", "x"])
def test_an_unknown_finding_is_not_found(admin: Browser, number: str) -> None:
    assert admin.get(f"/findings/{number}").status_code == 404
    assert admin.get(f"/findings/{number}/evidence.csv").status_code == 404


def test_support_plans_and_is_led_to_the_plan(support: Browser, finding_id: int) -> None:
    response = support.send(f"/findings/{finding_id}/plan/lower")
    assert response.status_code == 303 and response.location.startswith("/plans/")
    assert "big.letters@example.com" in support.text(response.location)


def test_planning_needs_a_token(support: Browser, anonymous: Browser, finding_id: int) -> None:
    assert support.post(f"/findings/{finding_id}/plan/lower").status_code == 400
    assert anonymous.send(f"/findings/{finding_id}/plan/lower").status_code in {302, 400}


def test_a_fix_that_is_not_offered_is_told_on_the_page(admin: Browser, console: Console) -> None:
    number = make_finding(console)
    response = admin.send(f"/findings/{number}/plan/lower")
    assert response.location == f"/findings/{number}"
    assert "offers no fix" in admin.text(response.location)


def test_again_says_that_it_is_gone(admin: Browser, console: Console, session: Session, finding_id: int) -> None:
    row = runs.finding(console.store, finding_id)
    assert "it still stands" in admin.text(admin.send(f"/findings/{finding_id}/again").location)
    change_row(session, "htx_user", int(row.subject.rpartition(":")[2]), email="big.letters@example.com")
    response = admin.send(f"/findings/{finding_id}/again")
    assert response.status_code == 303
    body = admin.text(response.location)
    assert "Checked again: no longer found" in body and "No longer found since" in body
    assert "Review fix" not in body
    assert "no longer found" in admin.text(admin.send(f"/findings/{finding_id}/plan/lower").location)


def test_the_download_runs_nothing_in_a_spreadsheet(admin: Browser, console: Console) -> None:
    rows = [
        {"id": 1, "title": "=1+1"},
        {"id": -2, "title": "+cmd|' /C calc'!A0"},
        {"id": 3, "title": 'plain, "quoted" 雪'},
    ]
    number = make_finding(console, columns=["id", "title"], rows=rows, total=9000)
    response = admin.get(f"/findings/{number}/evidence.csv")
    assert response.content_type == "text/csv; charset=utf-8"
    assert f"finding-{number}-{CODE}.csv" in response.headers["Content-Disposition"]
    lines = response.get_data(as_text=True).removeprefix("\ufeff").splitlines()
    assert lines == ["id,title", "1,'=1+1", "-2,'+cmd|' /C calc'!A0", '3,"plain, ""quoted"" 雪"']


@pytest.mark.parametrize("text", ["=a", "+a", "-a", "@a", "\t=a", "\r=a", "  =a", "＝a"])
def test_a_formula_becomes_text(text: str) -> None:
    assert cell(text) == f"'{text}"


def test_other_cells_stay_as_they_are() -> None:
    assert [cell(value) for value in (-3, 2.5, True, None, "a=b", "", {"a": 1})] == [
        -3,
        2.5,
        True,
        None,
        "a=b",
        "",
        '{"a": 1}',
    ]
