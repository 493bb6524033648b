"""Names and messages of strangers can be kept in either store, and two long ones stay two."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from console.diagnostics.check import Finding
from console.state import audit
from console.state.models import JobRow, QueueSample
from console.state.texts import fitted

LONG = "long " * 200


@pytest.mark.parametrize("text", ["", "plain", "Ünïcode", "a\nb\x1b[31m"])
def test_what_fits_is_kept_as_it_is(text):
    assert fitted(text, 30) == text


def test_what_no_database_holds_is_written_out():
    assert fitted("a\x00b\ud800") == "a␀b\\ud800"
    assert fitted(fitted("a\x00b\ud800")) == fitted("a\x00b\ud800")


def test_long_texts_are_cut_and_told_apart():
    one, two = fitted(LONG + "1", 300), fitted(LONG + "2", 300)
    assert len(one) == len(two) == 300 and one != two and one.startswith("long long")
    assert fitted(one, 300) == one
    assert fitted(LONG, 16) == LONG[:16]


@pytest.mark.parametrize("name", ["q\x00nul", "\ud800", LONG])
def test_either_store_keeps_and_finds_them(store, name):
    now = datetime.now(UTC)
    with store.session() as session:
        session.add(QueueSample(deployment="d", at=now, queue=name, waiting=1, started=0, failed=0, workers=0))
        session.add(
            JobRow(
                id="j", kind="k", title=name, arguments={"of": name}, status="done", by="b", created_at=now, result=None
            )
        )
    with store.read() as session:
        assert session.scalar(select(QueueSample.queue).where(QueueSample.queue == name)) == fitted(name, 200)
        assert session.get_one(JobRow, "j").arguments == {"of": name}


def test_the_chain_of_the_audit_log_holds_with_such_names(store):
    audit.record(store, actor="a\x00", action="x", subject=f"queue:{LONG}\x00", reason="\x00 why", data={"job": "\x00"})
    assert audit.verify(store).ok
    assert audit.search(store, "\x00 why")[1] == 1


def test_findings_of_two_long_names_stay_two():
    one, two = Finding(f"queue:{LONG}1", "s"), Finding(f"queue:{LONG}2", "s")
    assert one.subject != two.subject and len(one.subject) == 300
