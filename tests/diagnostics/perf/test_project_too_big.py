"""perf.project_too_big: more tasks, annotations, data columns or tabs than the pages can carry."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy.orm import Session

from console.diagnostics.check import Context, Scope, Severity
from console.diagnostics.perf.project_too_big import project_too_big
from tests.factories import BOTH_ENGINES, make_project, make_row, make_task


@pytest.fixture
def sensitive(ctx: Context) -> Context:
    """Limits low enough for a small database."""
    limits = {"tasks_over": 80, "annotations_over": 100, "data_columns_over": 200, "tabs_over": 50}
    named = {f"perf.project_too_big.{name}": value for name, value in limits.items()}
    ctx.deployment.settings = replace(ctx.settings, thresholds=named)
    return ctx


@BOTH_ENGINES
def test_a_small_deployment_is_no_finding(ctx: Context) -> None:
    assert project_too_big.run(ctx) == []


@BOTH_ENGINES
def test_tasks_are_counted_with_the_cost_of_reading_them(sensitive: Context) -> None:
    [finding] = project_too_big.run(sensitive)
    assert (finding.subject, finding.severity) == ("project:1", Severity.WARNING)
    assert finding.name == "Review sentiment"
    assert finding.evidence.rows == [{"what": "tasks", "number": 85, "limit": 80}]
    assert finding.summary == "The project holds 85 tasks"
    assert finding.cause.startswith("A filter or an order that no index serves reads 85 tasks, about ")
    assert "kB" in finding.cause


@pytest.mark.parametrize(("engine", "version"), [("sqlite", "1.8.2.post1"), ("postgresql", "1.13.1")])
def test_older_releases_and_annotations(sensitive: Context) -> None:
    thresholds = {**sensitive.settings.thresholds, "perf.project_too_big.annotations_over": 60}
    sensitive.deployment.settings = replace(sensitive.settings, thresholds=thresholds)
    sensitive.scope = Scope(project_id=1)
    [finding] = project_too_big.run(sensitive)
    assert [row["what"] for row in finding.evidence] == ["tasks", "annotations"]
    assert finding.summary.startswith("The project holds 85 tasks and ")


@BOTH_ENGINES
def test_data_columns_and_tabs(sensitive: Context, session: Session) -> None:
    project = make_project(session, title="Wide")
    make_task(session, project=project)
    table = session.info["schema"].table("projects_projectsummary")
    columns = {f"measured_value_{number}": 1 for number in range(201)}
    session.execute(table.update().where(table.c.project_id == project.id).values(all_data_columns=columns))
    tabs = make_project(session, title="Tabs")
    for _ in range(51):
        make_row(session, "data_manager_view", project_id=tabs.id, data={"title": "Mine"}, ordering=[], selected_items={},
                 user_id=1, order=0)  # fmt: skip
    found = {finding.name: finding for finding in project_too_big.run(sensitive)}
    assert found["Wide"].evidence.rows == [{"what": "data columns", "number": 201, "limit": 200}]
    assert found["Tabs"].summary == "The project holds 51 tabs"
    assert found["Tabs"].severity == Severity.INFO


def test_a_broken_summary_is_passed_over(sensitive: Context, session: Session) -> None:
    project = make_project(session)
    table = session.info["schema"].table("projects_projectsummary")
    session.execute(table.update().where(table.c.project_id == project.id).values(all_data_columns=["x" * 2000]))
    session.commit()
    assert [finding.subject for finding in project_too_big.run(sensitive)] == ["project:1"]
