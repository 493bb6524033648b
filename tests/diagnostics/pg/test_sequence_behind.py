"""pg.sequence_behind: rows that brought their own ids."""

from __future__ import annotations

import pytest

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.pg.sequence_behind import sequence_behind
from console.diagnostics.runner import ask
from console.errors import Conflict
from tests.diagnostics.postgresql import applied, execute, looking_role
from tests.factories import ON_POSTGRESQL

pytestmark = ON_POSTGRESQL


def test_a_restored_database_is_in_order(ctx: Context) -> None:
    assert sequence_behind.run(ctx) == []


def test_sequences_that_were_set_back(console, ctx: Context) -> None:
    execute(ctx, "select setval('task_id_seq', 5)", "select setval('project_id_seq', 1, false)")
    [finding] = sequence_behind.run(ctx)
    assert (finding.subject, finding.severity, finding.fixes) == ("deployment:sequences", Severity.ERROR, ("advance",))
    assert finding.summary == "2 sequences are behind the ids in use: project holds id 5, its sequence stands at 0"
    project, task = finding.evidence.rows
    assert (task["table"], task["largest_id"], task["stands_at"]) == ("task", 267, 5)
    assert (project["table"], project["largest_id"], project["stands_at"]) == ("project", 5, 0)
    assert execute(ctx, finding.evidence.source)[0] == ("public.project_id_seq", 5, 0)

    outcome, plan = applied(console, finding, "advance")
    assert outcome.status == "applied"
    assert sequence_behind.run(ctx) == []
    assert execute(ctx, "select nextval('task_id_seq')") == [(268,)]
    execute(ctx, "select setval('task_id_seq', 267)")
    console.undo(plan.id, by="test", reason="test")
    assert execute(ctx, "select last_value, is_called from task_id_seq") == [(5, True)]
    assert execute(ctx, "select last_value, is_called from project_id_seq") == [(1, False)]


def test_the_statement_in_the_evidence_repairs_it_too(ctx: Context) -> None:
    execute(ctx, "select setval('task_completion_id_seq', 5)")
    [finding] = sequence_behind.run(ctx)
    execute(ctx, finding.evidence.rows[0]["run"])
    assert sequence_behind.run(ctx) == []


def test_a_restart_forward_is_no_fault(ctx: Context) -> None:
    execute(ctx, "alter sequence task_id_seq restart with 268")
    assert sequence_behind.run(ctx) == []


def test_odd_names_and_shared_sequences(console, ctx: Context) -> None:
    execute(
        ctx, '''create table "Odd ""table"" 100%:x" ("The ""Id""" serial primary key)''',
        '''insert into "Odd ""table"" 100%:x" values (7), (9)''', "create sequence loose",
        "create table with_default (id integer primary key default nextval('loose'))", "insert into with_default values (3)",
    )  # fmt: skip
    [finding] = sequence_behind.run(ctx)
    found = {row["table"]: row["largest_id"] for row in finding.evidence.rows}
    assert found == {'Odd "table" 100%:x': 9, "with_default": 3}
    outcome, plan = applied(console, finding, "advance")
    assert outcome.status == "applied", outcome.message
    assert sequence_behind.run(ctx) == []
    console.undo(plan.id, by="test", reason="test")
    execute(ctx, *(row["run"] for row in finding.evidence.rows))
    assert sequence_behind.run(ctx) == []


def test_a_restart_backwards_comes_back_with_undo(console, ctx: Context) -> None:
    execute(ctx, "alter sequence task_id_seq restart with 20")
    [finding] = sequence_behind.run(ctx)
    _, plan = applied(console, finding, "advance")
    console.undo(plan.id, by="test", reason="test")
    assert execute(ctx, "select nextval('task_id_seq')") == [(20,)]


def test_a_sequence_that_moved_on_is_left_alone(console, ctx: Context) -> None:
    execute(ctx, "select setval('task_id_seq', 5)")
    [finding] = sequence_behind.run(ctx)
    execute(ctx, "select setval('task_id_seq', 7)")
    with pytest.raises(Conflict, match="it stands at 7"):
        applied(console, finding, "advance")


def test_a_role_that_may_not_read_sequences_says_what_it_needs(settings, ctx: Context) -> None:
    execute(ctx, "select setval('task_id_seq', 5)")
    with looking_role(settings, ctx) as looking:
        result = ask(sequence_behind, looking)
        assert result.outcome == "unknown"
        assert result.reason.endswith("Needs: GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO only_looks;")
    every = "grant select on all sequences in schema public to only_looks"
    with looking_role(settings, ctx, every, "revoke select on task from only_looks") as looking:
        reason = ask(sequence_behind, looking).reason
    assert reason == ("1 sequence or the tables they count may not be read. "
                      "Needs: GRANT SELECT ON ALL TABLES IN SCHEMA public TO only_looks;")  # fmt: skip
    with looking_role(settings, ctx, "grant select on all sequences in schema public to only_looks") as looking:
        [finding] = sequence_behind.run(looking)
        assert finding.fixes == ()
