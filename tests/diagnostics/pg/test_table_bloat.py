"""pg.table_bloat: tables of empty pages."""

from __future__ import annotations

import pytest

from console.diagnostics.check import Context
from console.diagnostics.pg.table_bloat import table_bloat
from console.diagnostics.runner import ask
from tests.diagnostics.postgresql import EMPTY, FILL, applied, execute, limited, looking_role
from tests.factories import ON_POSTGRESQL

pytestmark = ON_POSTGRESQL


@pytest.fixture
def grown(ctx: Context) -> Context:
    execute(ctx, FILL, EMPTY, "analyze io_storages_s3importstoragelink")
    return limited(ctx, table_bloat, min_megabytes=0)


def test_dead_rows_want_a_vacuum_first_and_then_a_rewrite(console, grown: Context) -> None:
    [finding] = [found for found in table_bloat.run(grown) if found.name == "io_storages_s3importstoragelink"]
    assert finding.fixes == ("vacuum",)
    assert "VACUUM (ANALYZE) public.io_storages_s3importstoragelink;" in finding.cause
    outcome, _ = applied(console, finding, "vacuum")
    assert outcome.status == "applied", outcome.message

    grown.close()
    [finding] = [found for found in table_bloat.run(grown) if found.name == "io_storages_s3importstoragelink"]
    assert finding.fixes == ("rewrite",) and "VACUUM (FULL, ANALYZE)" in finding.cause
    [row] = finding.evidence.rows
    assert 80 < row["empty_percent"] < 95 and row["empty_bytes"] > 500_000
    execute(grown, "vacuum (full, analyze) io_storages_s3importstoragelink")
    assert "io_storages_s3importstoragelink" not in {found.name for found in table_bloat.run(grown)}


def test_the_rewrite_is_planned_for_the_one_table(console, grown: Context) -> None:
    execute(grown, "vacuum analyze io_storages_s3importstoragelink")
    [finding] = [found for found in table_bloat.run(grown) if found.name == "io_storages_s3importstoragelink"]
    plan = console.plan(finding, "rewrite", by="test")
    [change] = plan.changes
    assert (change["action"], change["table"]) == ("vacuum_full", "io_storages_s3importstoragelink")
    assert not plan.reversible


def test_statistics_that_may_not_be_seen_are_asked_for(settings, grown: Context) -> None:
    limited(grown, table_bloat, min_megabytes=0)
    with looking_role(settings, grown, "revoke select on io_storages_s3importstoragelink from only_looks") as looking:
        result = ask(table_bloat, looking)
    assert "GRANT SELECT ON public.io_storages_s3importstoragelink TO only_looks;" in result.reason
