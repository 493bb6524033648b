"""A tab of the Data Manager filters or sorts by something that no index serves.

A filter on a data field, on the text of results, on annotators or scores, and an order by one of these makes the database
read every task of the project, or every annotation, each time the tab is opened, counted or paged. In a small project
nobody notices. In one of many thousand tasks the tab takes half a minute, and while it runs it takes processors and
memory from everybody else; opened by several people it stops Label Studio.

The tab is easy to find (people say "that one tab"), and it helps at once to empty its filter or order. Label Studio
does so in the tab itself, if the tab opens; the repair does it without opening it. Nothing of the tasks is touched, the
filter's own rows stay, and undo puts filter and order back.

Filters on numbers that Label Studio stores on the task (id, counts of annotations, finished or not, dates) are cheap. On
PostgreSQL, Label Studio builds an index over the text of results, so that "contains" with three letters or more
is quick while that index is there and valid. What people look for in task data every day is better kept as a project of
its own, or found once and marked.

Reported are tabs of projects with over `tasks_over` tasks. The cost is what one reading goes through; on PostgreSQL the
planner's own estimate of the worst condition stands beside it (EXPLAIN, which runs nothing).

Source: `apply_filters`, `apply_ordering` and the annotations in Label Studio's `data_manager.managers`; its models of
tabs; the indexes its migrations make.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import func, select, text

from ...amounts import bytes_text, counted
from ...deployment.models import Annotation, Prediction, Project, Task
from .. import Change, Context, Finding, NotApplicable, Severity, check, row_update
from .tabs import VIEWS, Condition, Tab, planner_cost, tabs

#: Tabs whose planner's estimate is asked for.
MOST_EXPLAINED = 20
#: Bytes of a task or a result read at a time, unless the database tells.
GUESSED_BYTES = 1000
ROW_BYTES = "select pg_table_size(oid), reltuples from pg_class where oid = to_regclass(:name)"


@check(
    title="Tabs of big projects filter and sort by what an index serves",
    severity=Severity.WARNING,
    scopes=["project"],
    impact="The tab takes half a minute or never opens, and slows down everybody else while it tries",
    cause="The database has to read the whole project to answer the tab's filter or order.",
)
def bad_filter(ctx: Context, tasks_over: int = 10_000) -> Iterator[Finding]:
    """One finding per project. Rows: tab, whose it is, the condition, rows and bytes to read, the planner's estimate."""
    if not ctx.schema.has_table(VIEWS):
        raise NotApplicable(f"Label Studio {ctx.schema.label_studio_version} keeps no tabs")
    slow: dict[int, list[tuple[Tab, list[Condition]]]] = {}
    for tab in tabs(ctx):
        conditions = [condition for condition in tab.conditions if not condition.served]
        if conditions:
            slow.setdefault(tab.project_id, []).append((tab, conditions))
    explained = 0
    for project_id, found in sorted(slow.items()):
        tasks = _count(ctx, Task, project_id)
        if tasks <= tasks_over:
            continue
        sizes = {"task": tasks, "task_completion": _count(ctx, Annotation, project_id),
                 "prediction": _count(ctx, Prediction, project_id)}  # fmt: skip
        rows = []
        for tab, conditions in found:
            for condition in conditions:
                row = _row(ctx, tab, condition, sizes)
                if ctx.schema.dialect == "postgresql" and explained < MOST_EXPLAINED:
                    row["planner_cost"] = planner_cost(ctx, project_id, condition)
                    explained += 1
                rows.append(row)
        rows.sort(key=lambda row: -row["bytes_to_read"])
        worst = rows[0]
        yield Finding(
            subject=f"project:{project_id}",
            name=ctx.read.scalar(select(Project.title).where(Project.id == project_id)) or "",
            summary=f"{counted(len(found), 'tab')} of {tasks:,} tasks {'reads' if len(found) == 1 else 'read'} the whole "
                    f"project: “{worst['title']}” goes through {worst['rows_to_read']:,} rows, "
                    f"about {bytes_text(worst['bytes_to_read'])}, each time",
            evidence=ctx.evidence(f"{VIEWS} with its filters: columns without an index", rows),
        )  # fmt: skip


@bad_filter.fix(title="Empty the filter or order of these tabs")
def reset(ctx: Context, finding: Finding) -> Iterator[Change]:
    """One row update per tab: its filter group is let go of, its order emptied. Undo puts them back as they were."""
    asked: dict[int, set[str]] = {}
    for row in finding.evidence:
        asked.setdefault(row["tab"], set()).add(row["part"])
    table = ctx.schema.table(VIEWS)
    found = select(table).where(table.c.id.in_(list(asked))).order_by(table.c.id)
    for tab in ctx.read.execute(found).mappings():
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        if "filter" in asked[tab["id"]] and tab["filter_group_id"] is not None:
            before["filter_group_id"], after["filter_group_id"] = tab["filter_group_id"], None
        if "order" in asked[tab["id"]] and tab["ordering"]:
            before["ordering"], after["ordering"] = tab["ordering"], []
        if before:
            yield row_update(VIEWS, tab["id"], before=before, after=after)


def _row(ctx: Context, tab: Tab, condition: Condition, sizes: dict[str, int]) -> dict[str, Any]:
    number = sum(sizes[table] for table in condition.reads)
    volume = sum(sizes[table] * _row_bytes(ctx, table) for table in condition.reads)
    return {
        "tab": tab.id, "title": tab.title, "owner": tab.user_id, "part": condition.part, "column": condition.column,
        "operator": condition.operator, "value": condition.shown, "rows_to_read": number, "bytes_to_read": volume,
        "planner_cost": None,
    }  # fmt: skip


def _count(ctx: Context, model: Any, project_id: int) -> int:
    """Rows of one project, by the index on its id; through the tasks where the release keeps no project beside them."""
    statement = select(func.count()).select_from(model)
    if ctx.schema.has(model.project_id):
        statement = statement.where(model.project_id == project_id)
    else:
        statement = statement.join(Task, Task.id == model.task_id).where(Task.project_id == project_id)
    return ctx.read.scalar(statement) or 0


def _row_bytes(ctx: Context, table: str) -> int:
    """Bytes of a mean row as it lies on the disk, its long values included; a guess where the database does not tell."""
    if ctx.schema.dialect != "postgresql":
        return GUESSED_BYTES
    size, rows = ctx.read.execute(text(ROW_BYTES), {"name": table}).one()
    return int(size / rows) if rows > 0 else GUESSED_BYTES
