"""The audit log's pages: newest first, filtered, verified, each event with what it changed."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from console.service import Console
from console.state import audit
from console.state.models import AuditEvent
from console.views import audit as view
from console.views import present
from tests.factories import make_user
from tests.views.conftest import Browser, assert_queries


@pytest.fixture
def applied(admin: Browser, console: Console, session: Session) -> int:
    """The number of an `applied` event: an e-mail put into lower case."""
    user = make_user(session, email="Big@Example.com")
    _, finding = console.look_again("auth.mixed_case_email", f"user:{user.id}", by="test")
    assert finding is not None
    plan = console.plan(finding, finding.fixes[0] if finding.fixes else "lower", by="admin@example.com")
    return console.apply(plan.id, by="admin@example.com", reason="ticket 4816").audit_seq


def without_guard(console: Console, statement: str, seq: int) -> None:
    """What somebody with the store's own file can do: take the triggers away first."""
    with console.store.session() as session:
        session.execute(text("drop trigger if exists audit_event_no_update"))
        session.execute(text("drop trigger if exists audit_event_no_delete"))
        session.execute(text(statement), {"seq": seq})


def test_an_empty_log_says_what_will_fill_it(admin: Browser) -> None:
    assert "Nothing has been changed from here" in admin.text("/audit/")


def test_events_newest_first_with_reason_and_subject(admin: Browser, applied: int) -> None:
    body = admin.text("/audit/")
    assert "Chain verified" in body and "ticket 4816" in body
    assert body.index("Applied:") < body.index("Began:")


def test_an_event_shows_before_and_after_its_hashes_and_its_plan(
    admin: Browser, console: Console, applied: int
) -> None:
    event = audit.get(console.store, applied)
    body = admin.text(f"/audit/{applied}")
    assert "Big@Example.com" in body and "big@example.com" in body
    assert event.hash in body and event.previous_hash in body
    assert f"/plans/{event.plan_id}" in body
    assert "this event fits the one before it" in body
    assert f'href="/audit/{applied - 1}"' in body
    assert f'action="/plans/{event.plan_id}/undo"' in body


def test_support_sees_the_event_and_no_undo(support: Browser, applied: int) -> None:
    body = support.text(f"/audit/{applied}")
    assert "Big@Example.com" in body
    assert "/undo" not in body


@pytest.mark.parametrize(
    ("wanted", "found"), [("4816", True), ("TICKET", True), ("%", False), ("_", True), ("nothing like it", False)]
)
def test_the_filter_reads_every_part_as_text(admin: Browser, applied: int, wanted: str, found: bool) -> None:
    body = admin.get("/audit/", query_string={"text": wanted}).get_data(as_text=True)
    assert (f'href="/audit/{applied}"' in body) is found
    assert ("is hidden" in body or "are hidden" in body) is not found


@pytest.mark.parametrize("query", ["\x00", "'", "x" * 10_000, "\\"])
def test_hostile_filters_and_pages_are_harmless(admin: Browser, query: str) -> None:
    assert admin.get("/audit/", query_string={"text": query}).status_code == 200
    assert admin.get("/audit/", query_string={"page": query}).status_code == 200


@pytest.mark.parametrize("seq", ["0", "999999", "1" + "0" * 30, "abc", "-1"])
def test_an_event_that_is_not_there(admin: Browser, seq: str) -> None:
    assert admin.get(f"/audit/{seq}").status_code == 404


def test_fifty_to_a_page(admin: Browser, console: Console) -> None:
    for number in range(60):
        audit.record(console.store, actor="a@example.com", action="signed in", reason=f"visit {number}")
    first, second = admin.text("/audit/"), admin.text("/audit/?page=2")
    assert "1 to 50 of 60" in first and "visit 59" in first and "visit 9<" not in first
    assert "51 to 60 of 60" in second and "visit 0<" in second and 'rel="prev"' in second


def test_an_edited_event_breaks_the_chain_on_both_pages(admin: Browser, console: Console, applied: int) -> None:
    admin.text("/audit/")
    without_guard(console, "update audit_event set reason = 'nothing' where seq = :seq", applied)
    body = admin.text("/audit/")
    assert "Chain broken" in body and f"Event {applied} was edited" in body
    assert "does not fit the one before it" in admin.text(f"/audit/{applied}")


def test_a_long_chain_is_verified_from_its_end_and_once(
    admin: Browser, console: Console, applied: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "VERIFY_WHOLE", 1)
    monkeypatch.setattr(view, "VERIFY_RECENT", 2)
    view._verified.clear()
    body = admin.text("/audit/")
    assert "Newest 2 verified" in body and "lsconsole audit verify" in body
    calls: list[int] = []
    monkeypatch.setattr(audit, "verify_recent", lambda *_: calls.append(1))
    admin.text("/audit/")
    assert not calls


def test_recent_verification_finds_what_was_done_to_recent_events(console: Console) -> None:
    for _ in range(5):
        audit.record(console.store, actor="a", action="signed in")
    assert audit.verify_recent(console.store, 3) == audit.Verdict(True, 5)
    without_guard(console, "delete from audit_event where seq = :seq", 4)
    assert not audit.verify_recent(console.store, 3).ok
    without_guard(console, "delete from audit_event where seq = :seq", 5)
    assert "removed" in audit.verify_recent(console.store, 3).problem


def test_the_deployment_is_not_asked(admin: Browser, console: Console, applied: int) -> None:
    admin.text("/audit/")
    with assert_queries(console.deployment.engine, at_most=2):
        admin.text("/audit/")
        admin.text(f"/audit/{applied}")


def test_a_check_after_maintenance_tells_of_the_area() -> None:
    """What is wrong in the area is no failure of the maintenance that was just done."""
    after = AuditEvent(seq=3, action="verified", actor="console", code="pg", rows=6, subject="", reason="", data={})
    item = present.event_item(after)
    assert (item["action"], item["outcome"], item["rows"]) == ("Checked again: 6 findings in the area", "info", None)
    done = AuditEvent(seq=2, action="applied", actor="a", code="pg", rows=1, subject="", reason="", data={"title": "V"})
    assert (present.event_item(done)["rows"], present.event_item(done)["unit"]) == (1, "step")
    fixed = AuditEvent(seq=4, action="verified", actor="a", code="pg.blocked", rows=2, subject="", reason="", data={})
    assert present.event_item(fixed)["outcome"] == "findings"
