"""pg.id_overflow: ids that run out."""

from __future__ import annotations

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.pg.id_overflow import id_overflow
from console.diagnostics.runner import ask
from tests.diagnostics.postgresql import execute, limited, looking_role
from tests.factories import ON_POSTGRESQL

pytestmark = ON_POSTGRESQL


def test_ids_far_from_their_end(ctx: Context) -> None:
    assert id_overflow.run(ctx) == []


def test_a_sequence_past_seven_tenths(ctx: Context) -> None:
    execute(ctx, "select setval('task_id_seq', 1600000000)", "select setval('prediction_id_seq', 2100000000)")
    prediction, task = id_overflow.run(ctx)
    assert (task.subject, task.severity, prediction.severity) == ("table:task", Severity.WARNING, Severity.ERROR)
    assert task.summary == "task.id has used 75 % of its ids: 1,600,000,000 of 2,147,483,647"
    [row] = task.evidence.rows
    execute(ctx, row["alter_column"], row["alter_sequence"])
    assert [found.subject for found in id_overflow.run(ctx)] == ["table:prediction"]


def test_a_wide_column_with_a_narrow_sequence_still_ends(ctx: Context) -> None:
    execute(ctx, "create table widened (id serial primary key)", "alter table widened alter column id type bigint")
    execute(ctx, "select setval('widened_id_seq', 1600000000)")
    [finding] = id_overflow.run(ctx)
    assert finding.subject == "table:widened"
    execute(ctx, finding.evidence.rows[0]["alter_sequence"])
    assert id_overflow.run(ctx) == []


def test_a_small_database_with_a_low_limit(ctx: Context) -> None:
    [finding, *others] = id_overflow.run(limited(ctx, id_overflow, min_used_percent=0.00001))
    assert not [found for found in [finding, *others] if found.severity is Severity.ERROR]


def test_without_rights_it_stays_undecided(settings, ctx: Context) -> None:
    with looking_role(settings, ctx) as looking:
        result = ask(id_overflow, looking)
    assert result.outcome == "unknown" and "GRANT SELECT ON ALL SEQUENCES" in result.reason
