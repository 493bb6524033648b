"""pg.idle_in_transaction: transactions that somebody forgot."""

from __future__ import annotations

import pytest

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.documents import from_dict
from console.diagnostics.pg.idle_in_transaction import idle_in_transaction
from console.diagnostics.runner import ask
from console.errors import Conflict, Refused
from console.service import Console
from tests.diagnostics.postgresql import applied, connected, execute, limited, looking_role, until, waiting
from tests.factories import ON_POSTGRESQL

pytestmark = ON_POSTGRESQL


def test_a_transaction_of_a_moment_is_no_fault(ctx: Context) -> None:
    with connected(ctx, "gunicorn") as other, other.cursor() as cursor:
        cursor.execute("select 1")
        assert idle_in_transaction.run(ctx) == []


def test_a_forgotten_transaction_is_ended(console, ctx: Context) -> None:
    limited(ctx, idle_in_transaction, idle_minutes=0)
    with connected(ctx, "psql") as other, other.cursor() as cursor:
        cursor.execute("update task set updated_at = now() where id = 1")
        [finding] = idle_in_transaction.run(ctx)
        pid = other.info.backend_pid
        assert (finding.subject, finding.severity) == (f"deployment:session-{pid}", Severity.WARNING)
        assert finding.summary.startswith(f"Session {pid} (postgres, psql, 127.0.0.1/32) has done nothing for")
        assert finding.evidence.rows[0]["state"] == "idle in transaction"
        outcome, _ = applied(console, finding, "terminate")
        assert outcome.status == "applied", outcome.message
        until(lambda: not execute(ctx, f"select 1 from pg_stat_activity where pid = {pid}"))
        assert idle_in_transaction.run(ctx) == []


def test_a_session_that_went_on_to_another_transaction_is_left_alone(console, ctx: Context) -> None:
    limited(ctx, idle_in_transaction, idle_minutes=0)
    with connected(ctx, "gunicorn") as other, other.cursor() as cursor:
        cursor.execute("update task set updated_at = now() where id = 1")
        [finding] = idle_in_transaction.run(ctx)
        since = finding.evidence.rows[0]["unchanged_since"]
        plan = console.plan(finding, "terminate", by="test")
        [line] = from_dict(plan.changes[0]).lines()
        assert since.isoformat() in line["column"], "who decides sees which transaction is meant"
        cursor.execute("select 1")
        other.commit()
        cursor.execute("select 1")
        with pytest.raises(Conflict, match="has gone on to something else"):
            console.apply(plan.id, by="test", reason="test", seen=plan.fingerprint, verify=False)
        cursor.execute("select 1")
        other.rollback()


def test_work_in_the_same_transaction_does_not_save_it(console, ctx: Context) -> None:
    limited(ctx, idle_in_transaction, idle_minutes=0)
    with connected(ctx, "gunicorn") as other, other.cursor() as cursor:
        cursor.execute("select 1")
        [finding] = idle_in_transaction.run(ctx)
        cursor.execute("select 2")
        outcome, _ = applied(console, finding, "terminate")
        assert outcome.status == "applied"


def test_it_is_an_error_when_somebody_waits(ctx: Context) -> None:
    limited(ctx, idle_in_transaction, idle_minutes=0)
    with connected(ctx, "psql") as other, connected(ctx, "gunicorn") as behind:
        with other.cursor() as cursor:
            cursor.execute("update task set updated_at = now() where id = 1")
        with waiting(behind, "update task set updated_at = now() where id = 1"):
            [finding] = idle_in_transaction.run(ctx)
    assert finding.severity is Severity.ERROR and finding.summary.endswith("and others wait for it")


def test_long_work_is_a_note_without_a_button(ctx: Context) -> None:
    limited(ctx, idle_in_transaction, busy_hours=0)
    with connected(ctx, "pg_dump") as other, connected(ctx, "psql") as blocker:
        with blocker.cursor() as cursor:
            cursor.execute("lock table task in access exclusive mode")
        with waiting(other, "select count(*) from task"):
            [finding] = idle_in_transaction.run(ctx)
    assert (finding.severity, finding.fixes) == (Severity.INFO, ())
    assert "It is a backup" in finding.cause


def test_the_lock_on_migrations_is_told_elsewhere(ctx: Context) -> None:
    limited(ctx, idle_in_transaction, idle_minutes=0)
    with connected(ctx, "") as other, other.cursor() as cursor:
        cursor.execute("select pg_try_advisory_xact_lock(1000)")
        assert idle_in_transaction.run(ctx) == []


def test_hidden_sessions_leave_it_undecided(settings, ctx: Context) -> None:
    with connected(ctx, "psql") as other, other.cursor() as cursor:
        cursor.execute("select 1")
        with looking_role(settings, ctx) as looking:
            result = ask(idle_in_transaction, looking)
        assert result.outcome == "unknown" and "GRANT pg_read_all_stats TO only_looks;" in result.reason
        with looking_role(settings, ctx, "grant pg_read_all_stats to only_looks") as looking:
            limited(looking, idle_in_transaction, idle_minutes=0)
            result = ask(idle_in_transaction, looking)
        assert [finding.fixes for finding in result.findings] == [()], "it may look, and end nothing"
        execute(ctx, "revoke pg_read_all_stats from only_looks")


def test_a_fixing_role_that_may_not_see_the_session_is_told_what_it_needs(console, settings, ctx: Context) -> None:
    limited(ctx, idle_in_transaction, idle_minutes=0)
    with connected(ctx, "psql") as other, other.cursor() as cursor:
        cursor.execute("select 1")
        [finding] = idle_in_transaction.run(ctx)
        plan = console.plan(finding, "terminate", by="test")
        with looking_role(settings, ctx, "grant pg_signal_backend to only_looks") as looking:
            other_console = Console(looking.settings)
            with pytest.raises(Refused, match=r"Needs: GRANT pg_read_all_stats TO only_looks;"):
                other_console.apply(plan.id, by="test", reason="test", seen=plan.fingerprint, verify=False)
            other_console.close()
        execute(ctx, "revoke pg_signal_backend from only_looks")
