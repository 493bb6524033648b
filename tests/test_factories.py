"""The factories write valid rows in every release, and what they write is healthy."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from console.diagnostics.check import Context
from console.diagnostics.tasks.counters_drift import counters_drift
from tests import factories as make
from tests.servers import dump_versions


@pytest.mark.parametrize("version", dump_versions())
@make.BOTH_ENGINES
def test_every_factory_in_every_release(ctx: Context, session: Session) -> None:
    organization = make.make_organization(session)
    user = make.make_user(session, member_of=(organization.id,))
    project = make.make_project(session, created_by_id=user.id, organization_id=organization.id)
    task = make.make_task(session, project=project, total_annotations=1, total_predictions=1, is_labeled=True)
    make.make_annotation(session, task=task, completed_by_id=user.id)
    make.make_prediction(session, task=task)
    make.make_tasks(session, project, 20)
    if ctx.schema.has_table("task") and "total_annotations" in ctx.schema.columns["task"]:
        assert counters_drift.run(ctx) == []
