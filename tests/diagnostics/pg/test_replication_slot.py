"""pg.replication_slot: promises to readers that are gone."""

from __future__ import annotations

import pytest

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.pg.replication_slot import replication_slot
from tests.diagnostics.postgresql import execute, limited, looking_role
from tests.factories import ON_POSTGRESQL

pytestmark = ON_POSTGRESQL
SLOT = "left_behind"


@pytest.fixture
def slot(ctx: Context):
    """A slot that has promised something and that nobody reads."""
    execute(
        ctx, f"select pg_create_physical_replication_slot('{SLOT}', true)", "create table written as select 1 as id"
    )
    yield ctx
    execute(ctx, f"select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = '{SLOT}'")


def test_a_server_without_slots(ctx: Context) -> None:
    assert replication_slot.run(ctx) == []


def test_a_slot_that_keeps_little_is_no_fault(slot: Context) -> None:
    assert replication_slot.run(slot) == []


def test_a_slot_that_nobody_reads(settings, slot: Context) -> None:
    limited(slot, replication_slot, min_megabytes=0)
    [finding] = replication_slot.run(slot)
    assert (finding.subject, finding.severity) == (f"deployment:slot-{SLOT}", Severity.ERROR)
    assert "of the log on disk, and nobody reads it" in finding.summary
    assert f"SELECT pg_drop_replication_slot('{SLOT}');" in finding.cause
    [row] = finding.evidence.rows
    assert (row["active"], row["kept_bytes"] > 0) == (False, True)
    with looking_role(settings, slot) as looking:
        assert [found.summary for found in replication_slot.run(looking)]
    execute(slot, f"select pg_drop_replication_slot('{SLOT}')")
    assert replication_slot.run(slot) == []
