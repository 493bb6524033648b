"""perf.revoked_tokens: expired access tokens that nobody clears away; revoked ones that have not expired stay."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from console.diagnostics.check import Context
from console.diagnostics.perf.revoked_tokens import revoked_tokens
from console.diagnostics.runner import ask
from console.service import Console
from tests.factories import BOTH_ENGINES

NOW = datetime.now(UTC)
OUTSTANDING, BLACKLIST = "token_blacklist_outstandingtoken", "token_blacklist_blacklistedtoken"
TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2tlbl90eXBlIjoicmVmcmVzaCJ9"


@pytest.fixture
def sensitive(ctx: Context) -> Context:
    ctx.deployment.settings = replace(ctx.settings, thresholds={"perf.revoked_tokens.expired_over": 1000})
    return ctx


def make_tokens(session: Session, first: int, number: int, *, days: float, revoked: bool = True) -> None:
    schema, ids = session.info["schema"], range(first, first + number)
    session.execute(schema.table(OUTSTANDING).insert(), [
        {"id": at, "token": TOKEN, "jti": f"jti-{at}", "user_id": 1, "created_at": NOW - timedelta(days=99),
         "expires_at": NOW - timedelta(days=days)} for at in ids
    ])  # fmt: skip
    if revoked:
        session.execute(
            schema.table(BLACKLIST).insert(), [{"id": at, "token_id": at, "blacklisted_at": NOW} for at in ids]
        )
    session.commit()


def count(session: Session, table: str) -> int:
    number = session.scalar(select(func.count()).select_from(session.info["schema"].table(table)))
    session.rollback()
    return number or 0


def test_the_tokens_of_the_dump_are_alive(ctx: Context) -> None:
    assert ask(revoked_tokens, ctx).outcome == "pass"


@pytest.mark.parametrize("version", ["1.13.1"])
def test_a_release_without_such_tokens(ctx: Context) -> None:
    assert ask(revoked_tokens, ctx).outcome == "not_applicable"


@BOTH_ENGINES
def test_expired_ones_go_and_revoked_ones_that_live_stay(
    console: Console, sensitive: Context, session: Session
) -> None:
    make_tokens(session, 1000, 1500, days=-400)
    assert revoked_tokens.run(sensitive) == []
    make_tokens(session, 5000, 1200, days=30)
    make_tokens(session, 7000, 100, days=30, revoked=False)
    [finding] = revoked_tokens.run(sensitive)
    others = count(session, OUTSTANDING) - 1300
    assert finding.summary == f"1,300 access tokens expired over a day ago and are still kept, beside {others:,} others"
    sensitive.close()
    plan = console.plan(finding, "flush_tokens", by="test")
    console.apply(plan.id, by="test", reason="ticket 8")
    assert (count(session, OUTSTANDING), count(session, BLACKLIST)) == (others, 1500)
    assert revoked_tokens.run(sensitive) == []
    assert TOKEN not in str(plan.changes) + str(finding)
