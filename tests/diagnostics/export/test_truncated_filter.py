"""export.truncated_filter: told for one project, when somebody asks."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.diagnostics import NotApplicable
from console.diagnostics.check import Context, Scope
from console.diagnostics.export.truncated_filter import truncated_filter
from tests.diagnostics.under_way import make_snapshot
from tests.factories import change_row, make_task


def test_asked_for_all_projects_it_says_nothing(ctx: Context) -> None:
    with pytest.raises(NotApplicable, match="ask about one project"):
        list(truncated_filter.answers(ctx))


@pytest.mark.parametrize("version", ["1.8.2.post1", "1.23.2"])
@pytest.mark.parametrize("project", [1, 4])
def test_whole_snapshots_are_healthy(ctx: Context, session: Session, project: int) -> None:
    make_task(session, project_id=project)  # came later
    ctx.scope = Scope(project_id=project)
    assert truncated_filter.run(ctx) == []


def test_a_part(ctx: Context, session: Session) -> None:
    change_row(session, "data_export_export", 1, counters='{"task_number": 42}')
    ctx.scope = Scope(project_id=1)
    [finding] = truncated_filter.run(ctx)
    assert finding.summary == "Snapshot 1 holds 42 of the 85 tasks that were there"


@pytest.mark.parametrize("counters", [{}, {"task_number": "all"}, {"task_number": None}, [1], {"task_number": True}])
def test_counters_of_any_kind(ctx: Context, session: Session, counters: Any) -> None:
    make_snapshot(session, status="completed", counters=counters)
    ctx.scope = Scope(project_id=1)
    with pytest.raises(NotApplicable, match="does not say how many"):
        list(truncated_filter.answers(ctx))


def test_no_snapshot(ctx: Context) -> None:
    ctx.scope = Scope(project_id=5)
    with pytest.raises(NotApplicable, match="no finished snapshot"):
        list(truncated_filter.answers(ctx))
