"""pg.wraparound: the counter of transactions, on a database whose limits are low."""

from __future__ import annotations

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.pg.wraparound import wraparound
from tests.diagnostics.postgresql import connected, execute, limited, looking_role
from tests.factories import ON_POSTGRESQL

pytestmark = ON_POSTGRESQL
#: Each is a transaction of its own.
TRANSACTIONS = "do $$ begin for n in 1..300 loop perform txid_current(); commit; end loop; end $$"


def this(ctx: Context):
    [(name,)] = execute(ctx, "select current_database()")
    return next((found for found in wraparound.run(ctx) if found.name == f"Database {name}"), None)


def test_a_young_database(ctx: Context) -> None:
    assert wraparound.run(ctx) == []


def test_old_tables_are_vacuumed(console, ctx: Context) -> None:
    execute(ctx, "vacuum freeze", TRANSACTIONS)
    limited(ctx, wraparound, warn_transactions=250)
    finding = this(ctx)
    assert finding is not None
    assert (finding.severity, finding.fixes) == (Severity.WARNING, ("vacuum",))
    assert "transactions since its oldest row was frozen" in finding.summary
    rows = {row["table"]: row for row in finding.evidence.rows}
    assert rows["task"]["transactions"] >= 300 and rows["task"]["may_vacuum"]
    plan = console.plan(finding, "vacuum", by="test")
    assert {change["action"] for change in plan.changes} == {"vacuum"}
    assert "task_completion" in {change["table"] for change in plan.changes}
    execute(ctx, "vacuum freeze")
    assert this(ctx) is None


def test_from_the_alarm_on_it_is_critical_and_who_holds_it_off_is_named(ctx: Context) -> None:
    execute(ctx, "vacuum freeze")
    with connected(ctx, "psql") as old, old.cursor() as cursor:
        cursor.execute("set transaction isolation level repeatable read")
        cursor.execute("select 1")
        pid = old.info.backend_pid
        execute(ctx, TRANSACTIONS)
        finding = this(limited(ctx, wraparound, warn_transactions=250, alarm_transactions=280))
    assert finding.severity is Severity.CRITICAL
    assert f"holds VACUUM off is session {pid} " in finding.cause


def test_whoever_owns_nothing_gets_no_button(settings, ctx: Context) -> None:
    execute(ctx, TRANSACTIONS)
    limited(ctx, wraparound, warn_transactions=250)
    with connected(ctx, "psql"), looking_role(settings, ctx) as looking:
        found = wraparound.run(looking)
    assert "GRANT pg_read_all_stats TO only_looks;" in found[0].cause
    assert found and {finding.fixes for finding in found} == {()}
