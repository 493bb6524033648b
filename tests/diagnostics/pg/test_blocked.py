"""pg.blocked: who waits for whom."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.pg.blocked import blocked
from console.diagnostics.runner import ask
from console.errors import Conflict
from tests.diagnostics.postgresql import applied, connected, execute, limited, looking_role, until, waiting, working
from tests.factories import ON_POSTGRESQL

pytestmark = ON_POSTGRESQL
SECRET = "update htx_user set password = 'pbkdf2_sha256$secret' where id = 1"


@pytest.fixture
def chain(ctx: Context):
    """Three sessions: the first holds a row and idles, the second waits for it, the third waits for the second."""
    limited(ctx, blocked, waiting_seconds=0)
    with ExitStack() as stack:
        root, second, third = (stack.enter_context(connected(ctx, name)) for name in ("psql", "gunicorn", "worker"))
        with root.cursor() as cursor:
            cursor.execute(SECRET)
        with second.cursor() as cursor:
            cursor.execute("update task set updated_at = now() where id = 1")
        stack.enter_context(waiting(second, SECRET))
        stack.enter_context(waiting(third, "update task set updated_at = now() where id = 1"))
        yield ctx, root, second, third


def test_nobody_waits(ctx: Context) -> None:
    assert blocked.run(limited(ctx, blocked, waiting_seconds=0)) == []


def test_a_wait_that_is_short_is_no_fault(chain) -> None:
    ctx, *_ = chain
    assert blocked.run(limited(ctx, blocked, waiting_seconds=30)) == []


def test_a_chain_of_three_leads_to_its_root(console, chain) -> None:
    ctx, root, second, third = chain
    [finding] = blocked.run(ctx)
    pids = [connection.info.backend_pid for connection in (root, second, third)]
    assert (finding.subject, finding.severity) == (f"deployment:session-{pids[0]}", Severity.ERROR)
    assert finding.summary.startswith(f"2 sessions wait for session {pids[0]} (postgres, psql")
    assert "idle in transaction" in finding.cause and f"pg_terminate_backend({pids[0]})" in finding.cause
    assert [(row["depth"], row["pid"]) for row in finding.evidence.rows] == list(enumerate(pids))
    assert "secret" not in str(finding.evidence), "what people type is not shown"
    assert finding.evidence.rows[0]["statement"].startswith("update htx_user set password = '")
    assert finding.fixes == ("terminate",), "there is no statement to cancel"

    outcome, _ = applied(console, finding, "terminate")
    assert outcome.status == "applied", outcome.message
    until(lambda: not execute(ctx, f"select 1 from pg_stat_activity where pid = {pids[0]}"))
    until(lambda: all(found.subject != finding.subject for found in blocked.run(ctx)))


def test_a_statement_at_the_root_can_be_cancelled(console, chain) -> None:
    ctx, root, *_ = chain
    with working(root, "select pg_sleep(20)"):
        until(lambda: _state(ctx, root) == "active")
        [finding] = blocked.run(ctx)
        assert finding.fixes == ("cancel", "terminate")
        outcome, _ = applied(console, finding, "cancel")
        assert outcome.status == "applied"
        until(lambda: _state(ctx, root) != "active")


def test_a_root_that_let_go_and_took_another_lock_is_left_alone(console, ctx: Context) -> None:
    """A lock that outlives its transaction: what counts is when the session fell idle."""
    limited(ctx, blocked, waiting_seconds=0)
    with connected(ctx, "psql") as root, connected(ctx, "gunicorn") as behind:
        root.autocommit = True
        with root.cursor() as cursor:
            cursor.execute("select pg_advisory_lock(77)")
            with waiting(behind, "select pg_advisory_lock(77)"):
                [finding] = blocked.run(ctx)
                assert finding.evidence.rows[0]["state"] == "idle"
                cursor.execute("select 1")
                with pytest.raises(Conflict, match="nothing was done"):
                    applied(console, finding, "terminate")
                ctx.close()
                [finding] = blocked.run(ctx)
                outcome, _ = applied(console, finding, "terminate")
                assert outcome.status == "applied"


def _state(ctx: Context, connection) -> str:
    [(state,)] = execute(ctx, f"select state from pg_stat_activity where pid = {connection.info.backend_pid}")
    return state


def test_the_consoles_own_sessions_are_never_ended(ctx: Context) -> None:
    limited(ctx, blocked, waiting_seconds=0)
    with connected(ctx, "lsconsole") as ours, connected(ctx, "gunicorn") as other:
        with ours.cursor() as cursor:
            cursor.execute("update task set updated_at = now() where id = 1")
        with waiting(other, "update task set updated_at = now() where id = 1"):
            [finding] = blocked.run(ctx)
    assert finding.fixes == () and "this console's own" in finding.cause


def test_a_backup_is_called_one(ctx: Context) -> None:
    limited(ctx, blocked, waiting_seconds=0)
    with connected(ctx, "pg_dump") as dump, connected(ctx, "psql") as other:
        with dump.cursor() as cursor:
            cursor.execute("lock table task in access share mode")
        with waiting(other, "alter table task add column extra int"):
            [finding] = blocked.run(ctx)
    assert "It is a backup" in finding.cause


def test_a_role_that_sees_nobody_elses_session(settings, chain) -> None:
    ctx, root, *_ = chain
    with looking_role(settings, ctx) as looking:
        result = ask(blocked, looking)
    [finding] = result.findings
    assert finding.subject == f"deployment:session-{root.info.backend_pid}" and finding.fixes == ()
    assert "GRANT pg_read_all_stats TO only_looks;" in result.reason


def test_deadlocks_are_counted_per_day(ctx: Context) -> None:
    [finding] = blocked.run(limited(ctx, blocked, max_deadlocks_per_day=-1))
    assert (finding.subject, finding.severity) == ("deployment:deadlocks", Severity.INFO)
