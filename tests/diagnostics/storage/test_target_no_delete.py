"""storage.target_no_delete: deleted work that stays in the target."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from console.diagnostics import NotApplicable, Severity
from console.diagnostics.check import Context, Scope
from console.diagnostics.storage.target_no_delete import target_no_delete
from console.service import Console
from tests.round_trip import assert_round_trip


def test_targets_that_keep_everything_are_not_asked(ctx: Context, story) -> None:
    story({}, target=True, can_delete_objects=False).fake.faults["DELETE"] = "deny"
    with pytest.raises(NotApplicable):
        list(target_no_delete.answers(ctx))


def test_a_target_that_may_delete_is_healthy(ctx: Context, story) -> None:
    story({}, target=True, can_delete_objects=True)
    assert list(target_no_delete.answers(ctx)) == []


def test_the_right_is_missing(console: Console, ctx: Context, story) -> None:
    storage = story({}, target=True, can_delete_objects=True)
    storage.fake.faults["DELETE"] = "deny"
    [finding] = target_no_delete.run(ctx)
    assert (finding.subject, finding.severity) == (storage.subject, Severity.ERROR)
    assert "s3:DeleteObject" in finding.cause
    storage.fake.faults.clear()
    storage.fake.objects.clear()


def test_a_kind_that_never_deletes(console: Console, ctx: Context, session: Session) -> None:
    target = ctx.schema.table("io_storages_redisexportstorage")
    parent = ctx.schema.table("io_storages_redisstoragemixin")
    session.execute(parent.insert().values(id=77, path="", host="h", port="1", password="", use_blob_urls=False))
    session.execute(target.insert().values(
        redisstoragemixin_ptr_id=77, title="R", created_at=datetime.now(UTC), db=2, project_id=1, can_delete_objects=True,
        status="initialized", synchronizable=True))  # fmt: skip
    session.commit()
    ctx.scope = Scope(storage="redis-export:77")
    [finding] = target_no_delete.run(ctx)
    assert (finding.subject, finding.severity) == ("storage:redis-export:77", Severity.WARNING)
    assert_round_trip(console, ctx, target_no_delete, "switch_off", finding)
