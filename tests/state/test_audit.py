"""Nothing that was done can be edited, removed or moved without `audit verify` saying so."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import exc, text

from console.errors import NotFound
from console.state import Store, audit
from console.state.audit import Verdict
from console.state.models import PlanRow


def write(store: Store, number: int) -> None:
    for at in range(1, number + 1):
        audit.record(store, actor="alice@example.com", action="granted", subject=f"user:{at}", reason=f"ticket {at} 東京",
                     rows=at, data={"before": None, "ratio": 0.1, "list": [1, "ö", {"deep": True}]})  # fmt: skip


def tamper(store: Store, *statements: str) -> None:
    """What somebody with the database's own password can do: take the triggers away first."""
    with store.engine.begin() as connection:
        if store.engine.dialect.name == "postgresql":
            connection.execute(text("alter table audit_event disable trigger user"))
        else:
            connection.execute(text("drop trigger audit_event_no_update"))
            connection.execute(text("drop trigger audit_event_no_delete"))
        for statement in statements:
            connection.execute(text(statement))


def both(store: Store) -> list[Verdict]:
    """The whole walk, and the short one of pages."""
    return [audit.verify(store), audit.verify_recent(store)]


def test_an_untouched_chain_holds(store):
    assert audit.verify(store) == Verdict(True, 0)
    write(store, 5)
    assert audit.verify(store) == Verdict(True, 5)
    assert audit.verify_recent(store).ok
    assert audit.get(store, 3).reason == "ticket 3 東京"


@pytest.mark.parametrize(
    "edit",
    [
        "actor = 'mallory'", "action = 'revoked'", "subject = 'user:9'", "reason = 'none'", "rows = 99", "code = 'x.y'",
        "plan_id = 'p'", "data = '{}'", "at = '2020-01-01 00:00:00'", "previous_hash = 'x'", "hash = 'x'",
    ],
)  # fmt: skip
def test_an_edited_field_is_found(store, edit):
    write(store, 4)
    tamper(store, f"update audit_event set {edit} where seq = 3")
    for verdict in both(store):
        assert (not verdict.ok and "vent 3" in verdict.problem) or "vent 4" in verdict.problem, verdict
    assert audit.verify(store).events == 2


def test_a_removed_event_is_found(store):
    write(store, 4)
    tamper(store, "delete from audit_event where seq = 2")
    verdict = audit.verify(store)
    assert (verdict.ok, verdict.events) == (False, 1)
    assert verdict.problem == "Before event 3, event 2 is missing."
    assert not audit.verify_recent(store).ok


def test_a_removed_end_is_found(store):
    write(store, 4)
    tamper(store, "delete from audit_event where seq = 4")
    assert "its head says 4: events were removed from the end" in audit.verify(store).problem
    assert not audit.verify_recent(store).ok


def test_a_removed_beginning_is_found(store):
    write(store, 4)
    tamper(store, "delete from audit_event where seq < 3")
    assert "events 1 to 2 are missing" in audit.verify(store).problem


def test_swapped_events_are_found(store):
    write(store, 4)
    tamper(store, "update audit_event set seq = 100 where seq = 2", "update audit_event set seq = 2 where seq = 3",
           "update audit_event set seq = 3 where seq = 100")  # fmt: skip
    assert not audit.verify(store).ok
    assert not audit.verify_recent(store).ok


def test_all_events_removed_are_found(store):
    write(store, 4)
    tamper(store, "delete from audit_event")
    assert "its head says 4" in audit.verify(store).problem
    assert not audit.verify_recent(store).ok


def test_all_events_and_the_head_removed_are_found_by_the_plans(store):
    write(store, 1)
    with store.session() as session:
        session.add(
            PlanRow(
                id="p1",
                deployment="d",
                code="a.b",
                fix_id="f",
                title="t",
                subject="",
                reversible=True,
                status="applied",
                fingerprint="",
                changes=[],
                total=1,
                written=[],
                created_by="x",
                created_at=datetime.now(UTC),
                verify=None,
            )
        )
        audit.append(session, actor="x", action="applied", plan_id="p1")
    assert audit.verify(store).ok
    tamper(store, "delete from audit_event", f"update audit_head set seq = 0, hash = '{audit.GENESIS}'")
    assert "Plan p1 was applied, but no event says so" in audit.verify(store).problem


@pytest.mark.parametrize(
    "statement", ["update audit_event set reason = 'none'", "delete from audit_event", "truncate audit_event"]
)
def test_the_database_itself_refuses_to_change_an_event(store, statement):
    if statement.startswith("truncate") and store.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has no TRUNCATE")
    write(store, 2)
    with pytest.raises(exc.DBAPIError, match="append-only"), store.engine.begin() as connection:
        connection.execute(text(statement))
    assert audit.verify(store) == Verdict(True, 2)


def test_eight_threads_and_two_processes_append_to_one_chain(store, state_url):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        elsewhere = pool.starmap_async(_write_elsewhere, [(state_url, 15)] * 2)
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda _: write(store, 4), range(8)))
        elsewhere.get(60)
    assert audit.verify(store) == Verdict(True, 8 * 4 + 2 * 15)


def _write_elsewhere(url: str, number: int) -> None:
    store = Store.open(url)
    write(store, number)
    store.close()


def test_an_event_that_is_rolled_back_leaves_no_gap(store):
    write(store, 1)
    with pytest.raises(ZeroDivisionError), store.session() as session:
        audit.append(session, actor="x", action="granted")
        _ = 1 / 0
    write(store, 1)
    assert audit.verify(store) == Verdict(True, 2)


def test_long_and_odd_texts_are_kept_whole_or_cut_where_it_is_harmless(store):
    audit.record(store, actor="a" * 500, action="granted", subject="user:" + "1" * 500, reason="nul \x00 and \n lines")
    assert audit.verify(store).ok
    event = audit.get(store, 1)
    assert len(event.actor) == 254 and "\x00" not in event.reason


def test_a_reason_with_a_secret_is_masked(store):
    audit.record(store, actor="x", action="granted", reason="postgresql://u:hunter2secret@host/db")
    assert "hunter2secret" not in audit.get(store, 1).reason


def test_unknown_events(store):
    for number in (0, -5, 1, 2**31, 2**70):
        with pytest.raises(NotFound):
            audit.get(store, number)
