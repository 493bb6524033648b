"""A page of the Data Manager's task list.

The page's ids are found first, over an index where the order allows it, and only their rows are read; totals come in
the same statement. Source: Label Studio's `data_manager/api.py TaskListAPI`, `DataManagerTaskSerializer`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import and_, func, literal, select, true

from ...errors import NotFound
from .. import tasks_data, tasks_json
from . import columns, conditions, ordering, shown
from .columns import Scope
from .query import Query

#: Columns of a task that are shown as they are, before and after the ones that are reckoned.
_FIRST = ("inner_id", "cancelled_annotations", "total_annotations", "total_predictions")
_LAST = ("created_at", "updated_at", "is_labeled", "overlap", "comment_count", "unresolved_comment_count",
         "last_comment_updated_at")  # fmt: skip


@dataclass(frozen=True)
class Totals:
    """Counts over all tasks of a query, whatever the page."""

    tasks: int
    annotations: int
    predictions: int


@dataclass(frozen=True)
class Options:
    """How tasks are shown. `everything` adds annotations, predictions and the caller's drafts (`fields=all`)."""

    everything: bool = False
    resolve: bool = True
    review: bool = False
    #: only these fields, and none of those; empty is no restriction
    include: frozenset[str] = frozenset()
    exclude: frozenset[str] = frozenset()

    def keeps(self, field: str) -> bool:
        """Whether a field of a task is shown."""
        return field not in self.exclude and (not self.include or field in self.include)


def where(scope: Scope, query: Query) -> list[Any]:
    """Conditions that the project's tasks have to meet for a query. Raises Invalid."""
    found = [conditions.where(scope, query), conditions.selected(scope, query)]
    return [condition for condition in found if condition is not None]


def ids(scope: Scope, query: Query) -> Any:
    """A SELECT of the ids of all tasks of a query, in any order."""
    return select(scope.tasks.c.id).where(scope.tasks.c.project_id == scope.project_id, *where(scope, query))


def total(scope: Scope, query: Query) -> int:
    """How many tasks a query finds."""
    return scope.db.value(select(func.count()).select_from(ids(scope, query).subquery()))


def page(scope: Scope, query: Query, number: int, size: int, options: Options) -> tuple[list[dict[str, Any]], Totals]:
    """One page of tasks, and the totals. Raises NotFound for a page past the end, Invalid for a broken query."""
    names = _names(query, options)
    rows = scope.db.rows(_statement(scope, query, names, number, size, options))
    first = rows[0]._mapping
    totals = Totals(first["matched_tasks"], first["matched_annotations"], first["matched_predictions"])
    found = [dict(row._mapping) for row in rows if row._mapping["id"] is not None]
    if not found and number > 1:
        raise NotFound("Invalid page.")
    return _Shaping(scope, names, options, found).tasks(), totals


def _names(query: Query, options: Options) -> tuple[str, ...]:
    if options.review:
        return ("annotators",)
    return shown.ALL if options.everything else shown.wanted(query)


def _statement(scope: Scope, query: Query, names: Sequence[str], number: int, size: int, options: Options) -> Any:
    tasks = scope.tasks
    own = tasks.c.project_id == scope.project_id
    wanted = where(scope, query)
    keys = ordering.keys(scope, query)
    counters = scope.db.columns("task", *_FIRST[2:])
    sort = [key.value.label(f"order_{place}") for place, key in enumerate(keys)]
    cut: Any
    if wanted:  # the filters are worked out once, for the totals and for the page
        source = select(tasks.c.id, *counters, *sort).where(own, *wanted).cte("matched")
        totals = _totals(source)
        cut = select(source).order_by(*(key.by(source.c[f"order_{place}"]) for place, key in enumerate(keys)))
    else:
        totals = _totals(tasks).where(own)
        cut = select(tasks.c.id, *sort).where(own).order_by(*(key.by() for key in keys))
    counted = totals.cte("totals")
    page_ids = cut.limit(size).offset((number - 1) * size).subquery("page")
    return (
        select(*counted.c, *_columns(scope, names, options))
        .select_from(counted.outerjoin(page_ids.join(tasks, tasks.c.id == page_ids.c.id), true()))
        .order_by(*(key.by(page_ids.c[f"order_{place}"]) for place, key in enumerate(keys)))
    )


def _totals(source: Any) -> Any:
    def summed(name: str) -> Any:
        return func.coalesce(func.sum(source.c[name]), 0) if name in source.c else literal(0)

    return select(
        func.count().label("matched_tasks"),
        summed("total_annotations").label("matched_annotations"),
        summed("total_predictions").label("matched_predictions"),
    ).select_from(source)


def _columns(scope: Scope, names: Sequence[str], options: Options) -> list[Any]:
    db, tasks = scope.db, scope.tasks
    found = [
        tasks.c.id, *db.columns("task", *_FIRST, "updated_by_id", *_LAST), db.raw(tasks.c.data), db.raw(tasks.c.meta),
        _storage_key(scope), *shown.selected(scope, names),
    ]  # fmt: skip
    if db.has("task_comment_authors"):
        authors = db.table("task_comment_authors")
        of_task = tasks_json.id_list(db, authors.c.user_id, authors.c.task_id == tasks.c.id)
        found.append(of_task.label("comment_authors"))
    if options.everything:
        drafts = db.table("tasks_annotationdraft")
        mine = columns.of_task(scope, "tasks_annotationdraft", drafts.c.id).where(drafts.c.user_id == db.caller.id)
        found.append(mine.exists().label("has_own_drafts"))
    return found


def _storage_key(scope: Scope) -> Any:
    """The name of the file a task was synced from."""
    keys = [
        columns.of_task(scope, name, scope.db.table(name).c.key).limit(1).scalar_subquery()
        for name in columns.IMPORT_LINKS
        if scope.db.has(name)
    ]
    return func.coalesce(*keys, None).label("storage_filename")


@dataclass
class _Shaping:
    """Rows of a page on their way to what the client sees."""

    scope: Scope
    names: Sequence[str]
    options: Options
    rows: Sequence[Mapping[str, Any]]
    _known_sources: Sequence[tasks_data.Source] | None = field(default=None, init=False)

    def tasks(self) -> list[dict[str, Any]]:
        """The tasks in the order of the rows."""
        related = self._related() if self.options.everything else {}
        tasks = [self._task(row, related) for row in self.rows]
        if not self.options.include and not self.options.exclude:
            return tasks
        return [{field: value for field, value in task.items() if self.options.keeps(field)} for task in tasks]

    def _task(self, row: Mapping[str, Any], related: Mapping[str, Mapping[int, list[Any]]]) -> dict[str, Any]:
        values = shown.values(self.scope, self.names, row)
        task: dict[str, Any] = {"id": row["id"]}
        for name in ("predictions", "annotations"):
            if self.options.everything:
                task[name] = related[name].get(row["id"], [])
        task["drafts"] = related["drafts"].get(row["id"], []) if related else []
        task["annotators"] = values.get("annotators", [])
        task |= {name: row[name] for name in _FIRST if name in row}
        for name, absent in _RECKONED.items():
            if name in values or absent is not ...:
                task[name] = values.get(name, absent)
            if name == "file_upload":
                task["storage_filename"] = row["storage_filename"]
        task["updated_by"] = [{"user_id": row["updated_by_id"]}] if row.get("updated_by_id") else []
        task |= {"data": self._data(row), "meta": self.scope.db.fragment(row["meta"])}
        task |= {name: row[name] for name in _LAST if name in row}
        task["project"] = self.scope.project_id
        task["comment_authors"] = tasks_json.ids(row.get("comment_authors"))
        return task

    def _data(self, row: Mapping[str, Any]) -> Any:
        text, protected = row["data"], self.options.resolve and self.scope.protected
        if text is None or not tasks_data.needs_reading(text, resolve=self.options.resolve, protected=protected):
            return self.scope.db.fragment(text)
        sources, proxied = ([], self.scope.project_id) if protected else (self._sources(), None)
        host, config = self.scope.db.host, self.scope.label_config
        try:
            return tasks_data.shown(text, config, row["id"], sources, None, host=host, proxied=proxied)
        except orjson.JSONDecodeError:
            return self.scope.db.fragment(text)

    def _sources(self) -> Sequence[tasks_data.Source]:
        if self._known_sources is None:
            resolve = self.options.resolve
            self._known_sources = tasks_data.sources(self.scope.db, self.scope.project_id) if resolve else []
        return self._known_sources

    def _related(self) -> dict[str, dict[int, list[Any]]]:
        """Annotations, predictions and the caller's drafts, by task."""
        db = self.scope.db
        annotations, predictions, drafts = (
            db.table(name) for name in ("task_completion", "prediction", "tasks_annotationdraft")
        )
        listed = columns.listed(db, [row["id"] for row in self.rows])
        drafted = columns.listed(db, [row["id"] for row in self.rows if row["has_own_drafts"]])
        has_drafts = any(row["has_own_drafts"] for row in self.rows)
        mine = and_(drafts.c.task_id.in_(drafted), drafts.c.user_id == db.caller.id)
        return {
            "annotations": _by_task(tasks_json.read_annotations(db, annotations.c.task_id.in_(listed))),
            "predictions": _by_task(tasks_json.read_predictions(db, predictions.c.task_id.in_(listed))),
            "drafts": _by_task(tasks_json.read_drafts(db, mine) if has_drafts else []),
        }


#: Reckoned fields in the order they are sent, and what stands there when nothing reckoned them (`...`: no field).
_RECKONED: Mapping[str, Any] = {
    "completed_at": ..., "annotations_results": "", "predictions_results": "", "predictions_score": ...,
    "file_upload": None, "annotations_ids": "", "predictions_model_versions": "", "avg_lead_time": ...,
    "draft_exists": ...,
}  # fmt: skip


def _by_task(items: Sequence[dict[str, Any]]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for item in items:
        found.setdefault(item["task"], []).append(item)
    return found
