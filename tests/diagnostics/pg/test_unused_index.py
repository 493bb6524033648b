"""pg.unused_index: large indexes that no query chose."""

from __future__ import annotations

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.pg.unused_index import unused_index
from console.diagnostics.runner import ask
from tests.diagnostics.postgresql import execute, limited
from tests.factories import ON_POSTGRESQL

pytestmark = ON_POSTGRESQL


def test_a_server_that_counts_since_yesterday_tells_nothing(ctx: Context) -> None:
    result = ask(unused_index, ctx)
    assert (result.outcome, "30 d are needed" in result.reason) == ("not_applicable", True)


def test_used_small_and_needed_indexes_are_left_alone(ctx: Context) -> None:
    execute(ctx, "create index idle_one on task (inner_id)", "select count(*) from task")
    assert unused_index.run(limited(ctx, unused_index, min_days=0)) == []
    found = {finding.name: finding for finding in unused_index.run(limited(ctx, unused_index, min_megabytes=0))}
    finding = found["idle_one"]
    assert (finding.subject, finding.severity, finding.fixes) == ("index:idle_one", Severity.INFO, ())
    assert "DROP INDEX CONCURRENTLY public.idle_one;" in finding.cause
    assert finding.evidence.rows[0]["definition"].startswith("CREATE INDEX idle_one")
    assert not {"task_pkey", "htx_user_email_key"} & set(found)
    execute(ctx, "set enable_seqscan = off", "select id from task where inner_id = 3")
    assert "idle_one" not in {finding.name for finding in unused_index.run(ctx)}
