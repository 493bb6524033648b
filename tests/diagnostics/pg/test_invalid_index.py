"""pg.invalid_index: builds that did not come to their end, and what a REINDEX left behind."""

from __future__ import annotations

import psycopg2
import pytest

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.pg.invalid_index import invalid_index
from tests.diagnostics.postgresql import applied, connected, execute, looking_role
from tests.factories import ON_POSTGRESQL

pytestmark = ON_POSTGRESQL


@pytest.fixture
def doubled(ctx: Context) -> Context:
    """A unique index over equal rows: the build fails in its second half."""
    with pytest.raises(psycopg2.errors.UniqueViolation):
        execute(ctx, 'create unique index concurrently "Half built" on prediction (project_id)')
    return ctx


def test_every_index_of_the_dump_is_valid(ctx: Context) -> None:
    assert invalid_index.run(ctx) == []


def test_a_failed_build_is_found_and_rebuilt(console, doubled: Context) -> None:
    ctx = doubled
    [finding] = invalid_index.run(ctx)
    assert (finding.subject, finding.severity, finding.fixes) == ("index:Half built", Severity.ERROR, ("rebuild",))
    assert finding.summary.startswith("Half built on prediction is invalid (")
    assert 'REINDEX INDEX CONCURRENTLY public."Half built";' in finding.cause
    assert "guards nothing" in finding.cause
    execute(ctx, "delete from prediction where id not in (select min(id) from prediction group by project_id)")
    outcome, _ = applied(console, finding, "rebuild")
    assert outcome.status == "applied", outcome.message
    assert invalid_index.run(ctx) == []


def test_a_leftover_of_a_reindex_is_dropped(console, doubled: Context) -> None:
    ctx = doubled
    with pytest.raises(psycopg2.errors.UniqueViolation):
        execute(ctx, 'reindex index concurrently "Half built"')
    built, leftover = sorted(invalid_index.run(ctx), key=lambda finding: len(finding.name))
    assert built.name == "Half built"
    assert (leftover.name, leftover.severity, leftover.fixes) == ("Half built_ccnew", Severity.WARNING, ("drop",))
    outcome, _ = applied(console, leftover, "drop")
    assert outcome.status == "applied", outcome.message
    assert [finding.name for finding in invalid_index.run(ctx)] == ["Half built"]


def test_an_index_that_is_being_built_is_no_fault(doubled: Context) -> None:
    with connected(doubled, "psql") as other:
        with other.cursor() as cursor:
            cursor.execute("lock table prediction in share update exclusive mode")
        assert invalid_index.run(doubled) == []


def test_whoever_owns_nothing_gets_the_statement(settings, doubled: Context) -> None:
    with looking_role(settings, doubled) as looking:
        [finding] = invalid_index.run(looking)
    assert finding.fixes == () and "REINDEX INDEX CONCURRENTLY" in finding.cause
