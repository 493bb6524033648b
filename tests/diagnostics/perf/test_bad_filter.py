"""perf.bad_filter: tabs of big projects whose filter or order reads every task."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from console.diagnostics.check import Context
from console.diagnostics.perf.bad_filter import bad_filter
from console.diagnostics.perf.tabs import bare
from console.service import Console
from tests.factories import BOTH_ENGINES, ON_POSTGRESQL, make_row
from tests.round_trip import assert_round_trip


@pytest.fixture
def sensitive(ctx: Context) -> Context:
    ctx.deployment.settings = replace(ctx.settings, thresholds={"perf.bad_filter.tasks_over": 50})
    return ctx


def make_tab(
    session: Session, *filters: tuple[str, str, Any], ordering: Any = None, project: int = 1, title: str = "Mine"
) -> int:
    group = make_row(session, "data_manager_filtergroup", conjunction="and")
    for at, (column, operator, value) in enumerate(filters):
        added = make_row(
            session, "data_manager_filter", column=column, type="String", operator=operator, value=value, index=at
        )
        make_row(session, "data_manager_filtergroup_filters", filtergroup_id=group.id, filter_id=added.id)
    return make_row(
        session, "data_manager_view", project_id=project, data={"title": title, "target": "tasks"}, user_id=1, order=0,
        ordering=ordering or {}, selected_items={}, filter_group_id=group.id,
    ).id  # fmt: skip


@BOTH_ENGINES
def test_tabs_of_the_dump_are_cheap(sensitive: Context) -> None:
    assert bad_filter.run(sensitive) == []


@BOTH_ENGINES
def test_a_filter_on_the_data_and_its_repair(console: Console, sensitive: Context, session: Session) -> None:
    tab = make_tab(session, ("filter:tasks:data.text", "contains", "100% o'clock"), ("filter:tasks:id", "greater", 3),
                   ordering=["-tasks:data.text"], title="Slow one")  # fmt: skip
    [finding] = bad_filter.run(sensitive)
    assert (finding.subject, finding.fixes) == ("project:1", ("reset",))
    assert finding.summary.startswith(
        "1 tab of 85 tasks reads the whole project: “Slow one” goes through 85 rows, about "
    )
    rows = {row["part"]: row for row in finding.evidence}
    assert set(rows) == {"filter", "order"}
    assert (rows["filter"]["tab"], rows["filter"]["column"], rows["filter"]["value"]) == (
        tab,
        "data.text",
        "100% o'clock",
    )
    if console.deployment.kind == "postgresql":
        assert rows["filter"]["planner_cost"] > 0
        assert rows["order"]["planner_cost"] > 0
    assert_round_trip(console, sensitive, bad_filter, "reset", finding)


@BOTH_ENGINES
def test_only_the_slow_half_of_a_tab_is_emptied(console: Console, sensitive: Context, session: Session) -> None:
    tab = make_tab(session, ("filter:tasks:total_annotations", "equal", 0), ordering=["tasks:-data.text"])
    [finding] = bad_filter.run(sensitive)
    [change] = console.plan(finding, "reset", by="test").changes
    assert change["key"] == {"id": tab}
    assert change["after"] == {"ordering": []}
    assert_round_trip(console, sensitive, bad_filter, "reset", finding)


@BOTH_ENGINES
def test_orders_and_filters_by_reckoned_columns(sensitive: Context, session: Session) -> None:
    make_tab(session, ordering=["tasks:completed_at"])
    make_tab(session, ("filter:tasks:predictions_score", "greater", 0.5))
    make_tab(session, ("filter:tasks:annotators", "contains", 3))
    [finding] = bad_filter.run(sensitive)
    assert {row["column"] for row in finding.evidence} == {"completed_at", "predictions_score"}
    assert finding.summary.startswith("2 tabs of 85 tasks read the whole project")


def test_small_projects_and_broken_tabs(sensitive: Context, session: Session) -> None:
    make_tab(session, ("filter:tasks:data.text", "contains", "x"), project=5)
    make_tab(session, ordering={"broken": 1})
    make_tab(session, ordering=[17, None])
    tab = make_tab(session, ("", "", None))
    session.execute(text("update data_manager_view set data = null where id = :id"), {"id": tab})
    session.commit()
    assert bad_filter.run(sensitive) == []


@ON_POSTGRESQL
def test_the_index_over_results_serves_three_letters(sensitive: Context, session: Session) -> None:
    make_tab(session, ("filter:tasks:annotations_results", "contains", "Positive"))
    assert bad_filter.run(sensitive) == []
    make_tab(session, ("filter:tasks:annotations_results", "contains", "Po"))
    make_tab(session, ("filter:tasks:annotations_results", "not_contains", "Positive"))
    [finding] = bad_filter.run(sensitive)
    assert {(row["operator"], row["value"]) for row in finding.evidence} == {
        ("contains", "Po"),
        ("not_contains", "Positive"),
    }
    assert all(row["planner_cost"] > 0 for row in finding.evidence)
    sensitive.close()
    engine = create_engine(sensitive.deployment.engine.url)
    with engine.begin() as connection:
        connection.execute(text("drop index tasks_annotations_result_proj_gin"))
    engine.dispose()
    [finding] = bad_filter.run(sensitive)
    assert len(finding.evidence) == 3


@pytest.mark.parametrize(("engine", "version"), [("sqlite", "1.8.2.post1"), ("postgresql", "1.8.2.post1")])
def test_older_releases(sensitive: Context, session: Session) -> None:
    make_tab(session, ("filter:tasks:annotations_results", "not_contains", "Positive"))
    [finding] = bad_filter.run(sensitive)
    assert finding.evidence.rows[0]["rows_to_read"] > 85


def test_names_of_columns() -> None:
    for name in ("filter:tasks:data.text", "-tasks:data.text", "tasks:-data.text", "+tasks:data.text", "data.text"):
        assert bare(name) == "data.text"
    assert bare("tasks:data.-x") == "data.-x"
