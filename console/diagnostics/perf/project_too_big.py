"""A project has outgrown what Label Studio's pages were made for.

The Data Manager counts a project's tasks anew with every change of a tab, and whatever no index serves (a filter on the
data, an order by a data field) reads all of them. Saving settings or importing recounts the whole project as well. Past
a hundred thousand tasks or annotations that takes seconds, past a million minutes. Very many data columns make every
row of the list heavy and the menus slow; each tab is loaded with the page.

Nothing is broken and nothing needs to be repaired at once. Work in several projects: new batches go to a new project
with the same labeling config; finished ones are exported, checked and deleted. Clean-up of the data columns happens at
the source of the tasks. The evidence tells what one reading of the project costs.

Source: Label Studio's advice on the size of projects, and `annotate_queryset` and the counting in its data manager app.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Text, cast, func, select

from ...amounts import bytes_text, counted
from ...deployment.models import Annotation, Project, ProjectSummary, Task
from .. import Context, Finding, Severity, check

#: Tasks whose size is looked at for the estimate of a whole project.
SAMPLE_TASKS = 200
VIEWS = "data_manager_view"
TASKS = select(Task.project_id, func.count().label("number")).group_by(Task.project_id)


@check(
    title="Every project is of a size its pages can carry",
    severity=Severity.WARNING,
    scopes=["project"],
    impact="The Data Manager, settings and imports of the project are slow, and slow down everybody beside it",
    cause="Label Studio counts and sorts within one project; its pages were made for up to some 100,000 tasks.",
)
def project_too_big(
    ctx: Context, tasks_over: int = 100_000, annotations_over: int = 100_000, data_columns_over: int = 200,
    tabs_over: int = 50,
) -> Iterator[Finding]:  # fmt: skip
    """One finding per project. Rows: what there is too much of, how much, and the limit."""
    counts = {
        "tasks": (_per_project(ctx, "task"), tasks_over),
        "annotations": (_annotations(ctx), annotations_over),
        "data columns": (_data_columns(ctx, data_columns_over), data_columns_over),
        "tabs": (_per_project(ctx, VIEWS) if ctx.schema.has_table(VIEWS) else {}, tabs_over),
    }
    rows: dict[int, list[dict[str, Any]]] = {}
    for what, (numbers, limit) in counts.items():
        for project_id, number in numbers.items():
            if number > limit:
                rows.setdefault(project_id, []).append({"what": what, "number": number, "limit": limit})
    for project_id, found in sorted(rows.items()):
        title = ctx.read.scalar(select(Project.title).where(Project.id == project_id)) or ""
        tasks = counts["tasks"][0].get(project_id, 0)
        size = _bytes_per_task(ctx, project_id) * tasks
        told = " and ".join(counted(row["number"], row["what"].removesuffix("s")) for row in found)
        yield Finding(
            subject=f"project:{project_id}", name=title,
            severity=Severity.INFO if {row["what"] for row in found} <= {"tabs"} else None,
            summary=f"The project holds {told}",
            cause=f"A filter or an order that no index serves reads {counted(tasks, 'task')}, about {bytes_text(size)} "
                  "of task data, each time the tab is opened.",
            evidence=ctx.evidence(TASKS, found),
        )  # fmt: skip


def _per_project(ctx: Context, name: str) -> dict[int, int]:
    """Rows of a table per project; an index alone answers it."""
    table = ctx.schema.table(name)
    statement = (
        select(table.c.project_id, func.count()).where(table.c.project_id.is_not(None)).group_by(table.c.project_id)
    )
    if ctx.scope.project_id is not None:
        statement = statement.where(table.c.project_id == ctx.scope.project_id)
    return {row[0]: row[1] for row in ctx.read.execute(statement)}


def _annotations(ctx: Context) -> dict[int, int]:
    """Annotations per project; the oldest releases keep the project on the task alone."""
    if ctx.schema.has(Annotation.project_id):
        return _per_project(ctx, Annotation.__tablename__)
    statement = select(Task.project_id, func.count()).join(Annotation, Annotation.task_id == Task.id)
    if ctx.scope.project_id is not None:
        statement = statement.where(Task.project_id == ctx.scope.project_id)
    return {
        project_id: number for project_id, number in ctx.read.execute(statement.group_by(Task.project_id)) if project_id
    }


def _data_columns(ctx: Context, limit: int) -> dict[int, int]:
    """Columns of projects that may have more than so many: a name, its quotes and its number take six characters."""
    if not ctx.schema.has(ProjectSummary):
        return {}
    long = func.length(cast(ProjectSummary.all_data_columns, Text)) > limit * 6
    statement = select(ProjectSummary.project_id, ProjectSummary.all_data_columns).where(long)
    if ctx.scope.project_id is not None:
        statement = statement.where(ProjectSummary.project_id == ctx.scope.project_id)
    return {project_id: len(names) for project_id, names in ctx.read.execute(statement) if isinstance(names, dict)}


def _bytes_per_task(ctx: Context, project_id: int) -> float:
    """The mean length of the newest tasks' data as text."""
    newest = (
        select(cast(Task.data, Text).label("data")).where(Task.project_id == project_id)
        .order_by(Task.id.desc()).limit(SAMPLE_TASKS).subquery()
    )  # fmt: skip
    return float(ctx.read.scalar(select(func.avg(func.length(newest.c.data)))) or 0)
