"""Tabs of the Data Manager as `perf.bad_filter` sees them: their conditions, and whether an index serves them.

Source: Label Studio's models of tabs (View, FilterGroup, Filter) and `data_manager.managers`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Text, cast, exc, func, or_, select, text

from ...deployment.models import Annotation, Prediction, Task
from ...masking import mask_text
from .. import Context

VIEWS, GROUPS, FILTERS = "data_manager_view", "data_manager_filtergroup_filters", "data_manager_filter"
#: Columns that are reckoned from other tables for every task of the project, and what is read for them.
RECKONED = {
    "annotations_results": "task_completion", "predictions_results": "prediction", "annotators": "task_completion",
    "annotations_ids": "task_completion", "completed_at": "task_completion", "avg_lead_time": "task_completion",
    "ground_truth": "task_completion", "predictions_score": "prediction", "predictions_model_versions": "prediction",
}  # fmt: skip
#: Filters on these go to an index of the other table, or stop at the first row that fits.
CHEAP_TO_FILTER = {"annotators", "annotations_ids", "ground_truth"}
#: Indexes over the text of results that "contains" can use, by column. The letters a trigram needs.
TRIGRAMS = {
    "annotations_results": "tasks_annotations_result_proj_gin",
    "predictions_results": "tasks_predictions_result_proj_gin",
}
TRIGRAM_LETTERS = 3
LONGEST_SHOWN = 100


@dataclass(frozen=True)
class Condition:
    """One filter, or the order, of a tab. `part` is `filter` or `order`; `reads` names the tables read whole."""

    part: str
    column: str
    operator: str
    value: Any
    served: bool
    reads: tuple[str, ...] = ("task",)

    @property
    def shown(self) -> str:
        """The value as typed, shortened; empty for an order."""
        return "" if self.value is None else mask_text(str(self.value)[: LONGEST_SHOWN * 10])[:LONGEST_SHOWN]


@dataclass
class Tab:
    """One tab of a project."""

    id: int
    project_id: int
    user_id: int | None
    title: str
    conditions: list[Condition] = field(default_factory=list)


def tabs(ctx: Context) -> Iterator[Tab]:
    """Every tab in scope that filters or sorts at all."""
    view = ctx.schema.table(VIEWS)
    names = [name for name in ("id", "project_id", "user_id", "data", "ordering", "filter_group_id") if name in view.c]
    asked = select(*(view.c[name] for name in names)).order_by(view.c.id)
    if ctx.scope.project_id is not None:
        asked = asked.where(view.c.project_id == ctx.scope.project_id)
    filters, trigrams = _filters(ctx), _trigrams(ctx)
    for row in ctx.read.execute(asked).mappings():
        data = row["data"] if isinstance(row["data"], dict) else {}
        tab = Tab(row["id"], row["project_id"], row.get("user_id"), str(data.get("title") or f"tab {row['id']}")[:100])
        for column, operator, value in filters.get(row.get("filter_group_id"), []):
            tab.conditions.append(_filter(column, operator, value, trigrams))
        tab.conditions += _order(row.get("ordering"))
        if tab.conditions:
            yield tab


def _filters(ctx: Context) -> dict[Any, list[tuple[str, str, Any]]]:
    """Column, operator and value of the filters of each group, those nested in another one included."""
    if not (ctx.schema.has_table(GROUPS) and ctx.schema.has_table(FILTERS)):
        return {}
    groups, filters = ctx.schema.table(GROUPS), ctx.schema.table(FILTERS)
    own = filters.c.id == groups.c.filter_id
    joined = or_(own, filters.c.parent_id == groups.c.filter_id) if "parent_id" in filters.c else own
    asked = select(
        groups.c.filtergroup_id, filters.c.id, filters.c["column"], filters.c["operator"], filters.c.value
    ).join(filters, joined)
    found: dict[Any, dict[int, tuple[str, str, Any]]] = {}
    for row in ctx.read.execute(asked.order_by(filters.c.id)):
        found.setdefault(row[0], {})[row[1]] = (str(row[2]), str(row[3]), row[4])
    return {group: list(of_group.values()) for group, of_group in found.items()}


def _filter(column: str, operator: str, value: Any, trigrams: set[str]) -> Condition:
    name = bare(column)
    if name.startswith("data."):
        return Condition("filter", name, operator, value, served=False)
    table = RECKONED.get(name)
    if table is None or name in CHEAP_TO_FILTER:
        return Condition("filter", name, operator, value, served=True)
    found = operator == "contains" and name in trigrams and len(str(value or "")) >= TRIGRAM_LETTERS
    return Condition("filter", name, operator, value, served=found, reads=("task", table))


def _order(ordering: Any) -> list[Condition]:
    """The first name counts, as Label Studio has it."""
    if not isinstance(ordering, list) or not ordering or not isinstance(ordering[0], str):
        return []
    name = bare(ordering[0])
    table = RECKONED.get(name)
    reads = ("task", table) if table else ("task",)
    served = table is None and not name.startswith("data.")
    return [Condition("order", name, "order by", None, served, reads)]


def bare(column: str) -> str:
    """`filter:tasks:data.text`, `-tasks:data.text` and `tasks:-data.text` all mean `data.text`."""
    name = column.strip()
    for prefix in ("filter:", "-", "+", "tasks:", "-", "+"):
        name = name.removeprefix(prefix)
    return name


def _trigrams(ctx: Context) -> set[str]:
    """Columns of results whose index is there and valid."""
    if ctx.schema.dialect != "postgresql":
        return set()
    asked = text(
        "select c.relname from pg_class c join pg_index i on i.indexrelid = c.oid"
        " where i.indisvalid and c.relname = any (:names)"
    )
    there = set(ctx.read.execute(asked, {"names": list(TRIGRAMS.values())}).scalars())
    return {column for column, index in TRIGRAMS.items() if index in there}


def planner_cost(ctx: Context, project_id: int, condition: Condition) -> float | None:
    """PostgreSQL's estimate for one condition over the project, in its own unit (a page read in order is 1); None when
    it cannot be asked. Nothing is run."""
    statement = _statement(ctx, project_id, condition)
    connection = ctx.read.connection()
    compiled = statement.compile(dialect=connection.dialect)
    try:
        with ctx.read.begin_nested():
            plan = connection.exec_driver_sql(f"explain (format json) {compiled}", compiled.params).scalar()
    except exc.DBAPIError:
        return None
    return float(plan[0]["Plan"]["Total Cost"]) if isinstance(plan, list) else None


def _statement(ctx: Context, project_id: int, condition: Condition) -> Any:
    """The heart of what Label Studio asks for this condition."""
    wanted = select(Task.id).where(Task.project_id == project_id)
    looked = f"%{condition.value if isinstance(condition.value, str) else ''}%"
    if condition.column.startswith("data."):
        value = func.jsonb_extract_path_text(Task.data, condition.column.removeprefix("data."))
        if condition.part == "order":
            return wanted.order_by(value).limit(30)
        return wanted.where(func.upper(value).like(func.upper(looked)))
    model: Any = Annotation if "task_completion" in condition.reads else Prediction
    results = select(model.task_id, func.min(cast(model.result, Text)).label("text")).group_by(model.task_id)
    if ctx.schema.has(model.project_id):
        results = results.where(model.project_id == project_id)
    of_task = results.subquery()
    joined = wanted.join(of_task, of_task.c.task_id == Task.id)
    if condition.part == "order":
        return joined.order_by(of_task.c.text).limit(30)
    return joined.where(of_task.c.text.like(looked))
