"""pg.migrate_lock: the lock that pods wait for at their start."""

from __future__ import annotations

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.pg.migrate_lock import migrate_lock
from console.diagnostics.runner import ask
from tests.diagnostics.postgresql import applied, connected, execute, limited, looking_role, until, working
from tests.factories import ON_POSTGRESQL

pytestmark = ON_POSTGRESQL
LOCK = "select pg_try_advisory_xact_lock(1000)"


def test_the_lock_is_free_or_freshly_taken(ctx: Context) -> None:
    assert migrate_lock.run(ctx) == []
    with connected(ctx, "") as pod, pod.cursor() as cursor:
        cursor.execute(LOCK)
        assert migrate_lock.run(ctx) == []


def test_a_pod_that_is_gone_leaves_the_lock(console, ctx: Context) -> None:
    limited(ctx, migrate_lock, idle_minutes=0)
    with connected(ctx, "gone") as pod, pod.cursor() as cursor:
        cursor.execute(LOCK)
        [finding] = migrate_lock.run(ctx)
        assert (finding.subject, finding.severity) == ("deployment:migrate-lock", Severity.ERROR)
        assert finding.summary.endswith("and its program has no other session")
        outcome, _ = applied(console, finding, "terminate")
        assert outcome.status == "applied", outcome.message
        pid = pod.info.backend_pid
        until(lambda: not execute(ctx, f"select 1 from pg_stat_activity where pid = {pid}"))
    assert migrate_lock.run(ctx) == []


def test_a_migration_at_work_is_let_alone(ctx: Context) -> None:
    limited(ctx, migrate_lock, idle_minutes=0.005)
    with connected(ctx, "pod") as pod, connected(ctx, "pod") as migrating, pod.cursor() as cursor:
        cursor.execute(LOCK)
        with working(migrating, "select pg_sleep(20)"):
            active = f"select 1 from pg_stat_activity where pid = {migrating.info.backend_pid} and state = 'active'"
            until(lambda: bool(execute(ctx, active + " and xact_start < clock_timestamp() - interval '0.5 s'")))
            [finding] = migrate_lock.run(ctx)
    assert (finding.severity, finding.fixes) == (Severity.INFO, ())
    assert finding.summary.endswith("its program is at work")


def test_other_locks_and_other_numbers_are_none_of_it(ctx: Context) -> None:
    limited(ctx, migrate_lock, idle_minutes=0)
    with connected(ctx, "") as other, other.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(1001), pg_advisory_xact_lock(0, 1000)")
        assert migrate_lock.run(ctx) == []


def test_a_hidden_holder_leaves_it_undecided(settings, ctx: Context) -> None:
    with connected(ctx, "") as pod, pod.cursor() as cursor:
        cursor.execute(LOCK)
        with looking_role(settings, ctx) as looking:
            result = ask(migrate_lock, looking)
    assert result.outcome == "unknown" and "GRANT pg_read_all_stats TO only_looks;" in result.reason
