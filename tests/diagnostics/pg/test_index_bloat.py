"""pg.index_bloat: b-trees that are mostly air."""

from __future__ import annotations

import pytest

from console.diagnostics.check import Context
from console.diagnostics.pg.index_bloat import index_bloat
from console.diagnostics.runner import ask
from tests.diagnostics.postgresql import EMPTY, FILL, applied, execute, limited, looking_role
from tests.factories import ON_POSTGRESQL

pytestmark = ON_POSTGRESQL
INDEX = "io_storages_s3importstoragelink_pkey"


@pytest.fixture
def churned(ctx: Context) -> Context:
    execute(ctx, FILL, EMPTY, "vacuum analyze io_storages_s3importstoragelink")
    return limited(ctx, index_bloat, min_megabytes=0)


def test_an_index_is_rebuilt(console, churned: Context) -> None:
    found = {finding.name: finding for finding in index_bloat.run(churned)}
    finding = found[INDEX]
    assert (finding.subject, finding.fixes) == (f"index:{INDEX}", ("rebuild",))
    assert f"REINDEX INDEX CONCURRENTLY public.{INDEX};" in finding.cause
    assert finding.evidence.rows[0]["empty_percent"] > 60
    outcome, _ = applied(console, finding, "rebuild")
    assert outcome.status == "applied", outcome.message
    assert INDEX not in {found.name for found in index_bloat.run(churned)}


def test_statistics_that_may_not_be_seen_are_asked_for(settings, churned: Context) -> None:
    revoke = "revoke select on io_storages_s3importstoragelink from only_looks"
    with looking_role(settings, churned, revoke) as looking:
        result = ask(index_bloat, looking)
    assert "GRANT SELECT ON public.io_storages_s3importstoragelink TO only_looks;" in result.reason


def test_whoever_owns_nothing_gets_the_statement(settings, churned: Context) -> None:
    with looking_role(settings, churned) as looking:
        found = {finding.name: finding for finding in index_bloat.run(looking)}
    assert found[INDEX].fixes == () and "REINDEX INDEX CONCURRENTLY" in found[INDEX].cause
