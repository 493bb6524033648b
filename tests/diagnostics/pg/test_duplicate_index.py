"""pg.duplicate_index: two indexes that do the same."""

from __future__ import annotations

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.pg.duplicate_index import duplicate_index
from tests.diagnostics.postgresql import execute, limited
from tests.factories import ON_POSTGRESQL

pytestmark = ON_POSTGRESQL


def test_label_studios_own_pairs_are_too_small_to_matter(ctx: Context) -> None:
    assert duplicate_index.run(ctx) == []
    found = {finding.name for finding in duplicate_index.run(limited(ctx, duplicate_index, min_megabytes=0))}
    assert found & {"task_overlap_455a13f0", "task_overlap_6a196e_idx"}
    assert len(found & {"task_overlap_455a13f0", "task_overlap_6a196e_idx"}) == 1, "one of the two stays"


def test_equal_ones_alone_are_reported(ctx: Context) -> None:
    limited(ctx, duplicate_index, min_megabytes=0)
    before = {finding.name for finding in duplicate_index.run(ctx)}
    execute(
        ctx, "create index plain on task (inner_id)", "create index again on task (inner_id)",
        "create index third on task (inner_id)", "create index backwards on task (inner_id desc)",
        "create index in_part on task (inner_id) where inner_id > 5", "create index with_more on task (inner_id, id)",
        "create index beside_the_key on task (id)",
    )  # fmt: skip
    found = {finding.name: finding for finding in duplicate_index.run(ctx) if finding.name not in before}
    assert set(found) == {"again", "third", "beside_the_key"}
    assert found["again"].evidence.rows[0]["same_as"] == "plain"
    assert (found["again"].severity, found["again"].fixes) == (Severity.INFO, ())
    assert found["beside_the_key"].evidence.rows[0]["same_as"] == "task_pkey"
    assert "DROP INDEX CONCURRENTLY public.beside_the_key;" in found["beside_the_key"].cause
    execute(ctx, "drop index again, third, beside_the_key")
    assert {finding.name for finding in duplicate_index.run(ctx)} == before
