"""pg.missing_index: indexes whose job was lost."""

from __future__ import annotations

from datetime import timedelta

from console.deployment.schema import UNTOLD
from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.pg.missing_index import missing_index
from console.diagnostics.runner import ask
from tests.diagnostics.postgresql import connected, execute, limited
from tests.factories import ON_POSTGRESQL

pytestmark = ON_POSTGRESQL


def test_an_index_that_was_never_built(ctx: Context) -> None:
    execute(ctx, "drop index task_proj_octlen_idx, task_updated_at_brin_idx, project_deleted_at_idx")
    task, project = sorted(missing_index.run(ctx), key=lambda finding: -len(finding.evidence))
    assert (task.subject, task.severity, task.fixes) == ("table:task", Severity.INFO, ())
    assert "task (267 rows) lacks 2 indexes" in task.summary and "task_updated_at_brin_idx" in task.summary
    assert project.subject == "table:project"
    execute(ctx, *(row["run"] for finding in (task, project) for row in finding.evidence.rows))
    assert missing_index.run(ctx) == []


def test_in_a_large_table_it_is_a_warning(ctx: Context) -> None:
    execute(ctx, "drop index task_proj_octlen_idx", "analyze task")
    [finding] = missing_index.run(limited(ctx, missing_index, min_rows=200))
    assert finding.severity is Severity.WARNING


def test_one_under_another_name_counts(ctx: Context) -> None:
    execute(ctx, "alter index task_proj_octlen_idx rename to by_hand")
    assert missing_index.run(ctx) == []


def test_a_fresh_upgrade_and_a_build_under_way_are_left_alone(ctx: Context) -> None:
    execute(ctx, "drop index task_proj_octlen_idx")
    with connected(ctx, "psql") as other:
        with other.cursor() as cursor:
            cursor.execute("lock table task in share update exclusive mode")
        assert missing_index.run(ctx) == []
    execute(ctx, "update django_migrations set applied = now() where name = '0055_task_proj_octlen_idx_async'")
    assert missing_index.run(ctx) == []
    ctx.now += timedelta(hours=2)
    assert len(missing_index.run(ctx)) == 1


def test_what_waits_for_an_extension_is_told_there(ctx: Context) -> None:
    execute(ctx, "drop extension btree_gin cascade")
    assert missing_index.run(ctx) == []


def test_without_the_release_it_stays_undecided(ctx: Context) -> None:
    ctx.deployment.schema.release = UNTOLD
    assert "GRANT SELECT ON django_migrations" in ask(missing_index, ctx).reason
